// The columns of exported tables of the past. What is not known is empty.
import type { PastHolder, PastLock, PastWaiter } from '../api/types'
import type { PastHold, PastOwner, PastQueue, PastWait } from '../state/pastOwners'
import type { ExportColumn } from './export'

export const PAST_LOCK_COLUMNS: ExportColumn<PastLock>[] = [
  { header: 'name', value: (lock) => lock.resource },
  { header: 'owner', value: (lock) => lock.holders[0]?.owner },
  { header: 'fencing_token', value: (lock) => lock.holders[0]?.fencing_token },
  { header: 'acquired_at', value: (lock) => lock.holders[0]?.acquired_at },
  { header: 'holders', value: (lock) => lock.holder_count },
  { header: 'waiters', value: (lock) => lock.queue_len },
  { header: 'first_waiter', value: (lock) => lock.waiters[0]?.owner },
  { header: 'enqueued_at', value: (lock) => lock.waiters[0]?.enqueued_at },
]

export const PAST_HOLDER_COLUMNS: ExportColumn<PastHolder>[] = [
  { header: 'owner', value: (holder) => holder.owner },
  { header: 'principal', value: (holder) => holder.principal },
  { header: 'mode', value: (holder) => holder.mode },
  { header: 'fencing_token', value: (holder) => holder.fencing_token },
  { header: 'acquired_at', value: (holder) => holder.acquired_at },
]

export const PAST_WAITER_COLUMNS: ExportColumn<PastWaiter>[] = [
  { header: 'owner', value: (waiter) => waiter.owner },
  { header: 'principal', value: (waiter) => waiter.principal },
  { header: 'mode', value: (waiter) => waiter.mode },
  { header: 'enqueued_at', value: (waiter) => waiter.enqueued_at },
]

export const PAST_QUEUE_COLUMNS: ExportColumn<PastQueue>[] = [
  { header: 'name', value: (queue) => queue.resource },
  { header: 'waiters', value: (queue) => queue.queueLen },
  { header: 'first_waiter', value: (queue) => queue.first?.owner },
  { header: 'enqueued_at', value: (queue) => queue.first?.enqueued_at },
  { header: 'owner', value: (queue) => queue.holders[0]?.owner },
  { header: 'holders', value: (queue) => queue.holderCount },
  { header: 'acquired_at', value: (queue) => queue.holders[0]?.acquired_at },
  { header: 'waits_for', value: (queue) => queue.holders[0]?.waits_for },
]

export const PAST_OWNER_COLUMNS: ExportColumn<PastOwner>[] = [
  { header: 'owner', value: (row) => row.owner },
  { header: 'principal', value: (row) => row.principal },
  { header: 'waiters_of_its_locks', value: (row) => row.blocked },
  { header: 'holds', value: (row) => row.holds },
  { header: 'waits', value: (row) => row.waits },
]

export const PAST_HOLD_COLUMNS: ExportColumn<PastHold>[] = [
  { header: 'name', value: (hold) => hold.resource },
  { header: 'principal', value: (hold) => hold.holder.principal },
  { header: 'mode', value: (hold) => hold.holder.mode },
  { header: 'fencing_token', value: (hold) => hold.holder.fencing_token },
  { header: 'acquired_at', value: (hold) => hold.holder.acquired_at },
  { header: 'waiters', value: (hold) => hold.queueLen },
  { header: 'waits_for', value: (hold) => hold.waitsFor },
]

export const PAST_WAIT_COLUMNS: ExportColumn<PastWait>[] = [
  { header: 'name', value: (wait) => wait.resource },
  { header: 'principal', value: (wait) => wait.waiter.principal },
  { header: 'mode', value: (wait) => wait.waiter.mode },
  { header: 'position', value: (wait) => wait.position },
  { header: 'enqueued_at', value: (wait) => wait.waiter.enqueued_at },
  { header: 'blocked_by', value: (wait) => wait.holders[0]?.owner },
  { header: 'holders', value: (wait) => wait.holderCount },
]
