import type { OverviewSecond } from '../api/types'

/** Replaces the known seconds that `fresh` covers, and keeps the newest `limit`. */
export function mergeSeconds(
  known: readonly OverviewSecond[],
  fresh: readonly OverviewSecond[],
  limit: number,
): OverviewSecond[] {
  const first = fresh[0]
  if (!first) return [...known]
  return [...known.filter((second) => second.at < first.at), ...fresh].slice(-limit)
}

/** The mean of a per-second count over the last `window` complete seconds. */
export function ratePerSecond(
  seconds: readonly OverviewSecond[],
  value: (second: OverviewSecond) => number,
  window = 10,
): number {
  const recent = seconds.slice(-window)
  return recent.length === 0 ? 0 : recent.reduce((sum, second) => sum + value(second), 0) / recent.length
}
