//! The wait-for graph of all locks.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp, lenient};

/// The wait-for graph: which locks are waited for, by whom they are held, and what these wait for themselves.
///
/// Who holds one lock and waits for another is known by principal and owner. An owner proves
/// nothing, so a deadlock is only a possible one. An empty owner, one that waits for several
/// locks at once, and one that waits for a lock that it also holds, identifies nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitGraph {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// Whether all queues were looked at. Otherwise they were the longest ones, and links to
    /// others are missing.
    pub complete: bool,
    /// The locks that block the most waiters, in this order.
    pub locks: Vec<BlockedLock>,
    /// Cycles of holders that wait for each other. Each lock is in one of them at most.
    pub possible_deadlocks: Vec<PossibleDeadlock>,
}

/// A wait-for graph in the event stream. Sent live only: it has no cursor and is not in the event
/// log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "wait_graph")]
pub struct LiveWaitGraph {
    /// The graph of all locks in sight, with the locks that block the most waiters.
    pub wait_graph: WaitGraph,
}

/// A lock with waiters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockedLock {
    /// The name of the resource.
    pub resource: ResourceName,
    /// Number of waiters in its queue.
    pub queue_len: u64,
    /// Number of waiters, here and in other queues, that can't go on before the lock is
    /// released.
    pub blocked: u64,
    /// When the first waiter was enqueued.
    pub oldest_enqueued_at: Timestamp,
    /// Number of holders.
    pub holder_count: u64,
    /// The first ten holders.
    pub holders: Vec<Blocker>,
}

/// A holder of a lock that others wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blocker {
    /// The lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal that holds the lease; absent if it was granted without
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// When the lease was granted.
    pub acquired_at: Timestamp,
    /// When the lease expires unless it is renewed.
    pub expires_at: Timestamp,
    /// The lock that the holder waits for itself; null if it waits for none.
    pub waits_for: Option<ResourceName>,
    /// In an explanation: when its fencing token was last checked at the server that answers. Absent if
    /// it was not since the server started, or before those of thousands of other leases. Each of several
    /// servers knows its own checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
}

/// A cycle: each of these holders waits for the lock of the next one, and the last one for that
/// of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PossibleDeadlock {
    /// The holders.
    pub holders: Vec<DeadlockedHolder>,
}

/// A holder in a [`PossibleDeadlock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadlockedHolder {
    /// The lock that it holds.
    pub resource: ResourceName,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal that holds the lease; absent if it was granted without
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
}
