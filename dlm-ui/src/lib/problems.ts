// What an operator should look at first.
import type { Overview } from '../api/types'

/** This many expiries in a minute are not one program that died. */
export const MANY_EXPIRIES = 10

export interface Trouble {
  kind: 'long-wait' | 'expired' | 'many-expiries'
  /** The lock it is about; `null` when it is about many. */
  resource: string | null
  owner: string
  /** Since when, or when. */
  at: string
  count: number
}

/** What tells one trouble from another. */
export function troubleKey({ kind, resource, at, owner }: Trouble): string {
  return kind === 'many-expiries' ? kind : JSON.stringify([kind, resource, at, owner])
}

/** Troubles, the worst first. */
export function troubles(overview: Overview): Trouble[] {
  const found: Trouble[] = overview.long_waits.map((wait) => ({
    kind: 'long-wait',
    resource: wait.resource,
    owner: wait.owner,
    at: wait.enqueued_at,
    count: 1,
  }))
  const lastMinute = overview.seconds.slice(-60)
  const expiries = lastMinute.reduce((sum, second) => sum + second.expired, 0)
  if (expiries >= MANY_EXPIRIES) {
    const first = lastMinute.find((second) => second.expired > 0)
    found.push({
      kind: 'many-expiries',
      resource: null,
      owner: '',
      at: first?.at ?? overview.at,
      count: expiries,
    })
  }
  for (const lease of overview.expired) {
    found.push({ kind: 'expired', resource: lease.resource, owner: lease.owner, at: lease.at, count: 1 })
  }
  return found
}
