import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref } from 'vue'
import { inScope, settle } from './testing'
import { useThrottled } from './useThrottled'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('a value follows its source at most once per interval, and ends with its last change', async () => {
  const source = ref(0)
  const { result: value, dispose } = inScope(() => useThrottled(() => source.value, 1_000))
  const seen = new Set([value.value])
  for (let number = 1; number <= 30; number += 1) {
    source.value = number
    await nextTick()
    await settle(100)
    seen.add(value.value)
  }
  expect(seen.size).toBeLessThanOrEqual(4)
  await settle(1_000)
  expect(value.value).toBe(30)
  source.value = 31
  await nextTick()
  dispose()
  await settle(5_000)
  expect(value.value).toBe(30)
})
