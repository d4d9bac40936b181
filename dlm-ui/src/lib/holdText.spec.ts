import { expect, test } from 'vitest'
import type { Hold } from '../state/timeline'
import { describeBar, describeHold, holdersAt } from './holdText'

const hold = (token: number, from: number | null, to: number | null, part: Partial<Hold> = {}): Hold => ({
  token,
  owner: `owner-${token}`,
  shared: false,
  from,
  to,
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
  const at = (instant: number) => holdersAt(holds, instant, 9_000, 2_000)
  expect(at(1_000)).toBe('unknown')
  expect(at(2_500)).toBe('owner-1, token 1')
  expect(at(4_000)).toBe('free')
  expect(at(6_000)).toBe('owner-2, token 2')
})

test('of many holders at once a few are named', () => {
  const holds = [1, 2, 3, 4, 5].map((token) => hold(token, 1_000, null, { shared: true }))
  expect(holdersAt(holds, 2_000, 9_000, null)).toBe(
    'owner-1, token 1; owner-2, token 2; owner-3, token 3 and 2 more',
  )
})
