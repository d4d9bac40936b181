use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp};

/// All locks at a glance, for those who watch them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// The deciding clock at this answer.
    pub at: Timestamp,
    /// How many resources are held.
    pub held: u64,
    /// How many live leases there are.
    pub leases: u64,
    /// How many acquires wait, in all queues.
    pub waiting: u64,
    /// Who has waited longest; null when nobody waits.
    pub oldest_wait: Option<LongWait>,
    /// How many have waited for more than 30 s.
    pub long_wait_count: u64,
    /// The ten oldest of these, oldest first.
    pub long_waits: Vec<LongWait>,
    /// Half of the waits that ended in a grant within the last minute took up to
    /// this long, in milliseconds; null when there was none.
    pub wait_p50_ms: Option<u64>,
    /// 95 of 100 of these took up to this long, in milliseconds.
    pub wait_p95_ms: Option<u64>,
    /// The ten leases that expired last, of those of the last five minutes;
    /// newest first.
    pub expired: Vec<ExpiredLease>,
    /// The ten resources with the most waiters, most first.
    pub contended: Vec<ContendedLock>,
    /// What happened in each of the last whole seconds, oldest first: up to
    /// 300, fewer when so much happened that it was not looked up further back.
    pub seconds: Vec<OverviewSecond>,
}

/// One who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LongWait {
    /// For which resource.
    pub resource: ResourceName,
    /// Who asked.
    pub owner: Owner,
    /// How it wants to hold it.
    pub mode: Mode,
    /// Since when it waits.
    pub enqueued_at: Timestamp,
}

/// A lease that ran out instead of being released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExpiredLease {
    /// Of which resource.
    pub resource: ResourceName,
    /// Whose it was.
    pub owner: Owner,
    /// Its token.
    pub fencing_token: FencingToken,
    /// When it ended.
    pub at: Timestamp,
}

/// A resource that others wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContendedLock {
    /// Its name.
    pub resource: ResourceName,
    /// How it is held; null when it is free and all its waiters are away.
    pub mode: Option<Mode>,
    /// How many wait.
    pub queue_len: u64,
    /// How many hold it.
    pub holder_count: u64,
    /// The first holder; empty when there is none.
    pub owner: Owner,
    /// Since when the first holder has it.
    pub acquired_at: Option<Timestamp>,
    /// Since when the first waiter waits.
    pub oldest_enqueued_at: Timestamp,
}

/// What happened in one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OverviewSecond {
    /// When it began.
    pub at: Timestamp,
    /// Acquires that joined a queue.
    pub queued: u64,
    /// Leases that began.
    pub granted: u64,
    /// Leases that their holders ended.
    pub released: u64,
    /// Leases whose time ran out.
    pub expired: u64,
    /// Leases that an operator ended.
    pub force_released: u64,
    /// Waiters that left or lost their place.
    pub cancelled: u64,
    /// Waiters whose time ran out.
    pub wait_timed_out: u64,
    /// Half of the waits that ended in a grant took up to this long, in
    /// milliseconds; null when there was none.
    pub wait_p50_ms: Option<u64>,
    /// 95 of 100 of these took up to this long, in milliseconds.
    pub wait_p95_ms: Option<u64>,
}
