// The leases that a bulk release ends, and what became of each.
import type { LockStatus, OwnedLease } from '../api/types'

export interface Target {
  resource: string
  owner: string
  principal: string | null
  token: number
  acquiredAt: string
  queueLen: number
}

/** `unknown`: no answer said whether the lease was released. A repeat ends this lease and no other. */
export type Outcome = 'waiting' | 'sending' | 'released' | 'changed' | 'refused' | 'unknown'

/** The names of locks in the state of a page; `null` if it has none. */
export function namesIn(state: unknown): string[] | null {
  return Array.isArray(state) ? state.filter((name) => typeof name === 'string') : null
}

export function targetKey({ resource, token }: Target): string {
  return JSON.stringify([resource, token])
}

/** The leases of an owner and a principal in the rows; of all that is not given. */
export function targetsOf(
  rows: readonly LockStatus[],
  owner: string | null,
  principal: string | null = null,
): Target[] {
  return rows.flatMap(({ resource, holders, queue_len }) =>
    holders
      .filter((holder) => owner === null || holder.owner === owner)
      .filter((holder) => principal === null || holder.principal === principal)
      .map((holder) => ({
        resource,
        owner: holder.owner,
        principal: holder.principal ?? null,
        token: holder.fencing_token,
        acquiredAt: holder.acquired_at,
        queueLen: queue_len,
      })),
  )
}

/** What was found in the rows of a list. */
export interface Listed {
  rows: readonly LockStatus[]
  found: readonly Target[]
  /** Further rows were not read. */
  more: boolean
}

/** What was found, and those of these leases that the rows do not have, each beside the others of its lock. */
export function addLeases({ rows, found, more }: Listed, leases: readonly OwnedLease[]): Target[] {
  const byName = new Map(rows.map((row) => [row.resource, row]))
  const known = new Set(found.map(targetKey))
  const added = leases.flatMap((lease) => {
    const row = byName.get(lease.resource)
    // Where the list has everything, a lease that it has not has ended: the leases may be a few seconds old.
    if (row ? row.holders.length >= row.holder_count : !more) return []
    const target = {
      resource: lease.resource,
      owner: lease.owner,
      principal: lease.principal ?? null,
      token: lease.fencing_token,
      acquiredAt: lease.acquired_at,
      // Without its row, the waiters that the lease blocks are as close as it gets.
      queueLen: row?.queue_len ?? lease.blocked,
    }
    return known.has(targetKey(target)) ? [] : [target]
  })
  return [...found, ...added].sort((a, b) => (a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0))
}

/** Holders of these rows that were not listed, and so are no targets. */
export function unlistedHolders(rows: readonly LockStatus[]): number {
  return rows.reduce((sum, { holder_count, holders }) => sum + Math.max(0, holder_count - holders.length), 0)
}

export function countOutcomes(outcomes: Iterable<Outcome>): Record<Outcome, number> {
  const counts = { waiting: 0, sending: 0, released: 0, changed: 0, refused: 0, unknown: 0 }
  for (const outcome of outcomes) counts[outcome] += 1
  return counts
}
