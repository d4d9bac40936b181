import { expect, test } from 'vitest'
import { ruleLimits } from './rules'

test('the limits of a rule are listed', () => {
  expect(ruleLimits({ role: 'admin', prefix: '' })).toBe('')
  expect(
    ruleLimits({
      role: 'lock',
      prefix: 'orders/',
      max_ttl_ms: 600_000,
      max_wait_ms: 3_600_000,
      max_leases: 1_000,
      max_waiters: 1,
      requests_per_second: 500,
    }),
  ).toBe('TTL up to 10 min, waits up to 1 h, up to 1,000 leases, up to 1 waiters, 500 requests/s')
})
