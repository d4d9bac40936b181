import { expect, test } from 'vitest'
import type { PastState } from '../api/types'
import { clampInstant, lasted, reach } from './past'

const state: PastState = {
  at: '2026-01-01T00:30:00.000Z',
  now: '2026-01-01T01:00:00.000Z',
  known_since: '2026-01-01T00:00:00.000Z',
  complete: true,
  events_read: 3,
  lock_count: 0,
  locks: [],
}

test('an instant stays within what the log covers', () => {
  const bounds = reach(state)
  expect(clampInstant(0, bounds)).toBe('2026-01-01T00:00:00.000Z')
  expect(clampInstant(bounds.to + 5_000, bounds)).toBe('2026-01-01T01:00:00.000Z')
  expect(clampInstant(bounds.from + 1_000, bounds)).toBe('2026-01-01T00:00:01.000Z')
})

test('a log without events covers nothing but now', () => {
  const { from, to } = reach({ ...state, known_since: null })
  expect(from).toBe(to)
})

test('a time is told as of the instant, or as unknown', () => {
  expect(lasted('2026-01-01T00:28:00.000Z', state.at)).toBe('for 2 min')
  expect(lasted(null, state.at)).toBe('since an unknown time')
})
