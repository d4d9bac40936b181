//! Why a lock is not free, and for how long it usually is not.

use serde::{Deserialize, Serialize};

use crate::{Blocker, Mode, Owner, ResourceName, Timestamp, lenient};

/// Who holds a lock, who is next, and how long it may take.
///
/// Times to come are estimates: they follow from past holds of the lock, and nothing keeps a holder from
/// holding it longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Explanation {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// The name of the resource.
    pub resource: ResourceName,
    /// The first holders, at most 100.
    pub holders: Vec<Blocker>,
    /// Number of holders.
    pub holder_count: u64,
    /// Number of waiters.
    pub queue_len: u64,
    /// Who would be granted the lock if all holders let go now: one exclusive waiter, or several
    /// shared ones, of which the first ten are shown. Waiters that are away are passed over.
    pub next: Vec<QueuedWaiter>,
    /// How long the lock was held before; null if the event log does not tell.
    pub hold: Option<HoldStatistics>,
    /// In how many milliseconds the holders may have let go: the median of past holds, less the time
    /// held so far; 0 if that has passed. Null if the lock is free, without statistics, and if a holder
    /// waits for another lock.
    pub estimated_release_in_ms: Option<u64>,
    /// The first waiter of the owner that was asked for; null if it has none, or no owner was
    /// asked for.
    pub waiter: Option<EstimatedWait>,
}

/// A waiter in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct QueuedWaiter {
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal of the acquire; absent without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The requested lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// Place in the queue, counted from 1.
    pub position: u64,
    /// When the waiter was enqueued.
    pub enqueued_at: Timestamp,
}

/// A waiter, and how long it may still have to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct EstimatedWait {
    /// The waiter.
    #[serde(flatten)]
    pub waiter: QueuedWaiter,
    /// In how many milliseconds it may be granted: after the holders and the waiters ahead of it have
    /// each held the lock as long as usual. Null without statistics, if a holder waits for another lock,
    /// and for a waiter that is away.
    pub estimated_wait_ms: Option<u64>,
}

/// How long a lock was held: of the last 100 leases that ended, as far as the event log tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct HoldStatistics {
    /// Number of leases, 1 to 100.
    pub samples: u32,
    /// The median, in milliseconds.
    pub p50_ms: u64,
    /// The 95th percentile, in milliseconds.
    pub p95_ms: u64,
    /// The longest, in milliseconds.
    pub max_ms: u64,
    /// Each of them in milliseconds, in the order in which they ended.
    pub recent_ms: Vec<u64>,
    /// When the first of them was granted.
    pub since: Timestamp,
}

/// How long several locks were held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct HoldStatisticsList {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// The locks that were asked for and may be observed, in the order of the request.
    pub locks: Vec<LockHolds>,
}

/// How long a lock was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct LockHolds {
    /// The name of the resource.
    pub resource: ResourceName,
    /// How long it was held; null if the event log does not tell.
    pub hold: Option<HoldStatistics>,
}
