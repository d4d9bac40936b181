use serde::{Deserialize, Serialize};

use crate::{FencingToken, IdempotencyKey, LeaseId, Metadata, Owner, Problem, ResourceName, Timestamp, Ttl};

/// How a resource is locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By one holder.
    #[default]
    Exclusive,
    /// By any number of holders, none of them exclusive.
    Shared,
}

/// A lease, as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// What is locked.
    pub resource: ResourceName,
    /// The capability to renew and release it.
    pub lease_id: LeaseId,
    /// Exclusive or shared.
    pub mode: Mode,
    /// The token of this grant.
    pub fencing_token: FencingToken,
    /// How long the lease lives from the start of its term.
    pub ttl_ms: Ttl,
    /// When it was granted.
    pub acquired_at: Timestamp,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
    /// Never more than the milliseconds from this request's arrival to the
    /// start of the lease's current term; negative for a repeat. Added to the
    /// instant the request was sent, it says when the term began at the
    /// earliest, on the client's own clock.
    pub elapsed_ms: i64,
    /// Who asked.
    pub owner: Owner,
    /// What was sent with the acquire.
    pub metadata: Metadata,
}

/// A lease, as everyone else sees it: without its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holder {
    /// Exclusive or shared.
    pub mode: Mode,
    /// Who asked.
    pub owner: Owner,
    /// The token of this grant.
    pub fencing_token: FencingToken,
    /// How long the lease lives from the start of its term.
    pub ttl_ms: Ttl,
    /// When it was granted.
    pub acquired_at: Timestamp,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
    /// What was sent with the acquire.
    pub metadata: Metadata,
}

/// A queued acquire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waiter {
    /// Names the waiter in events. Public; gives no power.
    pub waiter_id: String,
    /// 1 is the head of the queue.
    pub position: u64,
    /// Exclusive or shared.
    pub mode: Mode,
    /// Who asked.
    pub owner: Owner,
    /// Whether no request of it is held open at any server.
    pub away: bool,
    /// When it was queued.
    pub enqueued_at: Timestamp,
    /// When its wait ends.
    pub deadline: Timestamp,
}

/// The answer to an acquire that is still queued after the server's share of
/// its wait. The same request with this key goes on waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queued {
    /// 1 is the head of the queue.
    pub position: u64,
    /// How many wait.
    pub queue_len: u64,
    /// Who holds the lock.
    pub holders: Vec<Holder>,
    /// The key to repeat the request with.
    pub idempotency_key: IdempotencyKey,
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// The waiter left the queue.
    Cancelled,
    /// The grant came first and was released.
    Released,
    /// There was nothing to cancel; an acquire that arrives later is refused.
    None,
}

/// The answer to a cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancelled {
    /// What the cancel did.
    pub outcome: CancelOutcome,
}

/// The answer to a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Released {
    /// Always true; what could not be released is a problem.
    pub released: bool,
    /// The token of the lease that ended.
    pub fencing_token: FencingToken,
}

/// One result of a renewal of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RenewResult {
    /// The lease with its new term.
    Lease(Box<Lease>),
    /// Why it was not renewed.
    Problem(Box<Problem>),
}

/// The answer to a renewal of several, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Renewed {
    /// One result a lease.
    pub results: Vec<RenewResult>,
}

/// The answer to a force-release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForceReleased {
    /// The lease that was ended.
    pub released: Holder,
    /// The counter right after its bump, before any next grant.
    pub current_token: FencingToken,
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checked {
    /// Whether the token is that of a live lease.
    pub live: bool,
    /// The lease's mode; null when it is not live.
    pub mode: Option<Mode>,
    /// The resource's counter: fences are raised to it.
    pub current_token: FencingToken,
}

/// Whether anyone holds a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// Nobody.
    Free,
    /// At least one.
    Held,
}

/// The state of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockStatus {
    /// Its name.
    pub resource: ResourceName,
    /// Free or held.
    pub state: LockState,
    /// How it is held; null when free.
    pub mode: Option<Mode>,
    /// Its token counter.
    pub current_token: FencingToken,
    /// How many wait.
    pub queue_len: u64,
    /// Since when the first of them waits; null when nobody does.
    #[serde(default)]
    pub oldest_enqueued_at: Option<Timestamp>,
    /// The first 100 holders, by token.
    pub holders: Vec<Holder>,
    /// The first 100 waiters, in their order; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiters: Option<Vec<Waiter>>,
    /// How many hold it.
    pub holder_count: u64,
    /// One more with every event of the resource.
    pub version: u64,
    /// Watch from here to follow the resource; in a list it is the page's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of a list, ordered by the bytes of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockPage {
    /// The resources, without their waiters.
    pub locks: Vec<LockStatus>,
    /// `after` of the next page; null on the last.
    pub next: Option<String>,
    /// Watch from the cursor of the *first* page to follow the list.
    pub cursor: String,
}
