import { expect, test } from 'vitest'
import type { OverviewSecond } from '../api/types'
import { mergeSeconds, ratePerSecond } from './seconds'

function second(number: number, granted = 0): OverviewSecond {
  return {
    at: new Date(number * 1000).toISOString(),
    granted,
    queued: 0,
    released: 0,
    expired: 0,
    force_released: 0,
    cancelled: 0,
    wait_timed_out: 0,
    wait_p50_ms: null,
    wait_p95_ms: null,
  }
}

test('fresh seconds replace known ones, and the oldest are dropped', () => {
  const known = [second(1, 1), second(2, 2), second(3, 3)]
  const merged = mergeSeconds(known, [second(3, 9), second(4, 4)], 3)
  expect(merged.map(({ granted }) => granted)).toEqual([2, 9, 4])
  expect(mergeSeconds(known, [], 3)).toEqual(known)
})

test('a rate is the mean of the most recent seconds', () => {
  const seconds = [second(1, 100), second(2, 4), second(3, 2)]
  expect(ratePerSecond(seconds, ({ granted }) => granted, 2)).toBe(3)
  expect(ratePerSecond([], ({ granted }) => granted)).toBe(0)
})
