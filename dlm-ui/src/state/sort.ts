// The sort order of the lock list. Applying changes costs one merge pass, not a full sort.
import type { LockStatus } from '../api/types'

export const SORT_KEYS = ['name', 'held', 'left', 'waiters', 'oldest', 'token', 'usual'] as const
export type SortKey = (typeof SORT_KEYS)[number]

export interface Sort {
  key: SortKey
  /** Reverses the key's default direction. */
  reversed: boolean
}

/** Keys whose default direction is descending: the longest and the largest values are of interest first. */
const DESCENDING_KEYS: ReadonlySet<SortKey> = new Set(['held', 'waiters', 'oldest', 'token', 'usual'])

/** Whether the displayed values decrease from top to bottom. */
export function descending({ key, reversed }: Sort): boolean {
  return DESCENDING_KEYS.has(key) !== reversed
}

type Value = string | number

/** Sorts after every timestamp, which compare as strings. Rows without a value come last. */
const NO_VALUE = '\u{10ffff}'

const VALUES: Record<SortKey, (row: LockStatus) => Value> = {
  name: (row) => row.resource,
  held: (row) => row.holders[0]?.acquired_at ?? NO_VALUE,
  left: (row) => row.holders[0]?.expires_at ?? NO_VALUE,
  waiters: (row) => -row.queue_len,
  oldest: (row) => row.oldest_enqueued_at ?? NO_VALUE,
  token: (row) => -row.current_token,
  // A row does not say it. What is on screen is ordered by `useUsualOrder`, in a list by name.
  usual: () => 0,
}

export function comparator(sort: Sort): (a: LockStatus, b: LockStatus) => number {
  const value = VALUES[sort.key]
  const sign = sort.reversed ? -1 : 1
  return (a, b) => {
    const [left, right] = [value(a), value(b)]
    if (left !== right) {
      // Rows without a value stay last in either direction.
      if (left === NO_VALUE) return 1
      if (right === NO_VALUE) return -1
      return left < right ? -sign : sign
    }
    return a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0
  }
}

/**
 * Applies changes to a sorted list. `changed` has the names of all rows that were added, removed or updated; `rows` has
 * the current rows.
 */
export function reorder(
  ordered: readonly LockStatus[],
  changed: ReadonlyMap<string, unknown>,
  rows: ReadonlyMap<string, LockStatus>,
  sort: Sort,
): LockStatus[] {
  const compare = comparator(sort)
  const inserts: LockStatus[] = []
  for (const name of changed.keys()) {
    const row = rows.get(name)
    if (row) inserts.push(row)
  }
  inserts.sort(compare)
  const result: LockStatus[] = []
  let next = 0
  for (const row of ordered) {
    if (changed.has(row.resource)) continue
    for (let insert = inserts[next]; insert && compare(insert, row) < 0; insert = inserts[next]) {
      result.push(insert)
      next += 1
    }
    result.push(row)
  }
  result.push(...inserts.slice(next))
  return result
}
