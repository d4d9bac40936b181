import { expect, test } from 'vitest'
import type { PastLock, PastState } from '../api/types'
import { clampInstant, filterPast, lasted, lockAt, longest, reach, statusForTimeline } from './past'
import { pastHolder, pastLock, pastState, pastWaiter } from './testData'

const state = pastState([])

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

test('the longest of several is at least what is known', () => {
  const times = ['2026-01-01T00:28:00.000Z', '2026-01-01T00:20:00.000Z']
  expect(longest(times, state.at)).toBe('10 min')
  expect(longest([...times, null], state.at)).toBe('at least 10 min')
  expect(longest([null], state.at)).toBe('unknown')
  expect(longest([], state.at)).toBe('–')
})

test('a lock is found by its whole name', () => {
  const found = pastState([pastLock('a', {}), pastLock('a/b', {})])
  expect(lockAt(found, 'a')?.resource).toBe('a')
  expect(lockAt(pastState([pastLock('a/b', {})]), 'a')).toBeNull()
})

test('locks are filtered as in the list, and what began at an unknown time may be of any age', () => {
  const none = { mode: 'any', owner: '', age: 'any' } as const
  const all = pastState([
    pastLock('new', { holders: [pastHolder('Api-1', 1, { acquired_at: '2026-01-01T00:29:50.000Z' })] }),
    pastLock('old', { holders: [pastHolder('two', 2, { mode: 'shared' })], waiters: [pastWaiter('x')] }),
    pastLock('unknown', { holders: [pastHolder('three', 3, { acquired_at: null })] }),
    pastLock('free', { waiters: [pastWaiter('api')] }),
  ])
  const names = (locks: PastLock[]) => locks.map(({ resource }) => resource)
  expect(names(filterPast(all, none, false))).toEqual(['new', 'old', 'unknown', 'free'])
  expect(names(filterPast(all, none, true))).toEqual(['old', 'free'])
  expect(names(filterPast(all, { ...none, owner: 'api' }, false))).toEqual(['new'])
  expect(names(filterPast(all, { ...none, mode: 'shared' }, false))).toEqual(['old'])
  expect(names(filterPast(all, { ...none, age: '1m' }, false))).toEqual(['old', 'unknown'])
})

test('a timeline gets the holders whose grants are not among the events, and none if one is unknown', () => {
  const tokens = (state: PastState, granted: number[]) =>
    statusForTimeline(lockAt(state, 'a'), 'a', new Set(granted))?.holders.map(
      (holder) => holder.fencing_token,
    )
  const known = pastState([pastLock('a', { holders: [pastHolder('one', 1), pastHolder('two', 2)] })])
  expect(tokens(known, [2])).toEqual([1])
  const unknown = pastState([pastLock('a', { holders: [pastHolder('one', 1, { acquired_at: null })] })])
  expect(tokens(unknown, [])).toBeUndefined()
  expect(tokens(unknown, [1])).toEqual([])
  expect(tokens(pastState([]), [])).toEqual([])
})
