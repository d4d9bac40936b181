// Generated from the OpenAPI document of dlm-server by `npm run types`. Do not edit.

import * as v from 'valibot'

export const Role = v.picklist(['observe', 'lock', 'admin', 'other'])

export const AccessRule = v.object({
  max_leases: v.optional(v.nullable(v.number())),
  max_ttl_ms: v.optional(v.nullable(v.number())),
  max_wait_ms: v.optional(v.nullable(v.number())),
  max_waiters: v.optional(v.nullable(v.number())),
  prefix: v.string(),
  requests_per_second: v.optional(v.nullable(v.number())),
  role: Role,
})

export const Metadata = v.record(v.string(), v.string())

export const Mode = v.picklist(['exclusive', 'shared'])

export const Owner = v.string()

export const Ttl = v.number()

export const Wait = v.number()

export const AcquireRequest = v.object({
  metadata: v.optional(Metadata),
  mode: v.optional(Mode),
  owner: v.optional(Owner),
  ttl_ms: v.optional(Ttl),
  wait_ms: v.optional(Wait),
})

export const Timestamp = v.string()

export const FencingToken = v.number()

export const ResourceName = v.string()

export const Blocker = v.object({
  acquired_at: Timestamp,
  checked_at: v.optional(v.nullable(Timestamp)),
  expires_at: Timestamp,
  fencing_token: FencingToken,
  mode: Mode,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  waits_for: v.optional(v.nullable(ResourceName)),
})

export const BlockedLock = v.object({
  blocked: v.number(),
  holder_count: v.number(),
  holders: v.array(Blocker),
  oldest_enqueued_at: Timestamp,
  queue_len: v.number(),
  resource: ResourceName,
})

export const CancelOutcome = v.picklist(['cancelled', 'released', 'none'])

export const Cancelled = v.object({ outcome: CancelOutcome })

export const CheckRequest = v.object({ fencing_token: FencingToken })

export const Checked = v.object({
  current_token: FencingToken,
  live: v.boolean(),
  mode: v.optional(v.nullable(Mode)),
})

export const ContendedLock = v.object({
  acquired_at: v.optional(v.nullable(Timestamp)),
  holder_count: v.number(),
  mode: v.optional(v.nullable(Mode)),
  oldest_enqueued_at: Timestamp,
  owner: Owner,
  queue_len: v.number(),
  resource: ResourceName,
})

export const DeadlockedHolder = v.object({
  fencing_token: FencingToken,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  resource: ResourceName,
})

export const EndReason = v.picklist(['released', 'expired', 'force_released', 'cancelled', 'away', 'unknown'])

export const QueuedWaiter = v.object({
  enqueued_at: Timestamp,
  mode: Mode,
  owner: Owner,
  position: v.number(),
  principal: v.optional(v.nullable(v.string())),
})

export const EstimatedWait = v.intersect([
  QueuedWaiter,
  v.object({ estimated_wait_ms: v.optional(v.nullable(v.number())) }),
])

export const EventKind = v.picklist([
  'queued',
  'granted',
  'released',
  'expired',
  'force_released',
  'cancelled',
  'wait_timed_out',
])

export const Event = v.object({
  at: Timestamp,
  by: v.optional(v.nullable(v.string())),
  current_token: FencingToken,
  cursor: v.string(),
  expires_at: v.optional(v.nullable(Timestamp)),
  fencing_token: v.optional(v.nullable(FencingToken)),
  kind: EventKind,
  mode: Mode,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  queue_len: v.number(),
  reason: v.optional(v.nullable(v.string())),
  resource: ResourceName,
  ttl_ms: v.optional(v.nullable(Ttl)),
  type: v.picklist(['event']),
  version: v.number(),
  waited_ms: v.optional(v.nullable(v.number())),
  waiter_id: v.optional(v.nullable(v.string())),
})

export const EventMark = v.object({ cursor: v.string(), type: v.picklist(['synced', 'bookmark']) })

export const EventPage = v.object({
  cursor: v.string(),
  events: v.array(Event),
  searched_from: v.optional(v.nullable(Timestamp)),
  start: v.optional(v.nullable(v.string())),
})

export const ExpiredLease = v.object({
  at: Timestamp,
  fencing_token: FencingToken,
  owner: Owner,
  resource: ResourceName,
})

export const HoldStatistics = v.object({
  max_ms: v.number(),
  p50_ms: v.number(),
  p95_ms: v.number(),
  recent_ms: v.array(v.number()),
  samples: v.number(),
  since: Timestamp,
})

export const Explanation = v.object({
  at: Timestamp,
  estimated_release_in_ms: v.optional(v.nullable(v.number())),
  hold: v.optional(v.nullable(HoldStatistics)),
  holder_count: v.number(),
  holders: v.array(Blocker),
  next: v.array(QueuedWaiter),
  queue_len: v.number(),
  resource: ResourceName,
  waiter: v.optional(v.nullable(EstimatedWait)),
})

export const Reason = v.string()

export const ForceReleaseRequest = v.object({ fencing_token: FencingToken, reason: Reason })

export const PendingRelease = v.object({
  deadline: Timestamp,
  force: v.boolean(),
  reason: v.string(),
  requested_at: Timestamp,
  requested_by: v.optional(v.nullable(v.string())),
})

export const Holder = v.object({
  acquired_at: Timestamp,
  expires_at: Timestamp,
  fencing_token: FencingToken,
  metadata: Metadata,
  mode: Mode,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  release_requested: v.optional(v.nullable(PendingRelease)),
  ttl_ms: Ttl,
})

export const ForceReleased = v.object({ current_token: FencingToken, released: Holder })

export const LockHolds = v.object({ hold: v.optional(v.nullable(HoldStatistics)), resource: ResourceName })

export const HoldStatisticsList = v.object({ at: Timestamp, locks: v.array(LockHolds) })

export const IdempotencyKey = v.string()

export const LeaseId = v.string()

export const Lease = v.object({
  acquired_at: Timestamp,
  elapsed_ms: v.number(),
  expires_at: Timestamp,
  fencing_token: FencingToken,
  lease_id: LeaseId,
  metadata: Metadata,
  mode: Mode,
  owner: Owner,
  release_requested: v.optional(v.nullable(PendingRelease)),
  resource: ResourceName,
  ttl_ms: Ttl,
})

export const LeaseEnded = v.object({ fencing_token: FencingToken, reason: EndReason, resource: ResourceName })

export const PossibleDeadlock = v.object({ holders: v.array(DeadlockedHolder) })

export const WaitGraph = v.object({
  at: Timestamp,
  complete: v.boolean(),
  locks: v.array(BlockedLock),
  possible_deadlocks: v.array(PossibleDeadlock),
})

export const LiveWaitGraph = v.object({ type: v.picklist(['wait_graph']), wait_graph: WaitGraph })

export const LockState = v.picklist(['free', 'held'])

export const Waiter = v.object({
  away: v.boolean(),
  deadline: Timestamp,
  enqueued_at: Timestamp,
  mode: Mode,
  owner: Owner,
  position: v.number(),
  principal: v.optional(v.nullable(v.string())),
  waiter_id: v.string(),
})

export const LockStatus = v.object({
  current_token: FencingToken,
  cursor: v.optional(v.nullable(v.string())),
  holder_count: v.number(),
  holders: v.array(Holder),
  mode: v.optional(v.nullable(Mode)),
  oldest_enqueued_at: v.optional(v.nullable(Timestamp)),
  queue_len: v.number(),
  resource: ResourceName,
  state: LockState,
  version: v.number(),
  waiters: v.optional(v.nullable(v.array(Waiter))),
})

export const LockPage = v.object({
  cursor: v.string(),
  locks: v.array(LockStatus),
  next: v.optional(v.nullable(v.string())),
})

export const LongWait = v.object({ enqueued_at: Timestamp, mode: Mode, owner: Owner, resource: ResourceName })

export const OverviewSecond = v.object({
  at: Timestamp,
  cancelled: v.number(),
  expired: v.number(),
  force_released: v.number(),
  granted: v.number(),
  queued: v.number(),
  released: v.number(),
  wait_p50_ms: v.optional(v.nullable(v.number())),
  wait_p95_ms: v.optional(v.nullable(v.number())),
  wait_timed_out: v.number(),
})

export const Overview = v.object({
  at: Timestamp,
  contended: v.array(ContendedLock),
  expired: v.array(ExpiredLease),
  held: v.number(),
  leases: v.number(),
  long_wait_count: v.number(),
  long_waits: v.array(LongWait),
  oldest_wait: v.optional(v.nullable(LongWait)),
  seconds: v.array(OverviewSecond),
  trouble_hold_ms: v.optional(v.nullable(v.number())),
  trouble_wait_ms: v.optional(v.nullable(v.number())),
  wait_p50_ms: v.optional(v.nullable(v.number())),
  wait_p95_ms: v.optional(v.nullable(v.number())),
  waiting: v.number(),
})

export const OwnedLease = v.intersect([Blocker, v.object({ blocked: v.number(), resource: ResourceName })])

export const OwnedWait = v.object({
  enqueued_at: Timestamp,
  holder_count: v.number(),
  holders: v.array(Blocker),
  mode: Mode,
  owner: v.optional(Owner),
  position: v.number(),
  principal: v.optional(v.nullable(v.string())),
  resource: ResourceName,
})

export const OwnerDetails = v.object({
  at: Timestamp,
  blocked: v.number(),
  complete: v.boolean(),
  hold_count: v.number(),
  holds: v.array(OwnedLease),
  owner: Owner,
  wait_count: v.number(),
  waits: v.array(OwnedWait),
})

export const OwnerSummary = v.object({
  blocked: v.number(),
  holds: v.number(),
  oldest_enqueued_at: v.optional(v.nullable(Timestamp)),
  oldest_held_at: v.optional(v.nullable(Timestamp)),
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  waits: v.number(),
})

export const OwnerPage = v.object({
  at: Timestamp,
  complete: v.boolean(),
  next: v.optional(v.nullable(v.string())),
  owners: v.array(OwnerSummary),
})

export const PastHolder = v.object({
  acquired_at: v.optional(v.nullable(Timestamp)),
  expires_at: v.optional(v.nullable(Timestamp)),
  fencing_token: FencingToken,
  mode: Mode,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
  waits_for: v.optional(v.nullable(ResourceName)),
})

export const PastWaiter = v.object({
  enqueued_at: v.optional(v.nullable(Timestamp)),
  mode: Mode,
  owner: Owner,
  principal: v.optional(v.nullable(v.string())),
})

export const PastLock = v.object({
  blocked: v.optional(v.number()),
  holder_count: v.number(),
  holders: v.array(PastHolder),
  queue_len: v.number(),
  resource: ResourceName,
  waiters: v.array(PastWaiter),
})

export const PastState = v.object({
  at: Timestamp,
  complete: v.boolean(),
  events_read: v.number(),
  known_since: v.optional(v.nullable(Timestamp)),
  lease_count: v.number(),
  lock_count: v.number(),
  locks: v.array(PastLock),
  now: Timestamp,
  possible_deadlocks: v.optional(v.array(PossibleDeadlock)),
  waiter_count: v.number(),
})

export const PrincipalDetails = v.object({
  at: Timestamp,
  blocked: v.number(),
  complete: v.boolean(),
  hold_count: v.number(),
  holds: v.array(OwnedLease),
  owner_count: v.number(),
  owners: v.array(OwnerSummary),
  principal: v.string(),
  wait_count: v.number(),
  waits: v.array(OwnedWait),
})

export const ProblemCode = v.picklist([
  'invalid-request',
  'invalid-name',
  'invalid-cursor',
  'cursor-expired',
  'lock-held',
  'wait-timeout',
  'lease-ended',
  'not-holder',
  'holder-changed',
  'idempotency-key-reused',
  'unauthenticated',
  'forbidden',
  'not-found',
  'method-not-allowed',
  'host-not-allowed',
  'origin-not-allowed',
  'unsupported-media-type',
  'body-too-large',
  'upgrade-required',
  'request-timeout',
  'quota-exceeded',
  'unavailable',
  'internal-error',
  'other',
])

export const Quota = v.picklist([
  'leases',
  'waiters',
  'requests',
  'sessions',
  'subscribers',
  'connections',
  'other',
])

export const Problem = v.object({
  code: ProblemCode,
  detail: v.string(),
  holders: v.optional(v.nullable(v.array(Holder))),
  queue_len: v.optional(v.nullable(v.number())),
  quota: v.optional(v.nullable(Quota)),
  reason: v.optional(v.nullable(EndReason)),
  request_id: v.string(),
  required: v.optional(v.nullable(Role)),
  retry_after_ms: v.optional(v.nullable(v.number())),
  status: v.number(),
  title: v.string(),
  type: v.string(),
})

export const Queued = v.object({
  holders: v.array(Holder),
  idempotency_key: IdempotencyKey,
  position: v.number(),
  queue_len: v.number(),
})

export const ReleaseNotice = v.intersect([
  PendingRelease,
  v.object({ fencing_token: FencingToken, resource: ResourceName }),
])

export const ReleaseRequest = v.object({ lease_id: LeaseId })

export const Released = v.object({ fencing_token: FencingToken, released: v.boolean() })

export const RenewItem = v.object({
  lease_id: LeaseId,
  resource: ResourceName,
  ttl_ms: v.optional(v.nullable(Ttl)),
})

export const RenewManyRequest = v.object({ leases: v.array(RenewItem) })

export const RenewRequest = v.object({ lease_id: LeaseId, ttl_ms: v.optional(v.nullable(Ttl)) })

export const RenewResult = v.union([v.object({ lease: Lease }), v.object({ problem: Problem })])

export const Renewal = v.object({
  expires_at: Timestamp,
  fencing_token: FencingToken,
  resource: ResourceName,
  type: v.picklist(['renewed']),
})

export const Renewed = v.object({ results: v.array(RenewResult) })

export const Within = v.number()

export const RequestReleaseRequest = v.object({
  fencing_token: FencingToken,
  force: v.optional(v.boolean()),
  reason: Reason,
  within_ms: Within,
})

export const RequestedRelease = v.object({
  deadline: Timestamp,
  fencing_token: FencingToken,
  forced: v.boolean(),
  requested_at: Timestamp,
  resource: ResourceName,
})

export const SessionQueued = v.object({ position: v.number(), queue_len: v.number() })

export const SessionBody = v.union([
  v.object({ lease: Lease }),
  v.object({ results: v.array(RenewResult) }),
  v.object({ released: Released }),
  v.object({ cancel: Cancelled }),
  v.object({ check: Checked }),
  v.object({ status: LockStatus }),
  v.object({ queued: SessionQueued }),
  v.object({ problem: Problem }),
])

export const SessionOp = v.picklist(['acquire', 'cancel', 'renew', 'release', 'check', 'status'])

export const SessionRequest = v.object({
  fencing_token: v.optional(v.nullable(FencingToken)),
  id: v.number(),
  idempotency_key: v.optional(v.nullable(IdempotencyKey)),
  lease_id: v.optional(v.nullable(LeaseId)),
  leases: v.optional(v.nullable(v.array(RenewItem))),
  metadata: v.optional(v.nullable(Metadata)),
  mode: v.optional(v.nullable(Mode)),
  op: SessionOp,
  owner: v.optional(v.nullable(Owner)),
  resource: v.optional(v.nullable(ResourceName)),
  ttl_ms: v.optional(v.nullable(Ttl)),
  wait_ms: v.optional(v.nullable(Wait)),
})

export const StateFilter = v.picklist(['held', 'waiting', 'all'])

export const Ticket = v.object({ expires_at: Timestamp, ticket: v.string() })

export const TicketPurpose = v.picklist(['session', 'events'])

export const TicketRequest = v.object({ purpose: TicketPurpose })

export const WhoAmI = v.object({
  expires_at: v.optional(v.nullable(Timestamp)),
  principal: v.string(),
  rules: v.array(AccessRule),
})
