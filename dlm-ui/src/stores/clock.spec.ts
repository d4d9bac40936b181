import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'
import { useClock } from './clock'

const at = (ms: number) => new Date(ms).toISOString()

beforeEach(() => setActivePinia(createPinia()))

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
