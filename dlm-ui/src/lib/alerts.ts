// Conditions that need an operator's attention.
import { LONG_WAIT_MS } from '../api/limits'
import type { Overview, WaitGraph } from '../api/types'
import { chainedLocks, findChains, type WaitChain } from '../state/waitChains'
import type { Thresholds } from './thresholds'
import { waitedLocks, type WaitedLock } from './waitedLocks'

/** This many expirations within a minute point to a common cause rather than one crashed client. */
export const MASS_EXPIRATION_COUNT = 10
const WINDOW_SECONDS = 60

/** A lock with a long wait, or one that is held for long while others wait. */
export interface BlockedAlert extends Omit<WaitedLock, 'waitingSince' | 'heldSince'> {
  kind: 'blocked'
  /** When the oldest wait began; `null` if it is not a long one. */
  waitingSince: string | null
  /** When it was granted to the blocker; `null` if that is not long ago. */
  heldSince: string | null
}

/** Leases of one owner that expired on one lock. */
export interface ExpiredAlert {
  kind: 'expired'
  resource: string
  owner: string
  count: number
  /** When the last of them expired. */
  at: string
}

export interface MassExpirationAlert {
  kind: 'mass-expiration'
  count: number
}

export type Alert = BlockedAlert | ExpiredAlert | MassExpirationAlert

/** Identifies an alert across updates. */
export function alertKey(alert: Alert): string {
  switch (alert.kind) {
    case 'blocked':
      return blockedKey(alert.resource)
    case 'expired':
      return JSON.stringify([alert.kind, alert.resource, alert.owner])
    default:
      return alert.kind
  }
}

/** The key of the alert of a lock that blocks others. */
export function blockedKey(resource: string): string {
  return JSON.stringify(['blocked', resource])
}

/**
 * All current alerts, the most severe first. Of the wait-for graph only what is known. A chain is said as one, so its
 * locks are no alerts of their own.
 */
export function findAlerts(overview: Overview, graph: WaitGraph | null, thresholds: Thresholds): Alert[] {
  const chained = chainedLocks(graph ? findChains(graph) : [])
  const beside = blocked(overview, graph, thresholds).filter(({ resource }) => !chained.has(resource))
  return [...beside, ...massExpiration(overview), ...expired(overview)]
}

/** The chains that need attention: possible deadlocks, and those with a long wait or a long hold. */
export function findLongChains(
  overview: Overview,
  graph: WaitGraph | null,
  thresholds: Thresholds,
): WaitChain[] {
  const long = new Set(blocked(overview, graph, thresholds).map(({ resource }) => resource))
  return (graph ? findChains(graph) : []).filter(
    ({ kind, links }) => kind === 'deadlock' || links.some(({ resource }) => long.has(resource)),
  )
}

/** The server's time of the later answer: an unchanged graph is not sent again. */
export function asOf({ at }: Overview, graph: WaitGraph | null): number {
  return Math.max(Date.parse(at), graph ? Date.parse(graph.at) : 0)
}

/** How many waits over the threshold are behind locks that are not known, at least. */
export function unlistedWaits(overview: Overview, graph: WaitGraph | null, { waitMs }: Thresholds): number {
  // The server counts waits from 30 s on. How many of them are longer is not known.
  if (waitMs > LONG_WAIT_MS) return 0
  const longSince = asOf(overview, graph) - waitMs
  const listed = waitedLocks(overview, graph).filter(
    ({ waitingSince }) => Date.parse(waitingSince) <= longSince,
  )
  return Math.max(0, overview.long_wait_count - listed.reduce((sum, { waiterCount }) => sum + waiterCount, 0))
}

/** One per lock with a long wait or a long hold, the longest queue first. */
function blocked(
  overview: Overview,
  graph: WaitGraph | null,
  { waitMs, holdMs }: Thresholds,
): BlockedAlert[] {
  const now = asOf(overview, graph)
  const ifLong = (since: string | null, threshold: number | null) =>
    since !== null && threshold !== null && now - Date.parse(since) >= threshold ? since : null
  const alerts = waitedLocks(overview, graph).map((lock): BlockedAlert => {
    const waitingSince = ifLong(lock.waitingSince, waitMs)
    return { kind: 'blocked', ...lock, waitingSince, heldSince: ifLong(lock.heldSince, holdMs) }
  })
  return alerts
    .filter(({ waitingSince, heldSince }) => waitingSince !== null || heldSince !== null)
    .sort((a, b) => b.waiterCount - a.waiterCount || begin(a) - begin(b))
}

function begin({ waitingSince, heldSince }: BlockedAlert): number {
  return Date.parse(waitingSince ?? heldSince ?? '')
}

function massExpiration({ seconds }: Overview): MassExpirationAlert[] {
  const count = seconds.slice(-WINDOW_SECONDS).reduce((sum, second) => sum + second.expired, 0)
  return count >= MASS_EXPIRATION_COUNT ? [{ kind: 'mass-expiration', count }] : []
}

function expired(overview: Overview): ExpiredAlert[] {
  const alerts = new Map<string, ExpiredAlert>()
  // Newest first.
  for (const { resource, owner, at } of overview.expired) {
    const alert: ExpiredAlert = { kind: 'expired', resource, owner, count: 1, at }
    const known = alerts.get(alertKey(alert))
    if (known) known.count += 1
    else alerts.set(alertKey(alert), alert)
  }
  return [...alerts.values()]
}
