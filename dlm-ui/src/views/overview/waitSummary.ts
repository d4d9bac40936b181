// The waits of the last minute and those that go on, in a sentence.
import type { Overview } from '../../api/types'
import { count, duration } from '../../lib/format'

type Waits = Pick<Overview, 'at' | 'waiting' | 'oldest_wait' | 'wait_p50_ms'>

/** The percentiles are of waits that ended in a grant: while nobody is granted anything, only the others say so. */
export function waitSummary({ at, waiting, oldest_wait, wait_p50_ms }: Waits): string {
  const ended =
    typeof wait_p50_ms === 'number'
      ? `Median wait of the grants in the last minute: ${duration(wait_p50_ms)}`
      : 'No grants after a wait in the last minute'
  if (waiting === 0 || !oldest_wait) return ended
  const age = roundedAge(Date.parse(at) - Date.parse(oldest_wait.enqueued_at))
  return `${ended}; ${waiting === 1 ? `1 waits now, for ${age}` : `${count(waiting)} wait now, the oldest for ${age}`}`
}

/** Rounded down, so that the text seldom changes. */
function roundedAge(ms: number): string {
  const unit = [3_600_000, 60_000, 10_000].find((unit) => ms >= unit)
  return unit === undefined ? 'less than 10 s' : duration(ms - (ms % unit))
}
