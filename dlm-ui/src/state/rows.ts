// What a list of locks is after events: the rules by which a row follows them. No lock rule is here; an event says
// what happened, and where it does not say enough the row is asked for anew.
import type { EventKind, LockEvent, LockStatus, Renewal, StateFilter } from '../api/types'

const ENDS: ReadonlySet<EventKind> = new Set(['released', 'expired', 'force_released'])

/** What became of a row. */
export interface Applied {
  row: LockStatus
  /** The event did not tell everything: ask the server for the row. */
  incomplete: boolean
}

/** Whether a lock belongs into a list with this filter. */
export function matches(row: LockStatus, filter: StateFilter): boolean {
  if (filter === 'held') return row.state === 'held'
  if (filter === 'waiting') return row.queue_len > 0
  return true
}

/** The row after an event; `null` when the row knew of it. */
export function applyEvent(row: LockStatus, event: LockEvent): Applied | null {
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
      next.holders = [...row.holders, holderOf(event)]
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

/** What is shown of a lock once it was asked for: the answer may be older than what was heard meanwhile. */
export function newer(known: LockStatus | null | undefined, answer: LockStatus): LockStatus {
  if (!known || known.version < answer.version) return answer
  if (known.version > answer.version) return known
  const terms = new Map(known.holders.map((holder) => [holder.fencing_token, holder.expires_at]))
  const holders = answer.holders.map((holder) => {
    const until = terms.get(holder.fencing_token) ?? ''
    return until > holder.expires_at ? { ...holder, expires_at: until } : holder
  })
  return { ...answer, holders }
}

/** Whether a lock that is not in the list surely does not belong into it after this event. */
export function leavesOut(event: LockEvent, filter: StateFilter): boolean {
  if (filter === 'waiting') return event.queue_len === 0
  if (filter === 'held') return event.mode === 'exclusive' && ENDS.has(event.kind)
  return false
}

/** A row made of the first event seen of a lock; `null` where the event does not tell enough. */
export function rowOf(event: LockEvent): LockStatus | null {
  // An exclusive grant leaves one holder, whoever was there before.
  if (event.kind !== 'granted' || event.mode !== 'exclusive' || event.queue_len > 0) return null
  return {
    resource: event.resource,
    state: 'held',
    mode: event.mode,
    current_token: event.current_token,
    queue_len: 0,
    holders: [holderOf(event)],
    waiters: [],
    holder_count: 1,
    version: event.version,
    cursor: event.cursor,
    oldest_enqueued_at: null,
  }
}

/** The row after a renewal; `null` when it is not about a holder that is shown. */
export function applyRenewal(row: LockStatus, renewal: Renewal): LockStatus | null {
  const at = row.holders.findIndex((holder) => holder.fencing_token === renewal.fencing_token)
  const holder = row.holders[at]
  if (!holder || holder.expires_at >= renewal.expires_at) return null
  return { ...row, holders: row.holders.with(at, { ...holder, expires_at: renewal.expires_at }) }
}

function holderOf(event: LockEvent): LockStatus['holders'][number] {
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
