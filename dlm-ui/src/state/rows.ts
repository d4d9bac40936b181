// Applies events to the rows of a lock list. This is not a copy of the lock rules: an event says what happened, and when
// it does not carry enough information, the row has to be fetched again.
import type { EventKind, LockEvent, LockStatus, Renewal, StateFilter } from '../api/types'

const END_KINDS: ReadonlySet<EventKind> = new Set(['released', 'expired', 'force_released'])

/** The result of applying an event to a row. */
export interface AppliedEvent {
  row: LockStatus
  /** The event did not carry enough information: fetch the row from the server. */
  incomplete: boolean
}

/** Whether a lock is between two holders: it is free, and its next holder is in the queue. */
export function isHandingOver(row: Pick<LockStatus, 'state' | 'queue_len'>): boolean {
  return row.state === 'free' && row.queue_len > 0
}

/** Whether a row passes the list's filter. */
export function matchesFilter(row: LockStatus, filter: StateFilter): boolean {
  // A hot lock is handed over many times per second, and would come and go.
  if (filter === 'held') return row.state === 'held' || isHandingOver(row)
  if (filter === 'waiting') return row.queue_len > 0
  return true
}

/** Applies an event to a row. Returns `null` if the row already includes it. */
export function applyEvent(row: LockStatus, event: LockEvent): AppliedEvent | null {
  if (event.version <= row.version) return null
  const next: LockStatus = {
    ...row,
    version: event.version,
    current_token: event.current_token,
    queue_len: event.queue_len,
  }
  let incomplete = event.version > row.version + 1
  switch (event.kind) {
    case 'granted':
      next.holders = [...row.holders, holderFromEvent(event)]
      next.holder_count = row.holder_count + 1
      break
    case 'released':
    case 'expired':
    case 'force_released':
      next.holders = row.holders.filter((holder) => holder.fencing_token !== event.fencing_token)
      next.holder_count = Math.max(row.holder_count - 1, next.holders.length)
      break
  }
  next.state = next.holder_count > 0 ? 'held' : 'free'
  next.mode = next.holder_count > 0 ? (next.holders[0]?.mode ?? row.mode) : null
  if (event.queue_len === 0) next.oldest_enqueued_at = null
  else if (event.kind === 'queued' && event.queue_len === 1) next.oldest_enqueued_at = event.at
  else if (event.waiter_id && event.kind !== 'queued') incomplete = true
  return { row: next, incomplete }
}

/**
 * Merges a fetched status with the known row. The higher version wins, since events may have arrived during the fetch;
 * at the same version each holder keeps the later expiry, since renewals do not change the version.
 */
export function mergeStatus(known: LockStatus | null | undefined, fetched: LockStatus): LockStatus {
  if (!known || known.version < fetched.version) return fetched
  if (known.version > fetched.version) return known
  const expiries = new Map(known.holders.map((holder) => [holder.fencing_token, holder.expires_at]))
  const holders = fetched.holders.map((holder) => {
    const expiry = expiries.get(holder.fencing_token) ?? ''
    return expiry > holder.expires_at ? { ...holder, expires_at: expiry } : holder
  })
  return { ...fetched, holders }
}

/** Whether the event alone proves that its lock fails the filter. */
export function failsFilter(event: LockEvent, filter: StateFilter): boolean {
  if (filter === 'waiting') return event.queue_len === 0
  if (filter === 'held')
    return event.queue_len === 0 && event.mode === 'exclusive' && END_KINDS.has(event.kind)
  return false
}

/** Builds a row from the first event seen for a lock. Returns `null` if the event does not carry enough information. */
export function rowFromEvent(event: LockEvent): LockStatus | null {
  // After an exclusive grant there is exactly one holder. With waiters, the oldest wait would be missing.
  if (event.kind !== 'granted' || event.mode !== 'exclusive' || event.queue_len > 0) return null
  return {
    resource: event.resource,
    state: 'held',
    mode: event.mode,
    current_token: event.current_token,
    queue_len: 0,
    holders: [holderFromEvent(event)],
    waiters: [],
    holder_count: 1,
    version: event.version,
    cursor: event.cursor,
    oldest_enqueued_at: null,
  }
}

/** Applies a renewal to a row. Returns `null` if it does not extend the term of a listed holder. */
export function applyRenewal(row: LockStatus, renewal: Renewal): LockStatus | null {
  const index = row.holders.findIndex((holder) => holder.fencing_token === renewal.fencing_token)
  const holder = row.holders[index]
  if (!holder || holder.expires_at >= renewal.expires_at) return null
  return { ...row, holders: row.holders.with(index, { ...holder, expires_at: renewal.expires_at }) }
}

function holderFromEvent(event: LockEvent): LockStatus['holders'][number] {
  return {
    mode: event.mode,
    owner: event.owner,
    fencing_token: event.fencing_token ?? event.current_token,
    ttl_ms: event.ttl_ms ?? 0,
    acquired_at: event.at,
    expires_at: event.expires_at ?? event.at,
    metadata: {},
  }
}
