import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watch } from 'vue'
import { api, ApiError } from '../api/client'
import { useClock } from './clock'

const at = (ms: number) => new Date(ms).toISOString()

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('the server time is assumed to be from the middle of the round trip', () => {
  const clock = useClock()
  clock.addSample(at(1_000_050), 0, 100)
  expect(clock.offset).toBe(1_000_000)
})

test('a sample with a longer round trip does not replace a better one until that is too old', () => {
  const clock = useClock()
  clock.addSample(at(1_000_005), 0, 10)
  clock.addSample(at(1_000_900), 1_000, 1_400)
  expect(clock.offset).toBe(1_000_000)
  clock.addSample(at(2_000_002), 1_000, 1_004)
  expect(clock.offset).toBe(1_999_000)
  // The computer slept, or its clock was set.
  clock.addSample(at(9_000_200), 100_000, 100_400)
  expect(clock.offset).toBe(8_900_000)
})

test('a wall clock jump triggers an immediate sync', async () => {
  vi.useFakeTimers()
  const request = vi.spyOn(api, 'overview').mockRejectedValue(new Error('unreachable'))
  const clock = useClock()
  const stop = clock.run()
  clock.addSample(at(5_000_000), performance.now(), performance.now())
  await vi.advanceTimersByTimeAsync(2_000)
  request.mockClear()
  const before = clock.now
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(request).toHaveBeenCalledTimes(1)
  expect(clock.now - before).toBe(1_000)
  stop()
})

test('the time is updated once a second, when a second of the server begins', async () => {
  vi.useFakeTimers()
  vi.spyOn(api, 'overview').mockRejectedValue(new Error('unreachable'))
  const clock = useClock()
  const updates: number[] = []
  watch(
    () => clock.now,
    (now) => updates.push(now),
    { flush: 'sync' },
  )
  clock.addSample(at(5_000_300), performance.now(), performance.now())
  const stop = clock.run()
  await vi.advanceTimersByTimeAsync(699)
  expect(updates).toEqual([5_000_000])
  await vi.advanceTimersByTimeAsync(2_001)
  expect(updates).toEqual([5_000_000, 5_001_000, 5_002_000, 5_003_000])
  // A better sample moves the seconds.
  clock.addSample(at(5_003_600), performance.now(), performance.now())
  await vi.advanceTimersByTimeAsync(1_000)
  expect(updates.at(-1)).toBe(5_004_000)
  await vi.advanceTimersByTimeAsync(400)
  expect(updates.at(-1)).toBe(5_005_000)
  stop()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(updates.at(-1)).toBe(5_005_000)
})

test('a clock that may not read the overview asks once a minute, and once at a time', async () => {
  vi.useFakeTimers()
  const request = vi.spyOn(api, 'overview').mockRejectedValue(new ApiError(403, null, 'denied'))
  const clock = useClock()
  const stop = clock.run()
  await vi.advanceTimersByTimeAsync(59_000)
  expect(request).toHaveBeenCalledTimes(1)
  request.mockReturnValue(new Promise(() => undefined))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(request).toHaveBeenCalledTimes(2)
  stop()
})
