import { expect, test } from 'vitest'
import type { Hold } from '../state/timeline'
import { describeBar, describeHold, historyNote, holdersAt } from './holdText'

const hold = (token: number, from: number | null, to: number | null, part: Partial<Hold> = {}): Hold => ({
  token,
  owner: `owner-${token}`,
  shared: false,
  from,
  to,
  current: to === null,
  end: to === null ? null : 'released',
  reason: null,
  lane: 0,
  ...part,
})

test('a hold is described with its length and its end', () => {
  expect(describeHold(hold(1, 1_000, 3_000), 9_000)).toBe('token 1: owner-1 for 2.0 s, released')
  expect(describeHold(hold(2, 1_000, null), 9_000)).toBe('token 2: owner-2 for 8.0 s, current holder')
  const forced = hold(3, null, 2_000, { end: 'force_released', reason: 'gone', owner: '' })
  expect(describeHold(forced, 9_000)).toBe('token 3: no owner, force-released (gone)')
})

test('holds that are drawn as one are counted', () => {
  const bar = { hold: hold(9, 1_000, 2_000), count: 4, firstToken: 6, left: 0, width: 1 }
  expect(describeBar(bar, 9_000)).toBe('4 leases from token 6 on; token 9: owner-9 for 1.0 s, released')
})

test('at an instant it was held, free, or nobody knows', () => {
  const holds = [hold(1, null, 3_000), hold(2, 5_000, null)]
  const at = (instant: number) => holdersAt(holds, instant, 9_000, { knownSince: 2_000, knownUntil: null })
  expect(at(1_000)).toBe('unknown')
  expect(at(2_500)).toBe('owner-1, token 1')
  expect(at(4_000)).toBe('free')
  expect(at(6_000)).toBe('owner-2, token 2')
})

test('of a hold whose end was not loaded nothing is said after what is known', () => {
  const ended = hold(1, 1_000, null, { current: false })
  const at = (instant: number) => holdersAt([ended], instant, 9_000, { knownSince: null, knownUntil: 5_000 })
  expect([at(4_000), at(6_000)]).toEqual(['owner-1, token 1', 'unknown'])
  expect(describeHold(ended, 9_000)).toBe('token 1: owner-1, ended later')
})

test('of many holders at once a few are named', () => {
  const holds = [1, 2, 3, 4, 5].map((token) => hold(token, 1_000, null, { shared: true }))
  expect(holdersAt(holds, 2_000, 9_000, { knownSince: null, knownUntil: null })).toBe(
    'owner-1, token 1; owner-2, token 2; owner-3, token 3 and 2 more',
  )
})

test('a note says why a part of the time is unknown', () => {
  const axis = { from: 1_000, to: 61_000, knownSince: 31_000, knownUntil: null, width: 100 }
  const note = (
    ...[missing, part = {}, isFree = false]: [Parameters<typeof historyNote>[2], object?, boolean?]
  ) => historyNote({ ...axis, ...part }, isFree, missing, 'utc')
  expect(note('loading')).toBe('Loading events of this time…')
  expect(note('too-many')).toBe(
    'Too many events to load at once: the history before 00:00:31.000 UTC is unknown. Zoom in on it to see it.',
  )
  expect(note('too-many', { knownSince: 61_000 })).toMatch(/^Too many events have happened since/)
  expect(note(null)).toBe('The event log no longer covers the time before 00:00:31.000 UTC.')
  expect(note(null, { knownSince: 61_000 })).toBe('The event log no longer covers this time.')
  expect(note(null, { knownSince: null })).toBe('')
  expect(note(null, { knownSince: 1_000 }, true)).toBe('The lock was free during this time.')
})
