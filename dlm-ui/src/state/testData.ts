// Rows, events and overviews for unit tests.
import type {
  EventKind,
  LockEvent,
  LockStatus,
  Overview,
  PastHolder,
  PastLock,
  PastState,
  PastWaiter,
} from '../api/types'

export function row(part: Partial<LockStatus> = {}): LockStatus {
  return {
    resource: 'a',
    state: 'free',
    mode: null,
    current_token: 0,
    queue_len: 0,
    holders: [],
    holder_count: 0,
    version: 0,
    oldest_enqueued_at: null,
    ...part,
  }
}

/** That of a server that does nothing. */
export function overviewAt(at: string, part: Partial<Overview> = {}): Overview {
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

export function event(kind: EventKind, version: number, part: Partial<LockEvent> = {}): LockEvent {
  return {
    type: 'event',
    cursor: `c${version}`,
    kind,
    resource: 'a',
    mode: 'exclusive',
    fencing_token: null,
    current_token: 0,
    version,
    owner: 'one',
    waiter_id: null,
    waited_ms: null,
    ttl_ms: null,
    expires_at: null,
    queue_len: 0,
    at: new Date(1_800_000_000_000 + version * 1000).toISOString(),
    reason: null,
    ...part,
  }
}

export function granted(version: number, token: number, part: Partial<LockEvent> = {}): LockEvent {
  const at = 1_800_000_000_000 + version * 1000
  return event('granted', version, {
    fencing_token: token,
    current_token: token,
    ttl_ms: 30_000,
    expires_at: new Date(at + 30_000).toISOString(),
    ...part,
  })
}

/** A lock held by owner `one`, whose token is the version. */
export function held(resource: string, version: number, part: Partial<LockStatus> = {}): LockStatus {
  return row({
    resource,
    version,
    state: 'held',
    mode: 'exclusive',
    current_token: version,
    holder_count: 1,
    holders: [
      {
        mode: 'exclusive',
        owner: 'one',
        fencing_token: version,
        ttl_ms: 30_000,
        acquired_at: '2099-01-01T00:00:00.000Z',
        expires_at: '2099-01-01T00:00:30.000Z',
        metadata: {},
      },
    ],
    ...part,
  })
}

/** A state at half past midnight, of a log of an hour. */
export function pastState(locks: PastLock[], part: Partial<PastState> = {}): PastState {
  return {
    at: '2026-01-01T00:30:00.000Z',
    now: '2026-01-01T01:00:00.000Z',
    known_since: '2026-01-01T00:00:00.000Z',
    complete: true,
    events_read: 3,
    lock_count: locks.length,
    lease_count: locks.reduce((sum, lock) => sum + lock.holder_count, 0),
    waiter_count: locks.reduce((sum, lock) => sum + lock.queue_len, 0),
    locks,
    ...part,
  }
}

export function pastLock(resource: string, part: Partial<PastLock>): PastLock {
  const { holders = [], waiters = [] } = part
  return { resource, holders, holder_count: holders.length, waiters, queue_len: waiters.length, ...part }
}

export function pastHolder(owner: string, token: number, part: Partial<PastHolder> = {}): PastHolder {
  const acquired_at = '2026-01-01T00:20:00.000Z'
  return { owner, mode: 'exclusive', fencing_token: token, acquired_at, expires_at: null, ...part }
}

export function pastWaiter(owner: string, part: Partial<PastWaiter> = {}): PastWaiter {
  return { owner, mode: 'exclusive', enqueued_at: '2026-01-01T00:25:00.000Z', ...part }
}
