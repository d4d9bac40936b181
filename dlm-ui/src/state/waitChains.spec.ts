import { expect, test } from 'vitest'
import type { BlockedLock, WaitGraph } from '../api/types'
import { pastHolder, pastLock, pastState, pastWaiter } from './testData'
import { chainedLocks, chainKey, findChains, waitsAt } from './waitChains'

const AT = '2026-01-01T00:00:00.000Z'

/** A lock, its holder, and what that waits for. */
function lock(resource: string, owner: string, waitsFor: string | null, blocked = 1): BlockedLock {
  const holder = {
    mode: 'exclusive' as const,
    owner,
    fencing_token: 1,
    acquired_at: AT,
    expires_at: AT,
    waits_for: waitsFor,
  }
  return { resource, queue_len: 1, blocked, oldest_enqueued_at: AT, holder_count: 1, holders: [holder] }
}

function graph(locks: BlockedLock[], deadlock: BlockedLock[] = []): WaitGraph {
  const holders = deadlock.map((held) => ({
    resource: held.resource,
    owner: held.holders[0]?.owner ?? '',
    fencing_token: 1,
  }))
  return { at: AT, complete: true, locks, possible_deadlocks: holders.length > 0 ? [{ holders }] : [] }
}

const readable = (locks: WaitGraph) =>
  findChains(locks).map(({ kind, links, blocked }) => [
    kind,
    links.map((link) => `${link.owner} has ${link.resource}`).join(', '),
    blocked,
  ])

test('locks whose holders go on are no chain', () => {
  expect(findChains(graph([lock('a', 'x', null), lock('b', 'y', null)]))).toEqual([])
})

test('of the chains to one lock only the longest is shown', () => {
  const locks = [
    lock('schema', 'migration', null, 9),
    lock('orders', 'importer', 'schema', 4),
    lock('mail', 'sender', 'orders', 2),
    lock('audit', 'auditor', 'schema', 1),
  ]
  expect(readable(graph(locks))).toEqual([
    ['chain', 'sender has mail, importer has orders, migration has schema', 9],
  ])
})

test('a chain counts the other branches that lead to the same lock', () => {
  const branches = (locks: BlockedLock[]) => findChains(graph(locks)).map(({ branches: found }) => found)
  const root = lock('r', 'R', null, 4)
  // X and Y both wait for the lock of R.
  expect(branches([root, lock('l1', 'X', 'r'), lock('l2', 'Y', 'r')])).toEqual([1])
  expect(branches([root, lock('l2', 'Y', 'r')])).toEqual([0])
  // Two join before the last lock, and what is on the way is no branch of its own.
  const joined = [lock('m', 'M', 'r', 3), lock('l1', 'X', 'm'), lock('l2', 'Y', 'm'), lock('l3', 'Z', 'r')]
  expect(branches([root, ...joined])).toEqual([2])
})

test('the oldest wait of a chain may be in a branch that is not shown', () => {
  const early = '2025-12-31T23:00:00.000Z'
  const branch = { ...lock('l1', 'X', 'r'), oldest_enqueued_at: early }
  const [chain] = findChains(graph([lock('r', 'R', null, 4), lock('l2', 'Y', 'r'), branch]))
  expect(chain).toMatchObject({ links: [{ resource: 'l2' }, { resource: 'r' }], since: early })
})

test('a deadlock has no branches, and a chain to it counts those to the same lock', () => {
  const cycle = [lock('a', 'x', 'b', 4), lock('b', 'y', 'a', 4)]
  const chains = findChains(graph([...cycle, lock('c', 'z', 'a'), lock('d', 'w', 'a')], cycle))
  expect(chains.map(({ kind, branches }) => [kind, branches])).toEqual([
    ['deadlock', 0],
    ['chain', 1],
  ])
})

test('chains are in the order of what they block', () => {
  const locks = [lock('a', 'x', null, 2), lock('b', 'y', 'a'), lock('c', 'z', null, 5), lock('d', 'w', 'c')]
  expect(readable(graph(locks)).map(([, , blocked]) => blocked)).toEqual([5, 2])
})

test('a deadlock comes first, and is where the chains to it end', () => {
  const cycle = [lock('a', 'x', 'b', 3), lock('b', 'y', 'a', 3)]
  const locks = [...cycle, lock('c', 'z', 'a')]
  expect(readable(graph(locks, cycle))).toEqual([
    ['deadlock', 'x has a, y has b', 3],
    ['chain', 'z has c, x has a', 3],
  ])
})

test('nothing is said of how many wait for a deadlock whose locks were not read', () => {
  const cycle = [lock('a', 'x', 'b', 3), lock('b', 'y', 'a', 3)]
  expect(findChains(graph([], cycle)).map(({ blocked }) => blocked)).toEqual([null])
})

test('a chain knows the oldest wait for its locks, and which these are', () => {
  const early = '2025-12-31T23:00:00.000Z'
  const locks = [
    lock('a', 'x', null),
    { ...lock('b', 'y', 'a'), oldest_enqueued_at: early },
    lock('c', 'z', null),
  ]
  const chains = findChains(graph(locks))
  expect(chains.map(({ since }) => since)).toEqual([early])
  expect([...chainedLocks(chains)]).toEqual(['b', 'a'])
  expect(findChains(graph([], locks.slice(0, 2))).map(({ since }) => since)).toEqual([null])
})

test('a lock that is not in the answer ends a chain', () => {
  expect(findChains(graph([lock('a', 'x', 'not in sight')]))).toEqual([])
})

test('a cycle that the server does not call a deadlock does not hang the page', () => {
  const locks = [lock('a', 'x', 'b'), lock('b', 'y', 'a')]
  expect(findChains(graph(locks)).length).toBeGreaterThan(0)
})

test('a chain keeps its key while it grows', () => {
  const [short] = findChains(graph([lock('a', 'x', null), lock('b', 'y', 'a')]))
  const [long] = findChains(graph([lock('a', 'x', null, 3), lock('b', 'y', 'a', 2), lock('c', 'z', 'b')]))
  expect(short && long && chainKey(short) === chainKey(long)).toBe(true)
})

test('a deadlock keeps its key while more wait for it', () => {
  const cycle = (blocked: number) => [lock('a', 'x', 'b', blocked), lock('b', 'y', 'a', blocked)]
  const [few, many] = [2, 5].map((blocked) => findChains(graph(cycle(blocked), cycle(blocked)))[0])
  expect(few && many && chainKey(few) === chainKey(many)).toBe(true)
})

test('each lock of a deadlock says how many wait for it and how many it frees, if it was read', () => {
  const cycle = [
    { ...lock('a', 'x', 'b', 5), queue_len: 3 },
    { ...lock('b', 'y', 'a', 5), queue_len: 2 },
  ]
  const numbers = (locks: BlockedLock[]) =>
    findChains(graph(locks, cycle))[0]?.links.map(({ waiting, blocked }) => [waiting, blocked])
  expect(numbers(cycle)).toEqual([
    [3, 5],
    [2, 5],
  ])
  expect(numbers(cycle.slice(0, 1))).toEqual([
    [3, 5],
    [null, null],
  ])
})

test('each lock of a chain says how many it blocks', () => {
  const [chain] = findChains(graph([lock('a', 'x', null, 9), lock('b', 'y', 'a', 4)]))
  expect(chain?.links.map(({ resource, blocked }) => [resource, blocked])).toEqual([
    ['b', 4],
    ['a', 9],
  ])
})

test('of the past there are chains and deadlocks too, and when each wait began if it is known', () => {
  const early = '2026-01-01T00:10:00.000Z'
  const deadlocked = { fencing_token: 1, owner: 'x' }
  const state = pastState(
    [
      pastLock('mail', {
        holders: [pastHolder('sender', 1, { waits_for: 'orders' })],
        waiters: [pastWaiter('w', { enqueued_at: null })],
      }),
      pastLock('orders', {
        holders: [pastHolder('reader', 2), pastHolder('importer', 3, { waits_for: 'schema' })],
        waiters: [pastWaiter('sender', { enqueued_at: early }), pastWaiter('v')],
        blocked: 3,
      }),
      pastLock('schema', {
        holders: [pastHolder('migration', 4)],
        waiters: [pastWaiter('importer')],
        blocked: 4,
      }),
      // Nobody waits for it.
      pastLock('report', { holders: [pastHolder('v', 5, { waits_for: 'mail' })] }),
    ],
    { possible_deadlocks: [{ holders: ['a', 'b'].map((resource) => ({ ...deadlocked, resource })) }] },
  )
  const chains = findChains(waitsAt(state))
  expect(chains.map(({ kind, links }) => [kind, links.map(({ owner }) => owner)])).toEqual([
    ['deadlock', ['x', 'x']],
    ['chain', ['sender', 'importer', 'migration']],
  ])
  expect(chains.map(({ blocked, since }) => [blocked, since])).toEqual([
    [null, null],
    [4, early],
  ])
})
