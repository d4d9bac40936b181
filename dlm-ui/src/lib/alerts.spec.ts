import { expect, test } from 'vitest'
import type { ContendedLock, LongWait, Overview, OverviewSecond } from '../api/types'
import { alertsBeside, findAlerts, MASS_EXPIRATION_COUNT, unlistedWaits } from './alerts'

const at = '2026-01-01T00:00:00.000Z'

function overview(part: Partial<Overview>): Overview {
  return {
    at,
    held: 0,
    leases: 0,
    waiting: 0,
    oldest_wait: null,
    long_wait_count: 0,
    long_waits: [],
    wait_p50_ms: null,
    wait_p95_ms: null,
    expired: [],
    contended: [],
    seconds: [],
    ...part,
  }
}

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

const minutesAgo = (minutes: number) => new Date(Date.parse(at) - minutes * 60_000).toISOString()

function contended(resource: string, queue_len: number, minutes: number, part: Partial<ContendedLock> = {}) {
  const oldest_enqueued_at = minutesAgo(minutes)
  return { resource, queue_len, oldest_enqueued_at, owner: `of ${resource}`, holder_count: 1, ...part }
}

function longWait(resource: string, minutes: number): LongWait {
  return { resource, owner: 'patient', mode: 'exclusive', enqueued_at: minutesAgo(minutes) }
}

test('long waits come before expirations', () => {
  const alerts = findAlerts(
    overview({
      expired: [{ resource: 'b', owner: 'crashed', fencing_token: 1, at }],
      long_waits: [longWait('a', 1)],
      seconds: [second(MASS_EXPIRATION_COUNT)],
    }),
  )
  expect(alerts.map(({ kind }) => kind)).toEqual(['blocked', 'mass-expiration', 'expired'])
})

test('long waits are grouped by lock, each with who blocks it', () => {
  const state = overview({
    long_wait_count: 180,
    // The ten oldest waits are all behind one lock.
    long_waits: Array.from({ length: 10 }, () => longWait('migrate', 24)),
    contended: [contended('migrate', 140, 24), contended('orders', 30, 2), contended('busy', 20, 0)],
  })
  const alerts = findAlerts(state)
  expect(alerts).toMatchObject([
    { kind: 'blocked', resource: 'migrate', blocker: 'of migrate', waiterCount: 140, since: minutesAgo(24) },
    { kind: 'blocked', resource: 'orders', blocker: 'of orders', waiterCount: 30 },
  ])
  expect(unlistedWaits(state, alerts)).toBe(10)
})

test('a lock with a short queue that waits for long is listed too', () => {
  const free = contended('free', 3, 5, { holder_count: 0, owner: '' })
  const alerts = findAlerts(
    overview({ contended: [free], long_waits: [longWait('quiet', 9), longWait('quiet', 8)] }),
  )
  expect(alerts).toMatchObject([
    { resource: 'free', blocker: null, waiterCount: 3 },
    { resource: 'quiet', blocker: null, waiterCount: 2, since: minutesAgo(9) },
  ])
})

test('of a lock that a wait chain names, only what the chain does not say is left', () => {
  const alerts = findAlerts(
    overview({
      contended: [contended('accounts/1', 2, 5), contended('orders', 1, 5)],
      expired: [{ resource: 'accounts/1', owner: 'crashed', fencing_token: 1, at }],
    }),
  )
  expect(alertsBeside(new Set(['accounts/1']), alerts)).toMatchObject([
    { kind: 'blocked', resource: 'orders' },
    { kind: 'expired', resource: 'accounts/1' },
  ])
})

test('leases of one owner that expired on one lock are one alert', () => {
  const lease = (owner: string, minutes: number) => ({
    resource: 'a',
    owner,
    fencing_token: minutes,
    at: minutesAgo(minutes),
  })
  const alerts = findAlerts(overview({ expired: [lease('x', 1), lease('y', 2), lease('x', 3)] }))
  expect(alerts).toMatchObject([
    { owner: 'x', count: 2, at: minutesAgo(1) },
    { owner: 'y', count: 1 },
  ])
})

test('few or old expirations raise no mass-expiration alert', () => {
  const few = overview({ seconds: [second(MASS_EXPIRATION_COUNT - 1)] })
  const old = overview({ seconds: [second(100), ...Array.from({ length: 60 }, () => second(0))] })
  expect([findAlerts(few), findAlerts(old)]).toEqual([[], []])
})
