//! The overview of all locks.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp};

/// A summary of all locks for monitoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// The deciding clock's time of this overview.
    pub at: Timestamp,
    /// Number of resources that are held.
    pub held: u64,
    /// Number of live leases.
    pub leases: u64,
    /// Number of waiters in all queues.
    pub waiting: u64,
    /// The longest current wait; null if there are no waiters.
    pub oldest_wait: Option<LongWait>,
    /// Number of current waits of more than 30 s.
    pub long_wait_count: u64,
    /// The ten longest of them, longest first.
    pub long_waits: Vec<LongWait>,
    /// Median length of the waits that ended in a grant within the last minute,
    /// in milliseconds; null if there were none.
    pub wait_p50_ms: Option<u64>,
    /// 95th percentile of the same waits, in milliseconds.
    pub wait_p95_ms: Option<u64>,
    /// The ten most recently expired leases of the last five minutes, newest
    /// first.
    pub expired: Vec<ExpiredLease>,
    /// The ten resources with the longest queues, longest first.
    pub contended: Vec<ContendedLock>,
    /// Event counts of each of the last full seconds, oldest first. Up to 300;
    /// fewer if there were too many events to read that far back.
    pub seconds: Vec<OverviewSecond>,
    /// The server calls a wait of this length a trouble, in milliseconds; absent from servers
    /// that don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble_wait_ms: Option<u64>,
    /// The server calls it a trouble if a lock that others wait for is held for this long, in
    /// milliseconds; absent if it doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble_hold_ms: Option<u64>,
}

/// A current wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LongWait {
    /// The resource.
    pub resource: ResourceName,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// The requested mode.
    pub mode: Mode,
    /// When the wait started.
    pub enqueued_at: Timestamp,
}

/// A lease that expired without being released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExpiredLease {
    /// The resource.
    pub resource: ResourceName,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// When the lease expired.
    pub at: Timestamp,
}

/// A resource with waiters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContendedLock {
    /// The name of the resource.
    pub resource: ResourceName,
    /// The mode in which it is held; null if it is free because all its waiters
    /// are away.
    pub mode: Option<Mode>,
    /// Number of waiters.
    pub queue_len: u64,
    /// Number of holders.
    pub holder_count: u64,
    /// The owner of the first holder; empty if there is none.
    pub owner: Owner,
    /// When the first holder was granted its lease.
    pub acquired_at: Option<Timestamp>,
    /// When the first waiter was enqueued.
    pub oldest_enqueued_at: Timestamp,
}

/// Event counts of one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OverviewSecond {
    /// The start of the second.
    pub at: Timestamp,
    /// Acquires that were enqueued.
    pub queued: u64,
    /// Leases that were granted.
    pub granted: u64,
    /// Leases that were released by their holders.
    pub released: u64,
    /// Leases that expired.
    pub expired: u64,
    /// Leases that were force-released.
    pub force_released: u64,
    /// Waiters that left the queue or lost their place.
    pub cancelled: u64,
    /// Waits that timed out.
    pub wait_timed_out: u64,
    /// Median length of the waits that ended in a grant, in milliseconds; null
    /// if there were none.
    pub wait_p50_ms: Option<u64>,
    /// 95th percentile of the same waits, in milliseconds.
    pub wait_p95_ms: Option<u64>,
}
