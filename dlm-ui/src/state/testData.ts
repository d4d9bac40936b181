// Rows and events for unit tests.
import type { EventKind, LockEvent, LockStatus } from '../api/types'

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
