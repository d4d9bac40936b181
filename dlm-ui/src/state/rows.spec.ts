import { expect, test } from 'vitest'
import type { LockEvent, LockStatus } from '../api/types'
import { applyEvent, applyRenewal, leavesOut, matches, newer, rowOf } from './rows'
import { event, granted, row } from './samples'

function after(start: LockStatus, ...events: LockEvent[]): LockStatus {
  return events.reduce((now, one) => applyEvent(now, one)?.row ?? now, start)
}

test('a row follows its holders', () => {
  const held = after(row(), granted(1, 1, { owner: 'api-7' }))
  expect(held).toMatchObject({
    state: 'held',
    mode: 'exclusive',
    current_token: 1,
    holder_count: 1,
    version: 1,
  })
  expect(held.holders[0]).toMatchObject({ owner: 'api-7', fencing_token: 1, ttl_ms: 30_000 })
  const free = after(held, event('released', 2, { fencing_token: 1, current_token: 1 }))
  expect(free).toMatchObject({ state: 'free', mode: null, holder_count: 0, holders: [], current_token: 1 })
})

test('of several shared holders the one that ends goes', () => {
  const shared = { mode: 'shared' } as const
  const two = after(row(), granted(1, 1, shared), granted(2, 2, shared))
  const one = after(two, event('expired', 3, { ...shared, fencing_token: 1, current_token: 3 }))
  expect(one).toMatchObject({ state: 'held', mode: 'shared', holder_count: 1, current_token: 3 })
  expect(one.holders.map((holder) => holder.fencing_token)).toEqual([2])
})

test('an event that the row knows of changes nothing', () => {
  const held = after(row({ version: 4 }), granted(5, 2))
  expect(applyEvent(held, granted(5, 2))).toBeNull()
  expect(applyEvent(held, event('released', 4, { fencing_token: 1 }))).toBeNull()
})

test('events that are applied twice, or mixed with older ones, come to the same', () => {
  const story = [
    granted(1, 1),
    event('queued', 2, { waiter_id: 'w2', queue_len: 1, current_token: 1 }),
    event('released', 3, { fencing_token: 1, current_token: 1, queue_len: 1 }),
    granted(4, 2, { waiter_id: 'w2' }),
  ]
  const once = after(row(), ...story)
  expect(after(once, ...story)).toEqual(once)
  expect(after(after(row(), ...story.slice(0, 2)), ...story)).toEqual(once)
})

test('the oldest wait is known while it can be, and else asked for', () => {
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

test('a gap between versions has the row asked for anew', () => {
  expect(applyEvent(row({ version: 1 }), granted(3, 2))?.incomplete).toBe(true)
})

test('a renewal moves the end of its own lease, and never back', () => {
  const held = after(row(), granted(1, 7))
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

test('a lock that was never seen is known from an exclusive grant, and from nothing else', () => {
  expect(rowOf(granted(9, 4))).toMatchObject({ state: 'held', holder_count: 1, version: 9, current_token: 4 })
  expect(rowOf(granted(9, 4, { mode: 'shared' }))).toBeNull()
  expect(rowOf(event('queued', 9, { queue_len: 1 }))).toBeNull()
})

test('a filter takes what belongs to it', () => {
  const held = after(row(), granted(1, 1))
  const waited = { ...held, queue_len: 2 }
  expect([row(), held, waited].map((one) => matches(one, 'held'))).toEqual([false, true, true])
  expect([row(), held, waited].map((one) => matches(one, 'waiting'))).toEqual([false, false, true])
  expect([row(), held, waited].map((one) => matches(one, 'all'))).toEqual([true, true, true])
})

test('an answer takes the place of what is known unless it is older', () => {
  const known = after(row(), granted(1, 1), granted(2, 2, { mode: 'shared' }))
  const answer = after(row(), granted(1, 1))
  expect(newer(known, answer)).toBe(known)
  expect(newer(answer, known)).toBe(known)
  expect(newer(null, answer)).toBe(answer)
  const until = '2099-01-01T00:00:00.000Z'
  const renewed = applyRenewal(answer, {
    type: 'renewed',
    resource: 'a',
    fencing_token: 1,
    expires_at: until,
  })
  expect(newer(renewed, answer).holders[0]?.expires_at).toBe(until)
})

test('an event can say that its lock does not belong into a list', () => {
  const released = event('released', 2, { fencing_token: 1, queue_len: 1 })
  expect(leavesOut(released, 'held')).toBe(true)
  expect(leavesOut({ ...released, mode: 'shared' }, 'held')).toBe(false)
  expect(leavesOut(released, 'waiting')).toBe(false)
  expect(leavesOut({ ...released, queue_len: 0 }, 'waiting')).toBe(true)
  expect(leavesOut(released, 'all')).toBe(false)
})
