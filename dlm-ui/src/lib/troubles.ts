// What an operator wants to be told of, even when looking elsewhere.
import type { Overview, WaitGraph } from '../api/types'
import { chainedLocks, chainKey, findChains, type WaitChain } from '../state/waitChains'
import { alertKey, alertsBeside, findAlerts } from './alerts'
import { count, duration, ownerName } from './format'

export interface Trouble {
  /** Identifies it for as long as it lasts. */
  key: string
  text: string
  /** The lock to look at; `null` if it is not about one. */
  resource: string | null
}

export interface Thresholds {
  /** A wait is a trouble after this long. The server lists waits of 30 s and more. */
  waitMs: number
  /** A lock that others wait for is a trouble once it is held for this long; `null` for never. */
  holdMs: number | null
}

/** All current troubles, the most severe first. Of the wait-for graph only what is known. */
export function findTroubles(overview: Overview, graph: WaitGraph | null, thresholds: Thresholds): Trouble[] {
  const chains = graph ? findChains(graph).filter(({ kind }) => kind === 'deadlock') : []
  // That one waits for its locks, and for how long they are held, is no other trouble.
  const deadlocked = chainedLocks(chains)
  return [
    ...deadlocks(chains),
    ...alerts(overview, deadlocked, thresholds),
    ...longHolds(overview, deadlocked, thresholds),
  ]
}

function deadlocks(chains: readonly WaitChain[]): Trouble[] {
  return chains.map((chain) => ({
    key: chainKey(chain),
    text: `Possible deadlock of ${chain.links.map(({ owner }) => ownerName(owner)).join(', ')}`,
    resource: chain.links[0]?.resource ?? null,
  }))
}

function alerts(overview: Overview, deadlocked: ReadonlySet<string>, { waitMs }: Thresholds): Trouble[] {
  return alertsBeside(deadlocked, findAlerts(overview)).flatMap((alert): Trouble[] => {
    switch (alert.kind) {
      case 'blocked': {
        const waited = Date.parse(overview.at) - Date.parse(alert.since)
        if (waited < waitMs) return []
        const waiting = `${count(alert.waiterCount)} waiting for ${alert.resource}`
        const by = alert.blocker === null ? '' : `, held by ${ownerName(alert.blocker)}`
        return [
          { key: alertKey(alert), text: `${waiting} for ${duration(waited)}${by}`, resource: alert.resource },
        ]
      }
      case 'mass-expiration':
        return [
          {
            key: alertKey(alert),
            text: `${count(alert.count)} leases expired within a minute`,
            resource: null,
          },
        ]
      // A single lease that expired is over.
      case 'expired':
        return []
    }
  })
}

function longHolds(
  { at, contended }: Overview,
  deadlocked: ReadonlySet<string>,
  { holdMs }: Thresholds,
): Trouble[] {
  if (holdMs === null) return []
  return contended.flatMap(({ resource, owner, acquired_at }) => {
    const held = acquired_at ? Date.parse(at) - Date.parse(acquired_at) : 0
    if (held < holdMs || deadlocked.has(resource)) return []
    const text = `${resource} held for ${duration(held)} by ${ownerName(owner)} while others wait`
    return [{ key: JSON.stringify(['hold', resource, acquired_at]), text, resource }]
  })
}

/** The title of the page with the number of troubles before it. */
export function titleWith(troubles: number, title: string): string {
  return troubles > 0 ? `(${count(troubles)}) ${title}` : title
}
