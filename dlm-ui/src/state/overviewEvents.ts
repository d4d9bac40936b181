// An overview brought up to date by the events since the server computed it.
import type { ContendedLock, LockEvent, Overview } from '../api/types'

/**
 * What events say of an overview: leases, waiters, the locks with one holder, and the contended locks that it lists.
 * Whether a lock with shared holders is held, and which lock is contended most, is known with the next overview.
 */
export function withEvents(overview: Overview, events: readonly LockEvent[]): Overview {
  const computedAt = Date.parse(overview.at)
  const later = events.filter(({ at }) => Date.parse(at) > computedAt)
  if (later.length === 0) return overview
  let { held, leases, waiting } = overview
  const contended = new Map(overview.contended.map((lock) => [lock.resource, lock]))
  for (const event of later) {
    const change = leaseChange(event)
    leases += change
    if (event.mode === 'exclusive') held += change
    waiting += waiterChange(event)
    const lock = contended.get(event.resource)
    if (lock) contended.set(lock.resource, contendedAfter(lock, event))
  }
  return {
    ...overview,
    held: Math.max(0, held),
    leases: Math.max(0, leases),
    waiting: Math.max(0, waiting),
    contended: [...contended.values()].filter((lock) => lock.queue_len > 0),
  }
}

function leaseChange({ kind }: LockEvent): number {
  if (kind === 'granted') return 1
  return kind === 'released' || kind === 'expired' || kind === 'force_released' ? -1 : 0
}

function waiterChange({ kind, waiter_id }: LockEvent): number {
  if (kind === 'queued') return 1
  const left = kind === 'cancelled' || kind === 'wait_timed_out' || (kind === 'granted' && waiter_id)
  return left ? -1 : 0
}

function contendedAfter(lock: ContendedLock, event: LockEvent): ContendedLock {
  const next = { ...lock, queue_len: event.queue_len }
  const change = leaseChange(event)
  if (change === 0) return next
  next.holder_count =
    event.mode === 'exclusive' ? Math.max(0, change) : Math.max(0, lock.holder_count + change)
  if (next.holder_count === 0) return { ...next, owner: '', acquired_at: null, mode: null }
  // Of several holders the first one is listed.
  if (change > 0 && next.holder_count === 1) {
    return { ...next, owner: event.owner, acquired_at: event.at, mode: event.mode }
  }
  return next
}
