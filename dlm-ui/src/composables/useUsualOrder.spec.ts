import { expect, test } from 'vitest'
import { shallowRef } from 'vue'
import type { HoldStatistics, LockStatus } from '../api/types'
import { held } from '../state/testData'
import { inScope } from './testing'
import { useUsualOrder } from './useUsualOrder'

test('candidates are ordered and come first, wherever in the list they are', () => {
  const usual = (p50_ms: number): HoldStatistics => ({
    samples: 3,
    p50_ms,
    p95_ms: p50_ms,
    max_ms: p50_ms,
    recent_ms: [p50_ms],
    since: '2026-01-01T00:00:00.000Z',
  })
  const since = (resource: string): LockStatus => {
    const lock = held(resource, 1)
    const acquired_at = '2026-01-01T00:00:00.000Z'
    return { ...lock, holders: lock.holders.map((holder) => ({ ...holder, acquired_at })) }
  }
  const rows = ['a', 'b', 'y', 'z'].map(since)
  const statistics = shallowRef(
    new Map([
      ['a', usual(1)],
      ['y', usual(1_000)],
      ['z', usual(10)],
    ]),
  )
  const { result, dispose } = inScope(() =>
    useUsualOrder({
      rows: () => rows,
      candidates: () => rows.slice(2),
      statistics,
      active: () => true,
      reversed: () => false,
      frozen: () => false,
    }),
  )
  expect(result.ordered.value.map(({ resource }) => resource)).toEqual(['z', 'y', 'a', 'b'])
  dispose()
})
