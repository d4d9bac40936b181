import { expect, test } from 'vitest'
import type { Overview } from '../../api/types'
import { waitSummary } from './waitSummary'

const at = '2026-01-01T01:00:00.000Z'

function summary(waiting: number, seconds: number, p50: number | null = null): string {
  const enqueued_at = new Date(Date.parse(at) - seconds * 1_000).toISOString()
  const oldest: Overview['oldest_wait'] = { resource: 'a', owner: 'w', mode: 'exclusive', enqueued_at }
  return waitSummary({ at, waiting, oldest_wait: waiting > 0 ? oldest : null, wait_p50_ms: p50 })
}

test('the summary has the waits of grants and the current waits', () => {
  expect(summary(52, 190)).toBe(
    'No grants after a wait in the last minute; 52 wait now, the oldest for 3 min',
  )
  expect(summary(1, 25, 1_500)).toBe(
    'Median wait of the grants in the last minute: 1.5 s; 1 waits now, for 20 s',
  )
  expect(summary(0, 0)).toBe('No grants after a wait in the last minute')
})

test('the age is rounded down, so that the text seldom changes', () => {
  const ages = [3, 10, 59, 60, 119, 3_599, 7_300].map(
    (seconds) => summary(2, seconds).split('the oldest for ')[1],
  )
  expect(ages).toEqual(['less than 10 s', '10 s', '50 s', '1 min', '1 min', '59 min', '2 h'])
})
