import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useAnnouncer } from './announcer'

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
})
afterEach(() => vi.useRealTimers())

test('a change that is reverted before it is announced is not announced', () => {
  const announcer = useAnnouncer()
  announcer.summarize('1 lock')
  vi.advanceTimersByTime(1_000)
  expect(announcer.message).toBe('1 lock')
  announcer.summarize('2 locks')
  announcer.summarize('1 lock')
  vi.advanceTimersByTime(20_000)
  expect(announcer.message).toBe('1 lock')
})

test('action results are announced immediately, summaries at most once per interval', () => {
  const announcer = useAnnouncer()
  announcer.announce('Lease ended')
  expect(announcer.message).toBe('Lease ended')
  announcer.summarize('1 lock')
  vi.advanceTimersByTime(2_000)
  announcer.summarize('2 locks')
  expect(announcer.message).toBe('Lease ended')
  vi.advanceTimersByTime(8_000)
  expect(announcer.message).toBe('2 locks')
})
