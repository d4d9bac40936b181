// How long a lock is held now, compared with how long it usually is.
import type { HoldStatistics, LockStatus } from '../api/types'

/** A hold that takes this many times as long as the usual one is worth a word. */
const REMARKABLE = 2
/** A shorter hold is not: what usually takes a millisecond varies by more. */
const REMARKABLE_MS = 1_000

/** How many times as long as half of the past holds; `null` if nothing is known of them. */
export function timesTheUsual(hold: HoldStatistics | null, heldMs: number): number | null {
  if (!hold || hold.samples === 0) return null
  // Holds of less than a millisecond are recorded as none.
  return Math.max(0, heldMs) / Math.max(1, hold.p50_ms)
}

/** Such as `38 ×`; `null` if there is nothing remarkable about it. */
export function remarkableTimes(hold: HoldStatistics | null, heldMs: number): string | null {
  const times = timesTheUsual(hold, heldMs)
  if (times === null || times < REMARKABLE || heldMs < REMARKABLE_MS) return null
  return `${times < 10 ? times.toFixed(1) : Math.round(times).toLocaleString('en')} ×`
}

/** Such as `38 × the usual`. */
export function remark(hold: HoldStatistics | null, heldMs: number): string | null {
  const times = remarkableTimes(hold, heldMs)
  return times === null ? null : `${times} the usual`
}

/** The points of a line through the values, in a box of this size. Its scale is logarithmic: a few holds are very long. */
export function sparkPoints(values: readonly number[], width: number, height: number): string {
  if (values.length === 0) return ''
  const logs = values.map((value) => Math.log1p(Math.max(0, value)))
  const [low, high] = [Math.min(...logs), Math.max(...logs)]
  const step = values.length > 1 ? width / (values.length - 1) : 0
  return logs
    .map((log, index) => {
      const y = high === low ? height / 2 : height - ((log - low) / (high - low)) * height
      return `${round(index * step)},${round(y)}`
    })
    .join(' ')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

/**
 * The rows of the locks that are held longest, those first. Few are kept while all are looked at: a list may have
 * many thousands, and is drawn several times a second.
 */
export function longestHeld(rows: Iterable<LockStatus>, limit: number): LockStatus[] {
  const since = (row: LockStatus | undefined) => row?.holders[0]?.acquired_at ?? ''
  const longest: LockStatus[] = []
  for (const row of rows) {
    const at = since(row)
    if (at === '' || (longest.length === limit && at >= since(longest.at(-1)))) continue
    let [low, high] = [0, longest.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (since(longest[middle]) <= at) low = middle + 1
      else high = middle
    }
    longest.splice(low, 0, row)
    if (longest.length > limit) longest.pop()
  }
  return longest
}

/** The names of the rows, those held for the most times the usual first. What is not known comes last. */
export function rankByUsual(
  rows: readonly LockStatus[],
  statistics: ReadonlyMap<string, HoldStatistics | null>,
  now: number,
  reversed: boolean,
): string[] {
  const times = new Map(
    rows.map(({ resource, holders }) => {
      const since = holders[0]?.acquired_at
      const hold = statistics.get(resource) ?? null
      return [resource, since ? timesTheUsual(hold, now - Date.parse(since)) : null]
    }),
  )
  const sign = reversed ? -1 : 1
  return [...times.keys()].sort((a, b) => {
    const [left, right] = [times.get(a) ?? null, times.get(b) ?? null]
    if (left === null || right === null) return Number(left === null) - Number(right === null)
    return sign * (right - left)
  })
}
