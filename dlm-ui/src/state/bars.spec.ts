import { expect, test } from 'vitest'
import { drawBars, type Axis } from './bars'
import type { Hold } from './timeline'

const AXIS: Axis = { from: 1_000, to: 2_000, knownSince: null, knownUntil: null, width: 1_000 }

function hold(token: number, from: number | null, to: number | null, part: Partial<Hold> = {}): Hold {
  const end = to === null ? null : 'released'
  const current = to === null
  return { token, owner: '', shared: false, from, to, current, end, reason: null, lane: 0, ...part }
}

const places = (holds: Hold[], axis = AXIS) => drawBars(holds, axis).map(({ left, width }) => [left, width])

test('a hold is drawn from its start to its end, or to now', () => {
  expect(places([hold(1, 500, 1_200), hold(2, 1_300, null)])).toEqual([
    [0, 200],
    [300, 700],
  ])
})

test('a hold whose start is not known is not drawn over time that is not known', () => {
  expect(places([hold(1, null, 1_700)], { ...AXIS, knownSince: 1_600 })).toEqual([[600, 100]])
  // The holder says since when it holds the lock.
  expect(places([hold(1, 1_100, null)], { ...AXIS, knownSince: 1_600 })).toEqual([[100, 900]])
})

test('a hold that ended later is drawn up to where its history is known, a current one to the end', () => {
  const axis = { ...AXIS, knownUntil: 1_600 }
  expect(places([hold(1, 1_100, null, { current: false })], axis)).toEqual([[100, 500]])
  expect(places([hold(1, 1_100, null)], axis)).toEqual([[100, 900]])
})

test('holds below a pixel are merged, and the worst end shows', () => {
  const holds = Array.from({ length: 500 }, (_, index) =>
    hold(index, 1_500 + index / 10, 1_500.1 + index / 10),
  )
  holds[250] = { ...(holds[250] as Hold), end: 'expired' }
  const [bar, ...rest] = drawBars(holds, AXIS)
  expect(rest).toEqual([])
  expect(bar).toMatchObject({ count: 500, firstToken: 0, left: 500 })
  expect(bar?.hold.end).toBe('expired')
  expect(bar?.width).toBeCloseTo(50)
})

test('holds that can be told apart, or are in different lanes, are not merged', () => {
  expect(drawBars([hold(1, 1_100, 1_200), hold(2, 1_200, 1_300)], AXIS).length).toBe(2)
  expect(drawBars([hold(1, 1_100, 1_101), hold(2, 1_110, 1_111)], AXIS).length).toBe(2)
  expect(drawBars([hold(1, 1_100, 1_101), hold(2, 1_101, 1_102, { lane: 1 })], AXIS).length).toBe(2)
})
