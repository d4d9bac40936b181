import { expect, test } from 'vitest'
import type { Overview, OverviewSecond } from '../api/types'
import { findAlerts, MASS_EXPIRATION_COUNT } from './alerts'

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

test('long waits come before expirations', () => {
  const alerts = findAlerts(
    overview({
      expired: [{ resource: 'b', owner: 'crashed', fencing_token: 1, at }],
      long_waits: [{ resource: 'a', owner: 'patient', mode: 'exclusive', enqueued_at: at }],
      seconds: [second(MASS_EXPIRATION_COUNT)],
    }),
  )
  expect(alerts.map(({ kind }) => kind)).toEqual(['long-wait', 'mass-expiration', 'expired'])
})

test('few or old expirations raise no mass-expiration alert', () => {
  const few = overview({ seconds: [second(MASS_EXPIRATION_COUNT - 1)] })
  const old = overview({ seconds: [second(100), ...Array.from({ length: 60 }, () => second(0))] })
  expect([findAlerts(few), findAlerts(old)]).toEqual([[], []])
})
