import { expect, test } from 'vitest'
import type { PastHolder } from '../api/types'
import { ownedAt, ownersAt, queuesAt, unlisted } from './pastOwners'
import { pastHolder, pastLock, pastState, pastWaiter } from './testData'

test('owners are told apart by their principals, and those that block most come first', () => {
  const owners = ownersAt([
    pastLock('a', {
      holders: [pastHolder('one', 1), pastHolder('one', 2, { acquired_at: null })],
      waiters: [pastWaiter('two'), pastWaiter('two')],
      queue_len: 140,
    }),
    pastLock('b', { holders: [pastHolder('two', 3, { principal: 'p' })] }),
  ])
  expect(
    owners.map(({ owner, principal, blocked, holds, waits }) => [owner, principal, blocked, holds, waits]),
  ).toEqual([
    // Each waiter once, though there are two leases.
    ['one', null, 140, 2, 0],
    ['two', 'p', 0, 1, 0],
    ['two', null, 0, 0, 2],
  ])
  expect(owners[0]?.heldSince).toEqual(['2026-01-01T00:20:00.000Z', null])
})

test('holders and waiters that an answer does not list are counted', () => {
  const locks = [pastLock('a', { holders: [pastHolder('one', 1)], holder_count: 120, queue_len: 140 })]
  expect(unlisted(locks)).toEqual({ holders: 119, waiters: 140 })
})

test('an owner has its holds, its waits, and the locks where it may have been beyond what is listed', () => {
  const state = pastState([
    pastLock('a', { holders: [pastHolder('one', 1)], waiters: [pastWaiter('two'), pastWaiter('three')] }),
    pastLock('b', { holders: [pastHolder('three', 2)], waiters: [pastWaiter('one')] }),
    pastLock('c', { holders: [pastHolder('two', 3)], waiters: [pastWaiter('four')], queue_len: 30 }),
  ])
  const one = ownedAt(state, 'one', null)
  expect(one.holds.map(({ resource, queueLen, waitsFor }) => [resource, queueLen, waitsFor])).toEqual([
    ['a', 2, 'b'],
  ])
  expect(one.waits.map(({ resource, position }) => [resource, position])).toEqual([['b', 1]])
  expect(one.beyond).toEqual(['c'])
  expect(ownedAt(state, 'three', null).waits).toMatchObject([{ resource: 'a', position: 2 }])
})

test('of a principal, what is known to be of another one is left out', () => {
  const state = pastState([
    pastLock('a', { holders: [pastHolder('one', 1, { principal: 'p' })] }),
    pastLock('b', { holders: [pastHolder('one', 2, { principal: 'q' })] }),
    pastLock('c', { holders: [pastHolder('one', 3)] }),
  ])
  expect(ownedAt(state, 'one', 'p').holds.map(({ resource }) => resource)).toEqual(['a', 'c'])
  expect(ownedAt(state, 'one', null).holds).toHaveLength(3)
})

test('queues have their first waiters, in the order of the answer', () => {
  const queues = queuesAt(
    pastState([
      pastLock('early', { holders: [pastHolder('x', 1)], waiters: [pastWaiter('z'), pastWaiter('v')] }),
      pastLock('late', { waiters: [pastWaiter('x')] }),
      pastLock('held', { holders: [pastHolder('z', 2)] }),
    ]),
  )
  expect(queues.map(({ resource, first, queueLen }) => [resource, first?.owner, queueLen])).toEqual([
    ['early', 'z', 2],
    ['late', 'x', 1],
  ])
})

test('what a holder waited for is known from the answer, or from the queues that it lists', () => {
  const waitsFor = (owner: string, holders: PastHolder[]) => {
    const locks = holders.map((holder) => pastLock(`of ${holder.fencing_token}`, { holders: [holder] }))
    const state = pastState([...locks, pastLock('listed', { waiters: [pastWaiter(owner)] })])
    return ownedAt(state, owner, null).holds.map((hold) => hold.waitsFor)
  }
  expect(waitsFor('one', [pastHolder('one', 1, { waits_for: 'far back' }), pastHolder('one', 2)])).toEqual([
    'far back',
    'listed',
  ])
  // Those without an owner may be anyone.
  expect(waitsFor('', [pastHolder('', 1)])).toEqual([null])
})
