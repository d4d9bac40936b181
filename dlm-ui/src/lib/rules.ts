// Texts about what a principal may do.
import type { AccessRule } from '../api/types'
import { count, duration } from './format'

/** The limits of a rule; empty if only those of the API apply. */
export function ruleLimits(rule: AccessRule): string {
  const limits = [
    rule.max_ttl_ms && `TTL up to ${duration(rule.max_ttl_ms)}`,
    rule.max_wait_ms && `waits up to ${duration(rule.max_wait_ms)}`,
    rule.max_leases && `up to ${count(rule.max_leases)} leases`,
    rule.max_waiters && `up to ${count(rule.max_waiters)} waiters`,
    rule.requests_per_second && `${count(rule.requests_per_second)} requests/s`,
  ]
  return limits.filter(Boolean).join(', ')
}
