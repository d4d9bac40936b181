import { expect, test } from 'vitest'
import type { ContendedLock, Overview, WaitGraph } from '../api/types'
import { overviewAt } from '../state/testData'
import type { Thresholds } from './thresholds'
import { findTroubles, iconFor, titleWith } from './troubles'

const at = '2026-01-01T01:00:00.000Z'
const ago = (seconds: number) => new Date(Date.parse(at) - seconds * 1_000).toISOString()

const contended: ContendedLock = {
  resource: 'job',
  queue_len: 3,
  holder_count: 1,
  owner: 'deploy',
  oldest_enqueued_at: ago(90),
  acquired_at: ago(700),
}

const overview = overviewAt(at, {
  expired: [{ resource: 'lost', owner: 'crashed', at: ago(5) }] as Overview['expired'],
  contended: [contended],
})

const texts = (thresholds: Thresholds, graph: WaitGraph | null = null) =>
  findTroubles(overview, graph, thresholds).map(({ text }) => text)

test('a wait is a trouble once it is longer than the threshold', () => {
  expect(texts({ waitMs: 60_000, holdMs: null })).toEqual([
    '3 waiting for job for 1 min 30 s, held by deploy',
  ])
  expect(texts({ waitMs: 300_000, holdMs: null })).toEqual([])
})

test('a long hold is a trouble if a threshold is set and others wait', () => {
  expect(texts({ waitMs: 300_000, holdMs: 600_000 })).toEqual([
    'job held for 11 min 40 s by deploy while others wait',
  ])
  expect(texts({ waitMs: 300_000, holdMs: 3_600_000 })).toEqual([])
})

test('a lock that is waited for and held for long is one trouble', () => {
  expect(texts({ waitMs: 60_000, holdMs: 600_000 })).toEqual([
    '3 waiting for job for 1 min 30 s, held for 11 min 40 s by deploy',
  ])
})

test('a trouble keeps its key when the wait becomes long as well as the hold', () => {
  const keys = (waitMs: number) =>
    findTroubles(overview, null, { waitMs, holdMs: 600_000 }).map(({ key }) => key)
  expect(keys(60_000)).toEqual(keys(300_000))
})

/** Two owners, each of which holds one of the locks and waits for the other. */
function deadlock(...[first, second]: [string, string]): WaitGraph {
  const holders = [
    { resource: first, owner: 'one', fencing_token: 1 },
    { resource: second, owner: 'two', fencing_token: 2 },
  ]
  return { at, complete: true, locks: [], possible_deadlocks: [{ holders }] }
}

test('a possible deadlock comes first', () => {
  expect(texts({ waitMs: 0, holdMs: null }, deadlock('a', 'b'))).toEqual([
    'Possible deadlock of one, two',
    '3 waiting for job for 1 min 30 s, held by deploy',
  ])
})

test('the waits and holds of a possible deadlock are no troubles of their own', () => {
  expect(texts({ waitMs: 0, holdMs: 0 }, deadlock('job', 'b'))).toEqual(['Possible deadlock of one, two'])
})

test('a chain is one trouble, with the key of its last lock', () => {
  const lock = (resource: string, owner: string, waits_for: string | null) => {
    const holder = { mode: 'exclusive', fencing_token: 1, acquired_at: ago(700), expires_at: at } as const
    const holders = [{ ...holder, owner, waits_for }]
    const counts = { queue_len: 1, blocked: waits_for === null ? 2 : 1, holder_count: 1 }
    return { resource, ...counts, oldest_enqueued_at: ago(90), holders }
  }
  const chain: WaitGraph = {
    at,
    complete: true,
    locks: [lock('job', 'deploy', null), lock('orders', 'importer', 'job')],
    possible_deadlocks: [],
  }
  const thresholds = { waitMs: 60_000, holdMs: null }
  expect(texts(thresholds, chain)).toEqual([
    '2 waiting for 1 min 30 s behind deploy, who holds job, over 2 locks',
  ])
  const keys = (graph: WaitGraph | null) => findTroubles(overview, graph, thresholds).map(({ key }) => key)
  expect(keys(chain)).toEqual(keys(null))
})

test('the icon counts troubles, up to nine', () => {
  expect([0, 1, 9, 10, 200].map(iconFor)).toEqual([
    '/icon.svg',
    '/icon-trouble-1.svg',
    '/icon-trouble-9.svg',
    '/icon-trouble-9plus.svg',
    '/icon-trouble-9plus.svg',
  ])
})

test('the title counts troubles', () => {
  expect(titleWith(3, 'Locks · dlm')).toBe('(3) Locks · dlm')
  expect(titleWith(0, 'Locks · dlm')).toBe('Locks · dlm')
})
