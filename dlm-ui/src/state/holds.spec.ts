import { expect, test } from 'vitest'
import type { HoldStatistics } from '../api/types'
import { longestHeld, rankByUsual, remark, sparkPoints, timesTheUsual } from './holds'
import { held, row } from './testData'

const hold: HoldStatistics = {
  samples: 3,
  p50_ms: 100,
  p95_ms: 300,
  max_ms: 300,
  recent_ms: [50, 100, 300],
  since: '2026-01-01T00:00:00.000Z',
}

test('a long hold is compared with the usual one', () => {
  expect(remark(hold, 3_810)).toBe('38 × the usual')
  expect(remark({ ...hold, p50_ms: 1_000 }, 2_500)).toBe('2.5 × the usual')
  expect(remark(hold, 999)).toBeNull()
  expect(remark(hold, 500_000)).toBe('5,000 × the usual')
})

test('an ordinary hold gets no remark', () => {
  expect(remark(hold, 150)).toBeNull()
  expect(remark(hold, -5)).toBeNull()
})

test('without past holds nothing is usual', () => {
  expect(timesTheUsual(null, 1_000)).toBeNull()
  expect(timesTheUsual({ ...hold, samples: 0, p50_ms: 0 }, 1_000)).toBeNull()
})

test('holds of less than a millisecond do not divide by zero', () => {
  expect(timesTheUsual({ ...hold, p50_ms: 0 }, 1_000)).toBe(1_000)
})

test('a sparkline has the longest hold at its top and the shortest at its bottom', () => {
  const points = sparkPoints([1, 1_000, 1], 40, 10)
  expect(points).toBe('0,10 20,0 40,10')
})

test('equal holds make a flat line, and none make no line', () => {
  expect(sparkPoints([5, 5], 40, 10)).toBe('0,5 40,5')
  expect(sparkPoints([], 40, 10)).toBe('')
})

test('the locks that are held longest are found among all, those first', () => {
  const since = (resource: string, second: number) => {
    const [holder] = held(resource, 1).holders
    if (!holder) throw new Error('held without a holder')
    const acquired_at = new Date(Date.UTC(2099, 0, 1, 0, 0, second)).toISOString()
    return held(resource, 1, { holders: [{ ...holder, acquired_at }] })
  }
  const rows = [row({ resource: 'free' }), ...[40, 10, 50, 20, 30].map((at) => since(`at/${at}`, at))]
  const longest = (limit: number) => longestHeld(rows, limit).map(({ resource }) => resource)
  expect(longest(3)).toEqual(['at/10', 'at/20', 'at/30'])
  expect(longest(100)).toEqual(['at/10', 'at/20', 'at/30', 'at/40', 'at/50'])
  expect(longest(0)).toEqual([])
})

test('rows are ranked by how many times the usual they are held, unknown ones last', () => {
  const now = Date.parse('2099-01-01T00:01:00.000Z')
  const rows = [held('quick', 1), row({ resource: 'free' }), held('slow', 2), held('unknown', 3)]
  const statistics = new Map([
    ['quick', { ...hold, p50_ms: 60_000 }],
    ['slow', { ...hold, p50_ms: 10 }],
    ['free', hold],
  ])
  expect(rankByUsual(rows, statistics, now, false)).toEqual(['slow', 'quick', 'free', 'unknown'])
  expect(rankByUsual(rows, statistics, now, true)).toEqual(['quick', 'slow', 'free', 'unknown'])
})
