// The columns of exported tables.
import type { Holder, LockEvent, LockStatus, OwnerSummary, Waiter } from '../api/types'
import type { ExportColumn } from './export'

export const LOCK_COLUMNS: ExportColumn<LockStatus>[] = [
  { header: 'name', value: (row) => row.resource },
  { header: 'state', value: (row) => row.state },
  { header: 'mode', value: (row) => row.mode },
  { header: 'owner', value: (row) => row.holders[0]?.owner },
  { header: 'holders', value: (row) => row.holder_count },
  { header: 'current_token', value: (row) => row.current_token },
  { header: 'acquired_at', value: (row) => row.holders[0]?.acquired_at },
  { header: 'expires_at', value: (row) => row.holders[0]?.expires_at },
  { header: 'waiters', value: (row) => row.queue_len },
  { header: 'oldest_enqueued_at', value: (row) => row.oldest_enqueued_at },
]

export const OWNER_COLUMNS: ExportColumn<OwnerSummary>[] = [
  { header: 'owner', value: (row) => row.owner },
  { header: 'principal', value: (row) => row.principal },
  { header: 'blocks', value: (row) => row.blocked },
  { header: 'holds', value: (row) => row.holds },
  { header: 'waits', value: (row) => row.waits },
  { header: 'oldest_held_at', value: (row) => row.oldest_held_at },
  { header: 'oldest_enqueued_at', value: (row) => row.oldest_enqueued_at },
]

export const EVENT_COLUMNS: ExportColumn<LockEvent>[] = [
  { header: 'at', value: (event) => event.at },
  { header: 'kind', value: (event) => event.kind },
  { header: 'name', value: (event) => event.resource },
  { header: 'owner', value: (event) => event.owner },
  { header: 'principal', value: (event) => event.principal },
  { header: 'mode', value: (event) => event.mode },
  { header: 'fencing_token', value: (event) => event.fencing_token },
  { header: 'waited_ms', value: (event) => event.waited_ms },
  { header: 'waiters', value: (event) => event.queue_len },
  { header: 'by', value: (event) => event.by },
  { header: 'reason', value: (event) => event.reason },
]

export const HOLDER_COLUMNS: ExportColumn<Holder>[] = [
  { header: 'owner', value: (holder) => holder.owner },
  { header: 'principal', value: (holder) => holder.principal },
  { header: 'mode', value: (holder) => holder.mode },
  { header: 'fencing_token', value: (holder) => holder.fencing_token },
  { header: 'acquired_at', value: (holder) => holder.acquired_at },
  { header: 'expires_at', value: (holder) => holder.expires_at },
  { header: 'ttl_ms', value: (holder) => holder.ttl_ms },
  { header: 'metadata', value: (holder) => JSON.stringify(holder.metadata) },
]

export const WAITER_COLUMNS: ExportColumn<Waiter>[] = [
  { header: 'position', value: (waiter) => waiter.position },
  { header: 'owner', value: (waiter) => waiter.owner },
  { header: 'mode', value: (waiter) => waiter.mode },
  { header: 'enqueued_at', value: (waiter) => waiter.enqueued_at },
  { header: 'deadline', value: (waiter) => waiter.deadline },
  { header: 'away', value: (waiter) => waiter.away },
]
