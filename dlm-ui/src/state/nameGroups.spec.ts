import { expect, test } from 'vitest'
import { groupByName } from './nameGroups'
import { held, row } from './testData'

const rows = [
  held('jobs/nightly', 1),
  held('jobs/hourly', 2, { queue_len: 2, oldest_enqueued_at: '2026-01-01T00:00:02.000Z' }),
  row({ resource: 'jobs/old', queue_len: 1, oldest_enqueued_at: '2026-01-01T00:00:01.000Z' }),
  held('leader', 3),
  held('orders/1', 4),
]

test('names are grouped by their first segment, the most contended first', () => {
  expect(groupByName(rows, '').map(({ prefix, folder, locks }) => [prefix, folder, locks])).toEqual([
    ['jobs/', true, 3],
    ['leader', false, 1],
    ['orders/', true, 1],
  ])
})

test('a group adds up its locks and has the oldest of their waits', () => {
  const [jobs] = groupByName(rows, '')
  expect(jobs).toMatchObject({ held: 2, waiting: 3, oldest: '2026-01-01T00:00:01.000Z' })
})

test('below a prefix the next segment counts', () => {
  const below = [held('a/b/c', 1), held('a/b/d', 2), held('a/e', 3)]
  expect(groupByName(below, 'a/').map(({ prefix, locks }) => [prefix, locks])).toEqual([
    ['a/b/', 2],
    ['a/e', 1],
  ])
})
