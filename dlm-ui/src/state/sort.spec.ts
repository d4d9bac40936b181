import { expect, test } from 'vitest'
import type { LockStatus } from '../api/types'
import { comparator, descending, reorder, SORT_KEYS, type Sort } from './sort'
import { row } from './testData'

/** A seeded pseudo-random number generator. */
function generator(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647)
}

function randomRow(name: string, next: () => number): LockStatus {
  const queue = next() % 4
  const instant = (spread: number) => new Date(1_800_000_000_000 + (next() % spread) * 1000).toISOString()
  return row({
    resource: name,
    queue_len: queue,
    current_token: next() % 9,
    oldest_enqueued_at: queue > 0 ? instant(50) : null,
    holders:
      next() % 3 > 0
        ? [
            {
              mode: 'exclusive',
              owner: '',
              fencing_token: 1,
              ttl_ms: 1000,
              acquired_at: instant(50),
              expires_at: instant(50),
              metadata: {},
            },
          ]
        : [],
  })
}

test.each(SORT_KEYS.flatMap((key) => [false, true].map((reversed): [Sort] => [{ key, reversed }])))(
  'reordering changed rows matches a full sort: %o',
  (sort) => {
    const next = generator(7)
    const rows = new Map<string, LockStatus>()
    for (let index = 0; index < 200; index += 1) {
      const name = `lock/${next() % 500}`
      rows.set(name, randomRow(name, next))
    }
    let ordered = [...rows.values()].sort(comparator(sort))
    for (let round = 0; round < 50; round += 1) {
      const changed = new Map<string, null>()
      for (let change = 0; change < next() % 12; change += 1) {
        const name = `lock/${next() % 500}`
        if (next() % 3 === 0) rows.delete(name)
        else rows.set(name, randomRow(name, next))
        changed.set(name, null)
      }
      ordered = reorder(ordered, changed, rows, sort)
      expect(ordered).toEqual([...rows.values()].sort(comparator(sort)))
    }
  },
)

test('rows without a sort value come last in either direction', () => {
  const contended = row({ resource: 'z', oldest_enqueued_at: '2026-01-01T00:00:00.000Z' })
  const free = row({ resource: 'a' })
  for (const reversed of [false, true]) {
    expect([free, contended].sort(comparator({ key: 'oldest', reversed }))).toEqual([contended, free])
  }
})

test('the reported direction matches the displayed values', () => {
  const [few, many] = [row({ resource: 'a', queue_len: 1 }), row({ resource: 'b', queue_len: 9 })]
  for (const reversed of [false, true]) {
    const sort: Sort = { key: 'waiters', reversed }
    const lengths = [few, many].sort(comparator(sort)).map((lock) => lock.queue_len)
    expect(lengths).toEqual(descending(sort) ? [9, 1] : [1, 9])
  }
  expect(descending({ key: 'name', reversed: false })).toBe(false)
  expect(descending({ key: 'held', reversed: false })).toBe(true)
})
