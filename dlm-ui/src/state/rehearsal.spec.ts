import { expect, test } from 'vitest'
import type { HoldStatistics, Waiter } from '../api/types'
import { aftermath, drainMs, newHolder, turns } from './rehearsal'
import { event, granted, held } from './testData'

const waiter = (mode: Waiter['mode'], away = false): Waiter => ({
  waiter_id: Math.random().toString(),
  position: 1,
  mode,
  owner: 'w',
  away,
  enqueued_at: '2026-01-01T00:00:00.000Z',
  deadline: '2026-01-01T01:00:00.000Z',
})
const hold: HoldStatistics = { samples: 9, p50_ms: 500, p95_ms: 1, max_ms: 1, recent_ms: [], since: '' }

test('shared waiters in a row take one turn, exclusive ones one each', () => {
  const modes = ['shared', 'shared', 'exclusive', 'exclusive', 'shared'] as const
  expect(
    turns(
      modes.map((mode) => waiter(mode)),
      5,
    ),
  ).toBe(4)
})

test('waiters that are not shown take one turn each', () => {
  expect(turns([waiter('exclusive')], 140)).toBe(140)
})

test('the queue drains by the usual hold, without those that are away', () => {
  const status = held('a', 1, { queue_len: 3, waiters: [waiter('exclusive'), waiter('exclusive', true)] })
  expect(drainMs(status, hold)).toBe(1_000)
})

test('without past holds nobody knows how the queue drains', () => {
  expect(drainMs(held('a', 1, { queue_len: 3 }), null)).toBeNull()
})

test('what happened next is the first grant after the release', () => {
  const events = [
    granted(1, 1),
    event('force_released', 2, { fencing_token: 1 }),
    granted(3, 3, { owner: 'two' }),
    granted(4, 4),
  ]
  expect(aftermath(events, 1)).toMatchObject({ next: { owner: 'two', token: 3 }, afterMs: 1_000 })
  expect(aftermath(events.slice(0, 2), 1)).toBeNull()
  expect(aftermath(events, 7)).toBeNull()
})

test('the new holder is another one than the one that was meant', () => {
  expect(newHolder(held('a', 8), 7)?.fencing_token).toBe(8)
  expect(newHolder(held('a', 8), 8)).toBeNull()
})
