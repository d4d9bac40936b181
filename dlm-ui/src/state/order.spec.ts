import { expect, test } from 'vitest'
import type { LockStatus } from '../api/types'
import { comparator, falls, reorder, SORTS, type Sort } from './order'
import { row } from './samples'

/** Numbers that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647)
}

function random(name: string, next: () => number): LockStatus {
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

test.each(SORTS.flatMap((key) => [false, true].map((descending): [Sort] => [{ key, descending }])))(
  'changes are put where a sort of everything would put them: %o',
  (sort) => {
    const next = numbers(7)
    const rows = new Map<string, LockStatus>()
    for (let index = 0; index < 200; index += 1) {
      const name = `lock/${next() % 500}`
      rows.set(name, random(name, next))
    }
    let ordered = [...rows.values()].sort(comparator(sort))
    for (let round = 0; round < 50; round += 1) {
      const touched = new Map<string, null>()
      for (let change = 0; change < next() % 12; change += 1) {
        const name = `lock/${next() % 500}`
        if (next() % 3 === 0) rows.delete(name)
        else rows.set(name, random(name, next))
        touched.set(name, null)
      }
      ordered = reorder(ordered, touched, rows, sort)
      expect(ordered).toEqual([...rows.values()].sort(comparator(sort)))
    }
  },
)

test('rows without what is sorted by come last either way', () => {
  const waited = row({ resource: 'z', oldest_enqueued_at: '2026-01-01T00:00:00.000Z' })
  const free = row({ resource: 'a' })
  for (const descending of [false, true]) {
    expect([free, waited].sort(comparator({ key: 'oldest', descending }))).toEqual([waited, free])
  }
})

test('an order is told by the values that one sees', () => {
  const [few, many] = [row({ resource: 'a', queue_len: 1 }), row({ resource: 'b', queue_len: 9 })]
  for (const descending of [false, true]) {
    const sort: Sort = { key: 'waiters', descending }
    const lengths = [few, many].sort(comparator(sort)).map((one) => one.queue_len)
    expect(lengths).toEqual(falls(sort) ? [9, 1] : [1, 9])
  }
  expect(falls({ key: 'name', descending: false })).toBe(false)
  expect(falls({ key: 'held', descending: false })).toBe(true)
})
