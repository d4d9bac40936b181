import { expect, test } from 'vitest'
import type { LockEvent, LockStatus } from '../api/types'
import {
  applyEvent,
  applyRenewal,
  failsFilter,
  isHandingOver,
  matchesFilter,
  mergeStatus,
  rowFromEvent,
} from './rows'
import { event, granted, row } from './testData'

function applyAll(start: LockStatus, ...events: LockEvent[]): LockStatus {
  return events.reduce((current, next) => applyEvent(current, next)?.row ?? current, start)
}

test('grants and releases update the holders of a row', () => {
  const held = applyAll(row(), granted(1, 1, { owner: 'api-7' }))
  expect(held).toMatchObject({
    state: 'held',
    mode: 'exclusive',
    current_token: 1,
    holder_count: 1,
    version: 1,
  })
  expect(held.holders[0]).toMatchObject({ owner: 'api-7', fencing_token: 1, ttl_ms: 30_000 })
  const free = applyAll(held, event('released', 2, { fencing_token: 1, current_token: 1 }))
  expect(free).toMatchObject({ state: 'free', mode: null, holder_count: 0, holders: [], current_token: 1 })
})

test('the end of a shared lease removes only its own holder', () => {
  const shared = { mode: 'shared' } as const
  const two = applyAll(row(), granted(1, 1, shared), granted(2, 2, shared))
  const one = applyAll(two, event('expired', 3, { ...shared, fencing_token: 1, current_token: 3 }))
  expect(one).toMatchObject({ state: 'held', mode: 'shared', holder_count: 1, current_token: 3 })
  expect(one.holders.map((holder) => holder.fencing_token)).toEqual([2])
})

test('an event that the row already includes is ignored', () => {
  const held = applyAll(row({ version: 4 }), granted(5, 2))
  expect(applyEvent(held, granted(5, 2))).toBeNull()
  expect(applyEvent(held, event('released', 4, { fencing_token: 1 }))).toBeNull()
})

test('applying events is idempotent, also when older events are mixed in', () => {
  const history = [
    granted(1, 1),
    event('queued', 2, { waiter_id: 'w2', queue_len: 1, current_token: 1 }),
    event('released', 3, { fencing_token: 1, current_token: 1, queue_len: 1 }),
    granted(4, 2, { waiter_id: 'w2' }),
  ]
  const once = applyAll(row(), ...history)
  expect(applyAll(once, ...history)).toEqual(once)
  expect(applyAll(applyAll(row(), ...history.slice(0, 2)), ...history)).toEqual(once)
})

test('the oldest wait is tracked from events, and fetched when its waiter leaves', () => {
  const first = event('queued', 2, { waiter_id: 'w2', queue_len: 1 })
  const one = applyEvent(row({ version: 1 }), first)
  expect(one).toMatchObject({ incomplete: false, row: { oldest_enqueued_at: first.at } })
  const two = applyEvent(one?.row ?? row(), event('queued', 3, { waiter_id: 'w3', queue_len: 2 }))
  expect(two).toMatchObject({ incomplete: false, row: { oldest_enqueued_at: first.at } })
  const gone = applyEvent(two?.row ?? row(), event('cancelled', 4, { waiter_id: 'w2', queue_len: 1 }))
  expect(gone?.incomplete).toBe(true)
  const none = applyEvent(gone?.row ?? row(), event('wait_timed_out', 5, { waiter_id: 'w3', queue_len: 0 }))
  expect(none).toMatchObject({ incomplete: false, row: { oldest_enqueued_at: null, queue_len: 0 } })
})

test('a version gap marks the row as incomplete', () => {
  expect(applyEvent(row({ version: 1 }), granted(3, 2))?.incomplete).toBe(true)
})

test('a renewal extends only its own lease and never shortens it', () => {
  const held = applyAll(row(), granted(1, 7))
  const later = {
    type: 'renewed',
    resource: 'a',
    fencing_token: 7,
    expires_at: '2099-01-01T00:00:00.000Z',
  } as const
  expect(applyRenewal(held, later)?.holders[0]?.expires_at).toBe(later.expires_at)
  expect(applyRenewal(held, { ...later, fencing_token: 6 })).toBeNull()
  expect(applyRenewal(held, { ...later, expires_at: '2001-01-01T00:00:00.000Z' })).toBeNull()
})

test('only an exclusive grant is enough to build a row for an unknown lock', () => {
  expect(rowFromEvent(granted(9, 4))).toMatchObject({
    state: 'held',
    holder_count: 1,
    version: 9,
    current_token: 4,
  })
  expect(rowFromEvent(granted(9, 4, { mode: 'shared' }))).toBeNull()
  expect(rowFromEvent(event('queued', 9, { queue_len: 1 }))).toBeNull()
})

test('filters select held, contended or all locks', () => {
  const held = applyAll(row(), granted(1, 1))
  const contended = { ...held, queue_len: 2 }
  expect([row(), held, contended].map((lock) => matchesFilter(lock, 'held'))).toEqual([false, true, true])
  expect([row(), held, contended].map((lock) => matchesFilter(lock, 'waiting'))).toEqual([false, false, true])
  expect([row(), held, contended].map((lock) => matchesFilter(lock, 'all'))).toEqual([true, true, true])
})

test('a lock whose queue is not empty stays held between two holders', () => {
  const held = applyAll(row(), granted(1, 1), event('queued', 2, { queue_len: 1 }))
  const released = event('released', 3, { fencing_token: 1, queue_len: 1 })
  const handingOver = applyAll(held, released)
  expect(handingOver.state).toBe('free')
  expect(isHandingOver(handingOver)).toBe(true)
  expect(matchesFilter(handingOver, 'held')).toBe(true)
  const left = applyAll(handingOver, event('cancelled', 4, { queue_len: 0 }))
  expect(matchesFilter(left, 'held')).toBe(false)
})

test('a fetched status replaces the known row unless it is older', () => {
  const known = applyAll(row(), granted(1, 1), granted(2, 2, { mode: 'shared' }))
  const fetched = applyAll(row(), granted(1, 1))
  expect(mergeStatus(known, fetched)).toBe(known)
  expect(mergeStatus(fetched, known)).toBe(known)
  expect(mergeStatus(null, fetched)).toBe(fetched)
  const expiry = '2099-01-01T00:00:00.000Z'
  const renewed = applyRenewal(fetched, {
    type: 'renewed',
    resource: 'a',
    fencing_token: 1,
    expires_at: expiry,
  })
  expect(mergeStatus(renewed, fetched).holders[0]?.expires_at).toBe(expiry)
})

test('an event can prove that its lock fails the filter', () => {
  const released = event('released', 2, { fencing_token: 1, queue_len: 1 })
  expect(failsFilter(released, 'held')).toBe(false)
  expect(failsFilter({ ...released, queue_len: 0 }, 'held')).toBe(true)
  expect(failsFilter({ ...released, queue_len: 0, mode: 'shared' }, 'held')).toBe(false)
  expect(failsFilter(released, 'waiting')).toBe(false)
  expect(failsFilter({ ...released, queue_len: 0 }, 'waiting')).toBe(true)
  expect(failsFilter(released, 'all')).toBe(false)
})
