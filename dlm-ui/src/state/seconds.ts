import type { OverviewSecond } from '../api/types'

/** Seconds that are known with those that came, which are newer or the same made whole; the newest `most`. */
export function mergeSeconds(
  known: readonly OverviewSecond[],
  fresh: readonly OverviewSecond[],
  most: number,
): OverviewSecond[] {
  const first = fresh[0]
  if (!first) return [...known]
  return [...known.filter((second) => second.at < first.at), ...fresh].slice(-most)
}

/** How many of something there were a second, over the last few whole seconds. */
export function perSecond(
  seconds: readonly OverviewSecond[],
  of: (second: OverviewSecond) => number,
  over = 10,
): number {
  const last = seconds.slice(-over)
  return last.length === 0 ? 0 : last.reduce((sum, second) => sum + of(second), 0) / last.length
}
