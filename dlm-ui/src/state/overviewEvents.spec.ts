import { expect, test } from 'vitest'
import type { ContendedLock, LockEvent, Overview } from '../api/types'
import { withEvents } from './overviewEvents'
import { event, granted } from './testData'

const contended: ContendedLock = {
  resource: 'a',
  queue_len: 3,
  owner: 'one',
  mode: 'exclusive',
  holder_count: 1,
  acquired_at: '2027-01-01T00:00:00.000Z',
  oldest_enqueued_at: '2027-01-01T00:00:00.000Z',
}

function after(...events: LockEvent[]): Overview {
  const overview: Overview = {
    // That of version 0 of the test data.
    at: new Date(1_800_000_000_000).toISOString(),
    held: 5,
    leases: 8,
    waiting: 4,
    oldest_wait: null,
    long_wait_count: 0,
    long_waits: [],
    expired: [],
    contended: [contended],
    seconds: [],
  }
  return withEvents(overview, events)
}

test('an event that the overview includes changes nothing', () => {
  expect(after(granted(0, 1)).held).toBe(5)
})

test('each lease that begins or ends is counted', () => {
  const next = after(
    granted(1, 1),
    granted(2, 2, { mode: 'shared' }),
    event('expired', 3),
    event('released', 4),
  )
  expect([next.held, next.leases]).toEqual([4, 8])
})

test('each waiter that joins or leaves the queue is counted', () => {
  expect(after(event('queued', 1), event('queued', 2), event('cancelled', 3)).waiting).toBe(5)
  expect(after(granted(1, 1, { waiter_id: 'w' }), event('wait_timed_out', 2)).waiting).toBe(2)
})

test('a contended lock shows its new holder and queue', () => {
  const released = after(event('released', 1, { queue_len: 3 })).contended[0]
  expect([released?.holder_count, released?.owner, released?.queue_len]).toEqual([0, '', 3])
  const next = after(
    event('released', 1, { queue_len: 3 }),
    granted(2, 2, { owner: 'two', queue_len: 2, waiter_id: 'w' }),
  ).contended[0]
  expect([next?.holder_count, next?.owner, next?.queue_len]).toEqual([1, 'two', 2])
})

test('a lock whose queue is empty is no longer contended', () => {
  expect(after(event('cancelled', 1, { queue_len: 0 })).contended).toEqual([])
})
