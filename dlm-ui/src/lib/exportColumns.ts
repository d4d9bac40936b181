// The columns of exported tables.
import type {
  ContendedLock,
  Holder,
  LockEvent,
  LockStatus,
  OwnedLease,
  OwnedWait,
  OwnerSummary,
  Waiter,
} from '../api/types'
import type { Outcome, Target } from '../state/bulkRelease'
import type { NameGroup } from '../state/nameGroups'
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
  { header: 'principal', value: (waiter) => waiter.principal },
  { header: 'mode', value: (waiter) => waiter.mode },
  { header: 'enqueued_at', value: (waiter) => waiter.enqueued_at },
  { header: 'deadline', value: (waiter) => waiter.deadline },
  { header: 'away', value: (waiter) => waiter.away },
]

export const CONTENDED_COLUMNS: ExportColumn<ContendedLock>[] = [
  { header: 'name', value: (row) => row.resource },
  { header: 'waiters', value: (row) => row.queue_len },
  { header: 'oldest_enqueued_at', value: (row) => row.oldest_enqueued_at },
  { header: 'mode', value: (row) => row.mode },
  { header: 'owner', value: (row) => row.owner },
  { header: 'holders', value: (row) => row.holder_count },
  { header: 'acquired_at', value: (row) => row.acquired_at },
]

export const GROUP_COLUMNS: ExportColumn<NameGroup>[] = [
  { header: 'name', value: (group) => group.prefix },
  { header: 'locks', value: (group) => group.locks },
  { header: 'held', value: (group) => group.held },
  { header: 'waiters', value: (group) => group.waiting },
  { header: 'oldest_enqueued_at', value: (group) => group.oldest },
]

export const HOLD_COLUMNS: ExportColumn<OwnedLease>[] = [
  { header: 'name', value: (hold) => hold.resource },
  { header: 'owner', value: (hold) => hold.owner },
  { header: 'principal', value: (hold) => hold.principal },
  { header: 'mode', value: (hold) => hold.mode },
  { header: 'fencing_token', value: (hold) => hold.fencing_token },
  { header: 'acquired_at', value: (hold) => hold.acquired_at },
  { header: 'expires_at', value: (hold) => hold.expires_at },
  { header: 'blocks', value: (hold) => hold.blocked },
  { header: 'waits_for', value: (hold) => hold.waits_for },
]

export const WAIT_COLUMNS: ExportColumn<OwnedWait>[] = [
  { header: 'name', value: (wait) => wait.resource },
  { header: 'owner', value: (wait) => wait.owner },
  { header: 'principal', value: (wait) => wait.principal },
  { header: 'mode', value: (wait) => wait.mode },
  { header: 'position', value: (wait) => wait.position },
  { header: 'enqueued_at', value: (wait) => wait.enqueued_at },
  { header: 'blocked_by', value: (wait) => wait.holders[0]?.owner },
  { header: 'holders', value: (wait) => wait.holder_count },
]

/** A lease of a bulk release, with its outcome. */
export interface ExportedTarget extends Target {
  outcome: Outcome | null
}

export const TARGET_COLUMNS: ExportColumn<ExportedTarget>[] = [
  { header: 'name', value: (target) => target.resource },
  { header: 'owner', value: (target) => target.owner },
  { header: 'principal', value: (target) => target.principal },
  { header: 'fencing_token', value: (target) => target.token },
  { header: 'acquired_at', value: (target) => target.acquiredAt },
  { header: 'waiters', value: (target) => target.queueLen },
  { header: 'outcome', value: (target) => target.outcome },
]
