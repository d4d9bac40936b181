import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api } from '../api/client'
import { useClock } from './clock'

const at = (ms: number) => new Date(ms).toISOString()

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('the server read its clock in the middle of the way', () => {
  const clock = useClock()
  clock.take(at(1_000_050), 0, 100)
  expect(clock.offset).toBe(1_000_000)
})

test('a reading that took longer does not replace a better one, until that is old', () => {
  const clock = useClock()
  clock.take(at(1_000_005), 0, 10)
  clock.take(at(1_000_900), 1_000, 1_400)
  expect(clock.offset).toBe(1_000_000)
  clock.take(at(2_000_002), 1_000, 1_004)
  expect(clock.offset).toBe(1_999_000)
  // The computer slept, or somebody set its clock.
  clock.take(at(9_000_200), 100_000, 100_400)
  expect(clock.offset).toBe(8_900_000)
})

test('a clock that was set is noticed, and the server asked at once', async () => {
  vi.useFakeTimers()
  const asked = vi.spyOn(api, 'overview').mockRejectedValue(new Error('away'))
  const clock = useClock()
  const stop = clock.run()
  clock.take(at(5_000_000), performance.now(), performance.now())
  await vi.advanceTimersByTimeAsync(2_000)
  asked.mockClear()
  const before = clock.now
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000)
  await vi.advanceTimersByTimeAsync(250)
  expect(asked).toHaveBeenCalledTimes(1)
  expect(clock.now - before).toBe(250)
  stop()
})
