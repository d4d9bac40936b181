//! The locks at an instant of the past.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, PossibleDeadlock, ResourceName, Timestamp, lenient};

/// The locks as they were at an instant, as far as the event log tells.
///
/// The event log has no renewals and no metadata, and not whether a waiter was away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PastState {
    /// The instant.
    pub at: Timestamp,
    /// The deciding clock's time of this answer.
    pub now: Timestamp,
    /// Whether nothing is missing. Otherwise there was more to read than one request may: what is
    /// shown was so, but other leases and waiters may have been there.
    pub complete: bool,
    /// Number of events that were read, of those in sight that were asked for.
    pub events_read: u64,
    /// When the oldest event happened that is kept; null if there is none.
    pub known_since: Option<Timestamp>,
    /// Number of locks that were held or waited for.
    pub lock_count: u64,
    /// Number of leases of these locks.
    pub lease_count: u64,
    /// Number of waiters for these locks.
    pub waiter_count: u64,
    /// These locks in the order of their names, unless another one was asked for; as many as were asked for.
    pub locks: Vec<PastLock>,
    /// Cycles of holders that waited for each other, as far as owners and principals tell, and these are known.
    #[serde(default)]
    pub possible_deadlocks: Vec<PossibleDeadlock>,
}

/// A lock at an instant of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PastLock {
    /// The name of the resource.
    pub resource: ResourceName,
    /// Number of holders.
    pub holder_count: u64,
    /// The first 100 holders, by fencing token.
    pub holders: Vec<PastHolder>,
    /// Number of waiters.
    pub queue_len: u64,
    /// How many waiters waited for it, directly or because a holder of their lock did. Of more than
    /// 1,000 locks with waiters, or 20,000 waiters, only the longest queues are followed.
    #[serde(default)]
    pub blocked: u64,
    /// The first ten waiters.
    pub waiters: Vec<PastWaiter>,
}

/// A holder of a lock at an instant of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PastHolder {
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal that held the lease; absent if it is not known, or the lease was granted
    /// without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// When the lease was granted; null if its grant was not found in the event log.
    pub acquired_at: Option<Timestamp>,
    /// Always null: the event log has no renewals, so it is not known.
    pub expires_at: Option<Timestamp>,
    /// The lock that the owner waited for itself, as far as is known; absent if it waited for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<ResourceName>,
}

/// A waiter at an instant of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PastWaiter {
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal of the acquire; absent if it is not known, or there was no authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The requested lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// When the waiter was enqueued; null if that was not found in the event log.
    pub enqueued_at: Option<Timestamp>,
}
