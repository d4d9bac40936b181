//! Reply bodies.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, IdempotencyKey, LeaseId, Metadata, Owner, Problem, ResourceName, Timestamp, Ttl};

/// The lock mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One holder.
    #[default]
    Exclusive,
    /// Any number of holders, none of them exclusive.
    Shared,
}

/// A lease as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// The locked resource.
    pub resource: ResourceName,
    /// The capability to renew and release the lease. Keep it secret.
    pub lease_id: LeaseId,
    /// The lock mode.
    pub mode: Mode,
    /// The fencing token of the grant.
    pub fencing_token: FencingToken,
    /// The TTL of the current term, in milliseconds.
    pub ttl_ms: Ttl,
    /// When the lease was granted.
    pub acquired_at: Timestamp,
    /// When the lease expires unless it is renewed.
    pub expires_at: Timestamp,
    /// A lower bound of the time from the arrival of this request to the start
    /// of the current term, in milliseconds. Negative for a retry, whose term
    /// started before the request. The instant at which the client sent the
    /// request plus `elapsed_ms` is the earliest possible start of the term on
    /// the client's clock.
    pub elapsed_ms: i64,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// The metadata as given in the acquire.
    pub metadata: Metadata,
}

/// A lease as others see it, without the lease id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holder {
    /// The lock mode.
    pub mode: Mode,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// The fencing token of the grant.
    pub fencing_token: FencingToken,
    /// The TTL of the current term, in milliseconds.
    pub ttl_ms: Ttl,
    /// When the lease was granted.
    pub acquired_at: Timestamp,
    /// When the lease expires unless it is renewed.
    pub expires_at: Timestamp,
    /// The metadata as given in the acquire.
    pub metadata: Metadata,
}

/// A queued acquire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waiter {
    /// Identifies the waiter, also in events. It is public and grants no
    /// access.
    pub waiter_id: String,
    /// The position in the queue; 1 is the head.
    pub position: u64,
    /// The lock mode.
    pub mode: Mode,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// Whether the waiter is away: no server holds a request of it open.
    pub away: bool,
    /// When the waiter was enqueued.
    pub enqueued_at: Timestamp,
    /// When the wait times out.
    pub deadline: Timestamp,
}

/// The reply to an acquire that is still queued after the server held the
/// request open for the maximum time. Send the same request with this key to
/// continue waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queued {
    /// The position in the queue; 1 is the head.
    pub position: u64,
    /// The length of the queue.
    pub queue_len: u64,
    /// The current holders.
    pub holders: Vec<Holder>,
    /// The key for the next request.
    pub idempotency_key: IdempotencyKey,
}

/// The effect of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// The waiter left the queue.
    Cancelled,
    /// The lock was already granted; the lease was released.
    Released,
    /// Nothing to cancel. An acquire with this key that arrives later is
    /// refused.
    None,
}

/// The reply to a cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancelled {
    /// The effect of the cancel.
    pub outcome: CancelOutcome,
}

/// The reply to a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Released {
    /// Always true. A failed release is a problem instead.
    pub released: bool,
    /// The fencing token of the released lease.
    pub fencing_token: FencingToken,
}

/// The result for one lease of a renewal of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RenewResult {
    /// Renewed: the lease with its new term.
    Lease(Box<Lease>),
    /// Not renewed: the reason.
    Problem(Box<Problem>),
}

/// The reply to a renewal of several leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Renewed {
    /// One result per lease, in the order of the request.
    pub results: Vec<RenewResult>,
}

/// The reply to a force-release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForceReleased {
    /// The lease that ended.
    pub released: Holder,
    /// The token counter right after it was incremented, before the next grant.
    pub current_token: FencingToken,
}

/// The reply to a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checked {
    /// Whether a live lease has this token.
    pub live: bool,
    /// The mode of that lease; null if there is none.
    pub mode: Option<Mode>,
    /// The resource's token counter. Raise a fence to this value.
    pub current_token: FencingToken,
}

/// Whether a resource is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// No holders.
    Free,
    /// At least one holder.
    Held,
}

/// The state of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockStatus {
    /// The name of the resource.
    pub resource: ResourceName,
    /// Whether it is held.
    pub state: LockState,
    /// The mode in which it is held; null if it is free.
    pub mode: Option<Mode>,
    /// The token counter.
    pub current_token: FencingToken,
    /// The length of the queue.
    pub queue_len: u64,
    /// When the first waiter was enqueued; null if there are no waiters.
    #[serde(default)]
    pub oldest_enqueued_at: Option<Timestamp>,
    /// The first 100 holders, in the order of their tokens.
    pub holders: Vec<Holder>,
    /// The first 100 waiters in FIFO order. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiters: Option<Vec<Waiter>>,
    /// The number of holders.
    pub holder_count: u64,
    /// The version. Every event of the resource increments it by one.
    pub version: u64,
    /// Subscribe to events after this cursor to follow the resource. In a list
    /// it is the cursor of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of a list, ordered by the bytes of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockPage {
    /// The resources, without their waiters.
    pub locks: Vec<LockStatus>,
    /// Pass it as `after` to get the next page; null on the last page.
    pub next: Option<String>,
    /// To follow the list, subscribe to events after the cursor of its *first*
    /// page.
    pub cursor: String,
}
