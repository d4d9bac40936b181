// What an operator wants to be told of, even when looking elsewhere.
import type { Overview, WaitGraph } from '../api/types'
import { chainKey, type WaitChain } from '../state/waitChains'
import {
  alertKey,
  asOf,
  blockedKey,
  findAlerts,
  findLongChains,
  type Alert,
  type BlockedAlert,
} from './alerts'
import { count, duration, ownerName } from './format'
import type { Thresholds } from './thresholds'

export interface Trouble {
  /** Identifies it for as long as it lasts. */
  key: string
  text: string
  /** The lock to look at; `null` if it is not about one. */
  resource: string | null
}

/** There are icons for up to this many troubles. */
const MAX_ON_ICON = 9

/** All current troubles, the most severe first, which are lines of the overview. Of the wait-for graph only what is known. */
export function findTroubles(overview: Overview, graph: WaitGraph | null, thresholds: Thresholds): Trouble[] {
  const now = asOf(overview, graph)
  const chains = findLongChains(overview, graph, thresholds)
  const alerts = findAlerts(overview, graph, thresholds)
  return [
    ...chains.map((chain) => ofChain(chain, now)),
    ...alerts.flatMap((alert) => ofAlert(alert, now) ?? []),
  ]
}

function ofChain(chain: WaitChain, now: number): Trouble {
  const { kind, links, blocked, since } = chain
  const [first, root] = [links[0], links.at(-1)]
  if (kind === 'deadlock' || !root) {
    const owners = links.map(({ owner }) => ownerName(owner)).join(', ')
    return { key: chainKey(chain), text: `Possible deadlock of ${owners}`, resource: first?.resource ?? null }
  }
  const time = since === null ? '' : ` for ${duration(now - Date.parse(since))}`
  const waiting = `${count(blocked ?? 0)} waiting${time} behind ${ownerName(root.owner)}`
  return {
    // That of its last lock, which stays in trouble if the others get out of it.
    key: blockedKey(root.resource),
    text: `${waiting}, who holds ${root.resource}, over ${links.length} locks`,
    resource: root.resource,
  }
}

function ofAlert(alert: Alert, now: number): Trouble | null {
  const key = alertKey(alert)
  switch (alert.kind) {
    case 'blocked':
      return { key, text: describeBlocked(alert, now), resource: alert.resource }
    case 'mass-expiration':
      return { key, text: `${count(alert.count)} leases expired within a minute`, resource: null }
    // A single lease that expired is over.
    case 'expired':
      return null
  }
}

function describeBlocked(
  { resource, blocker, waiterCount, waitingSince, heldSince }: BlockedAlert,
  now: number,
): string {
  const time = (since: string) => `for ${duration(now - Date.parse(since))}`
  const by = blocker === null ? '' : ` by ${ownerName(blocker)}`
  const held = heldSince === null ? `held${by}` : `held ${time(heldSince)}${by}`
  if (waitingSince === null) return `${resource} ${held} while others wait`
  return `${count(waiterCount)} waiting for ${resource} ${time(waitingSince)}${by && `, ${held}`}`
}

/** The title of the page with the number of troubles before it. */
export function titleWith(troubles: number, title: string): string {
  return troubles > 0 ? `(${count(troubles)}) ${title}` : title
}

/** The icon with the number of troubles. They are files: the content security policy allows no others. */
export function iconFor(troubles: number): string {
  if (troubles === 0) return '/icon.svg'
  return `/icon-trouble-${troubles > MAX_ON_ICON ? `${MAX_ON_ICON}plus` : troubles}.svg`
}
