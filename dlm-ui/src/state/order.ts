// Many rows in order, where a change costs one pass and not one sort.
import type { LockStatus } from '../api/types'

export const SORTS = ['name', 'held', 'left', 'waiters', 'oldest', 'token'] as const
export type SortKey = (typeof SORTS)[number]

export interface Sort {
  key: SortKey
  descending: boolean
}

/** What is sorted from the largest down at first: who looks for trouble wants the longest and the most. */
const LARGEST_FIRST: ReadonlySet<SortKey> = new Set(['held', 'waiters', 'oldest', 'token'])

/** Whether the values that are shown go down the page from large to small. */
export function falls({ key, descending }: Sort): boolean {
  return LARGEST_FIRST.has(key) !== descending
}

type Value = string | number

/** Instants of the wire compare as text. Rows without one come last. */
const LAST = '\u{10ffff}'

const VALUES: Record<SortKey, (row: LockStatus) => Value> = {
  name: (row) => row.resource,
  held: (row) => row.holders[0]?.acquired_at ?? LAST,
  left: (row) => row.holders[0]?.expires_at ?? LAST,
  waiters: (row) => -row.queue_len,
  oldest: (row) => row.oldest_enqueued_at ?? LAST,
  token: (row) => -row.current_token,
}

export function comparator(sort: Sort): (a: LockStatus, b: LockStatus) => number {
  const value = VALUES[sort.key]
  const sign = sort.descending ? -1 : 1
  return (a, b) => {
    const [left, right] = [value(a), value(b)]
    if (left !== right) {
      // Those that have nothing to sort by stay last either way.
      if (left === LAST) return 1
      if (right === LAST) return -1
      return left < right ? -sign : sign
    }
    return a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0
  }
}

/** The order after some rows came, went or changed. `touched` has the names of all of these. */
export function reorder(
  ordered: readonly LockStatus[],
  touched: ReadonlyMap<string, unknown>,
  rows: ReadonlyMap<string, LockStatus>,
  sort: Sort,
): LockStatus[] {
  const compare = comparator(sort)
  const moved: LockStatus[] = []
  for (const name of touched.keys()) {
    const row = rows.get(name)
    if (row) moved.push(row)
  }
  moved.sort(compare)
  const result: LockStatus[] = []
  let next = 0
  for (const row of ordered) {
    if (touched.has(row.resource)) continue
    for (let before = moved[next]; before && compare(before, row) < 0; before = moved[next]) {
      result.push(before)
      next += 1
    }
    result.push(row)
  }
  for (; next < moved.length; next += 1) {
    const row = moved[next]
    if (row) result.push(row)
  }
  return result
}
