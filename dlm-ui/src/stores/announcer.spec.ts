import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useAnnouncer } from './announcer'

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
})
afterEach(() => vi.useRealTimers())

test('a change that was taken back before it was said is not said', () => {
  const announcer = useAnnouncer()
  announcer.summarise('1 lock')
  vi.advanceTimersByTime(1_000)
  expect(announcer.message).toBe('1 lock')
  announcer.summarise('2 locks')
  announcer.summarise('1 lock')
  vi.advanceTimersByTime(20_000)
  expect(announcer.message).toBe('1 lock')
})

test('what somebody did is said at once, and summaries now and then', () => {
  const announcer = useAnnouncer()
  announcer.say('it was ended')
  expect(announcer.message).toBe('it was ended')
  announcer.summarise('1 lock')
  vi.advanceTimersByTime(2_000)
  announcer.summarise('2 locks')
  expect(announcer.message).toBe('it was ended')
  vi.advanceTimersByTime(8_000)
  expect(announcer.message).toBe('2 locks')
})
