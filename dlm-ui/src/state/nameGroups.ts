// Locks grouped by the next segment of their name.
import type { LockStatus } from '../api/types'

export interface NameGroup {
  /** What the names have in common; of a single lock without further segments its whole name. */
  prefix: string
  /** It ends with a slash, and may be looked into. */
  folder: boolean
  locks: number
  held: number
  waiting: number
  /** When the longest wait began. */
  oldest: string | null
}

/** Groups by the first segment after the prefix, those with the most waiters first. */
export function groupByName(rows: readonly LockStatus[], prefix: string): NameGroup[] {
  const groups = new Map<string, NameGroup>()
  for (const row of rows) {
    // During a load there may still be rows of the prefix before.
    if (!row.resource.startsWith(prefix)) continue
    const slash = row.resource.indexOf('/', prefix.length)
    const name = slash < 0 ? row.resource : row.resource.slice(0, slash + 1)
    let group = groups.get(name)
    if (!group) {
      group = { prefix: name, folder: slash >= 0, locks: 0, held: 0, waiting: 0, oldest: null }
      groups.set(name, group)
    }
    group.locks += 1
    if (row.state === 'held') group.held += 1
    group.waiting += row.queue_len
    const oldest = row.oldest_enqueued_at
    if (oldest && (group.oldest === null || oldest < group.oldest)) group.oldest = oldest
  }
  return [...groups.values()].sort(
    (a, b) => b.waiting - a.waiting || b.locks - a.locks || (a.prefix < b.prefix ? -1 : 1),
  )
}
