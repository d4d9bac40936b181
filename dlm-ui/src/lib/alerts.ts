// Conditions that need an operator's attention.
import { LONG_WAIT_MS } from '../api/limits'
import type { Overview } from '../api/types'

/** This many expirations within a minute point to a common cause rather than one crashed client. */
export const MASS_EXPIRATION_COUNT = 10
const WINDOW_SECONDS = 60

/** Waiters that have been stuck for long, all behind one lock. */
export interface BlockedAlert {
  kind: 'blocked'
  resource: string
  /** The owner of the first holder; `null` if nobody holds the lock, or it is not known who. */
  blocker: string | null
  holderCount: number
  waiterCount: number
  /** When the oldest wait began. */
  since: string
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
      return JSON.stringify([alert.kind, alert.resource])
    case 'expired':
      return JSON.stringify([alert.kind, alert.resource, alert.owner])
    default:
      return alert.kind
  }
}

/** All current alerts, the most severe first. */
export function findAlerts(overview: Overview): Alert[] {
  return [...blocked(overview), ...massExpiration(overview), ...expired(overview)]
}

/** One per lock with a long wait, the longest queue first. */
function blocked({ at, contended, long_waits }: Overview): BlockedAlert[] {
  const longSince = Date.parse(at) - LONG_WAIT_MS
  const alerts = new Map<string, BlockedAlert>()
  for (const lock of contended) {
    if (Date.parse(lock.oldest_enqueued_at) > longSince) continue
    alerts.set(lock.resource, {
      kind: 'blocked',
      resource: lock.resource,
      blocker: lock.holder_count > 0 ? lock.owner : null,
      holderCount: lock.holder_count,
      waiterCount: lock.queue_len,
      since: lock.oldest_enqueued_at,
    })
  }
  // A short queue is not among the contended locks, however long it waits.
  const others = long_waits.filter(({ resource }) => !alerts.has(resource))
  for (const { resource, enqueued_at } of others) {
    const known = alerts.get(resource)
    if (known) known.waiterCount += 1
    else {
      const alert = { kind: 'blocked', resource, blocker: null, holderCount: 0 } as const
      alerts.set(resource, { ...alert, waiterCount: 1, since: enqueued_at })
    }
  }
  return [...alerts.values()].sort((a, b) => b.waiterCount - a.waiterCount || (a.since < b.since ? -1 : 1))
}

/** The alerts that say more than the wait chains do, which name these locks. */
export function alertsBeside(chained: ReadonlySet<string>, alerts: readonly Alert[]): Alert[] {
  return alerts.filter((alert) => alert.kind !== 'blocked' || !chained.has(alert.resource))
}

/** How many long waits are behind locks without an alert, at least. */
export function unlistedWaits({ long_wait_count }: Overview, alerts: readonly Alert[]): number {
  const listed = alerts.reduce((sum, alert) => sum + (alert.kind === 'blocked' ? alert.waiterCount : 0), 0)
  return Math.max(0, long_wait_count - listed)
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
