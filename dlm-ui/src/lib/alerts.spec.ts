import { expect, test } from 'vitest'
import type {
  BlockedLock,
  Blocker,
  ContendedLock,
  LongWait,
  Overview,
  OverviewSecond,
  WaitGraph,
} from '../api/types'
import { overviewAt } from '../state/testData'
import { findAlerts, findLongChains, MASS_EXPIRATION_COUNT, unlistedWaits } from './alerts'
import type { Thresholds } from './thresholds'

const at = '2026-01-01T00:00:00.000Z'
const usual: Thresholds = { waitMs: 30_000, holdMs: null }

const overview = (part: Partial<Overview>) => overviewAt(at, part)

function second(expired: number): OverviewSecond {
  return {
    at,
    expired,
    granted: 0,
    queued: 0,
    released: 0,
    force_released: 0,
    cancelled: 0,
    wait_timed_out: 0,
    wait_p50_ms: null,
    wait_p95_ms: null,
  }
}

const secondsAgo = (seconds: number) => new Date(Date.parse(at) - seconds * 1_000).toISOString()
const minutesAgo = (minutes: number) => secondsAgo(minutes * 60)

function contended(resource: string, queue_len: number, minutes: number, part: Partial<ContendedLock> = {}) {
  const oldest_enqueued_at = minutesAgo(minutes)
  return { resource, queue_len, oldest_enqueued_at, owner: `of ${resource}`, holder_count: 1, ...part }
}

function longWait(resource: string, minutes: number): LongWait {
  return { resource, owner: 'patient', mode: 'exclusive', enqueued_at: minutesAgo(minutes) }
}

/** A lock with one waiter, which has waited for some seconds, and holders that have held it for some seconds. */
function blockedLock(resource: string, waited: number, held: number[], queue_len = 1): BlockedLock {
  const holders = held.map((seconds, index): Blocker => {
    const lease = { fencing_token: index, acquired_at: secondsAgo(seconds), expires_at: at }
    return { mode: 'shared', owner: `holder ${index} of ${resource}`, ...lease }
  })
  const oldest_enqueued_at = secondsAgo(waited)
  return { resource, queue_len, blocked: 1, oldest_enqueued_at, holder_count: held.length, holders }
}

function graph(locks: BlockedLock[], deadlocked: string[] = []): WaitGraph {
  const holders = deadlocked.map((resource) => ({ resource, owner: 'stuck', fencing_token: 1 }))
  return { at, complete: true, locks, possible_deadlocks: holders.length > 0 ? [{ holders }] : [] }
}

test('long waits come before expirations', () => {
  const state = overview({
    expired: [{ resource: 'b', owner: 'crashed', fencing_token: 1, at }],
    long_waits: [longWait('a', 1)],
    seconds: [second(MASS_EXPIRATION_COUNT)],
  })
  const alerts = findAlerts(state, null, usual)
  expect(alerts.map(({ kind }) => kind)).toEqual(['blocked', 'mass-expiration', 'expired'])
})

test('long waits are grouped by lock, each with who blocks it', () => {
  const state = overview({
    long_wait_count: 180,
    // The ten oldest waits are all behind one lock.
    long_waits: Array.from({ length: 10 }, () => longWait('migrate', 24)),
    contended: [contended('migrate', 140, 24), contended('orders', 30, 2), contended('busy', 20, 0)],
  })
  expect(findAlerts(state, null, usual)).toMatchObject([
    {
      kind: 'blocked',
      resource: 'migrate',
      blocker: 'of migrate',
      waiterCount: 140,
      waitingSince: minutesAgo(24),
      heldSince: null,
    },
    { kind: 'blocked', resource: 'orders', blocker: 'of orders', waiterCount: 30 },
  ])
  expect(unlistedWaits(state, null, usual)).toBe(10)
})

test('a lock with a short queue that waits for long is listed too', () => {
  const free = contended('free', 3, 5, { holder_count: 0, owner: '' })
  const state = overview({ contended: [free], long_waits: [longWait('quiet', 9), longWait('quiet', 8)] })
  expect(findAlerts(state, null, usual)).toMatchObject([
    { resource: 'free', blocker: null, waiterCount: 3 },
    { resource: 'quiet', blocker: null, waiterCount: 2, waitingSince: minutesAgo(9) },
  ])
})

test('a threshold below 30 s holds for all locks that are waited for', () => {
  const locks = [blockedLock('a', 3, [9]), blockedLock('b', 1, [9])]
  const found = (waitMs: number, state = overview({})) =>
    findAlerts(state, graph(locks), { waitMs, holdMs: null }).map(
      (alert) => 'resource' in alert && alert.resource,
    )
  expect(found(2_000)).toEqual(['a'])
  expect(found(30_000)).toEqual([])
  // It is neither contended most nor one of the long waits, and the graph may not be known yet.
  const oldest = overview({ oldest_wait: longWait('c', 0.25) })
  expect(findAlerts(oldest, null, { waitMs: 2_000, holdMs: null })).toMatchObject([{ resource: 'c' }])
})

test('a wait that is long for the server is no alert below a larger threshold', () => {
  const state = overview({ contended: [contended('a', 4, 2)], long_waits: [longWait('b', 2)] })
  expect(findAlerts(state, graph([blockedLock('c', 120, [9])]), { waitMs: 300_000, holdMs: null })).toEqual(
    [],
  )
})

test('a lock that is held for long while others wait is an alert if there is a threshold', () => {
  const locks = graph([blockedLock('a', 1, [4, 700]), blockedLock('b', 1, [4])])
  expect(findAlerts(overview({}), locks, { waitMs: 60_000, holdMs: 600_000 })).toMatchObject([
    {
      resource: 'a',
      blocker: 'holder 1 of a',
      holderCount: 2,
      waitingSince: null,
      heldSince: secondsAgo(700),
    },
  ])
  expect(findAlerts(overview({}), locks, { waitMs: 60_000, holdMs: null })).toEqual([])
})

test('a lock that is waited for and held for long is one alert', () => {
  const state = overview({
    contended: [contended('a', 1, 2, { acquired_at: minutesAgo(20) })],
    long_waits: [longWait('a', 2)],
  })
  const locks = graph([blockedLock('a', 120, [1_200])])
  for (const known of [locks, null])
    expect(findAlerts(state, known, { waitMs: 60_000, holdMs: 600_000 })).toMatchObject([
      { resource: 'a', waitingSince: minutesAgo(2), heldSince: minutesAgo(20) },
    ])
})

test('all locks of the wait-for graph are looked at, not only the most contended ones', () => {
  const locks = Array.from({ length: 150 }, (_, index) => blockedLock(`lock/${index}`, 90, [100]))
  expect(findAlerts(overview({}), graph(locks), usual)).toHaveLength(150)
})

test('times are those of the newer answer', () => {
  const later = { ...graph([blockedLock('a', 20, [9])]), at: secondsAgo(-15) }
  expect(findAlerts(overview({}), later, usual)).toHaveLength(1)
})

test('of a lock in a possible deadlock only what the deadlock does not say is left', () => {
  const state = overview({
    contended: [contended('accounts/1', 2, 5), contended('orders', 1, 5)],
    expired: [{ resource: 'accounts/1', owner: 'crashed', fencing_token: 1, at }],
    long_wait_count: 7,
  })
  const deadlock = graph([blockedLock('accounts/1', 300, [9], 2)], ['accounts/1'])
  expect(findAlerts(state, deadlock, { ...usual, holdMs: 1_000 })).toMatchObject([
    { kind: 'blocked', resource: 'orders' },
    { kind: 'expired', resource: 'accounts/1' },
  ])
  expect(unlistedWaits(state, deadlock, usual)).toBe(4)
})

test('the locks of a wait chain are no alerts of their own, and the chain is long if one of them is', () => {
  const root = blockedLock('schema', 60, [90])
  const [importer] = root.holders
  const next = {
    ...blockedLock('orders', 60, []),
    holders: importer ? [{ ...importer, waits_for: 'schema' }] : [],
  }
  const chain = graph([root, next])
  expect(findAlerts(overview({}), chain, usual)).toEqual([])
  const long = (thresholds: Thresholds) => findLongChains(overview({}), chain, thresholds).length
  expect(long(usual)).toBe(1)
  expect(long({ waitMs: 300_000, holdMs: 60_000 })).toBe(1)
  expect(long({ waitMs: 300_000, holdMs: null })).toBe(0)
})

test('more waits are claimed only as far as the count of the server says so', () => {
  const state = overview({ long_wait_count: 7 })
  const locks = graph([blockedLock('a', 40, [9], 2), blockedLock('b', 5, [700], 3)])
  // Those that have waited for 30 s have waited for 4 s as well.
  expect(unlistedWaits(state, locks, { waitMs: 4_000, holdMs: null })).toBe(2)
  // No wait for a lock that is only held for long is among them.
  expect(unlistedWaits(state, locks, { waitMs: 30_000, holdMs: 60_000 })).toBe(5)
  expect(unlistedWaits(state, locks, { waitMs: 60_000, holdMs: null })).toBe(0)
})

test('leases of one owner that expired on one lock are one alert', () => {
  const lease = (owner: string, minutes: number) => ({
    resource: 'a',
    owner,
    fencing_token: minutes,
    at: minutesAgo(minutes),
  })
  const state = overview({ expired: [lease('x', 1), lease('y', 2), lease('x', 3)] })
  expect(findAlerts(state, null, usual)).toMatchObject([
    { owner: 'x', count: 2, at: minutesAgo(1) },
    { owner: 'y', count: 1 },
  ])
})

test('few or old expirations raise no mass-expiration alert', () => {
  const few = overview({ seconds: [second(MASS_EXPIRATION_COUNT - 1)] })
  const old = overview({ seconds: [second(100), ...Array.from({ length: 60 }, () => second(0))] })
  expect([few, old].map((state) => findAlerts(state, null, usual))).toEqual([[], []])
})
