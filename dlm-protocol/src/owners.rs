//! What owners and principals hold and wait for.

use serde::{Deserialize, Serialize};

use crate::{Blocker, Mode, Owner, ResourceName, Timestamp, lenient};

/// A page of owners: those that block the most waiters first, then those with the most leases and
/// waiters, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct OwnerPage {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// Whether everything in use was looked at. Otherwise there was more than one request may read: all
    /// counts are lower bounds, and owners may be missing.
    pub complete: bool,
    /// The owners.
    pub owners: Vec<OwnerSummary>,
    /// Cursor of the next page; null on the last page.
    pub next: Option<String>,
}

/// An owner, as given in acquires, of a principal. It proves nothing: several tasks may give the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct OwnerSummary {
    /// The owner; empty for all acquires that gave none.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal; absent without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Number of live leases.
    pub holds: u64,
    /// Number of waiters.
    pub waits: u64,
    /// Number of waiters that wait for a lock that it holds, directly or through others.
    pub blocked: u64,
    /// When the oldest of its live leases was granted; null if it has none.
    pub oldest_held_at: Option<Timestamp>,
    /// When the oldest of its waiters was enqueued; null if it has none.
    pub oldest_enqueued_at: Option<Timestamp>,
}

/// What an owner holds and waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct OwnerDetails {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// Whether everything in use was looked at, and all of the owner is shown.
    pub complete: bool,
    /// The owner.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// Number of live leases.
    pub hold_count: u64,
    /// Number of waiters.
    pub wait_count: u64,
    /// Number of waiters that wait for a lock that it holds, directly or through others.
    pub blocked: u64,
    /// Its leases, those that block the most waiters first; at most 1,000.
    pub holds: Vec<OwnedLease>,
    /// Its waiters, the oldest first; at most 1,000.
    pub waits: Vec<OwnedWait>,
}

/// What a principal holds and waits for, whatever owners its acquires gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PrincipalDetails {
    /// The deciding clock's time of this answer.
    pub at: Timestamp,
    /// Whether everything in use was looked at, and all of the principal is shown.
    pub complete: bool,
    /// The name of the principal.
    pub principal: String,
    /// Number of owners with a live lease or a waiter.
    pub owner_count: u64,
    /// Number of live leases.
    pub hold_count: u64,
    /// Number of waiters.
    pub wait_count: u64,
    /// Number of waiters that wait for a lock that it holds, directly or through others.
    pub blocked: u64,
    /// Its owners, those that block the most waiters first; at most 100.
    pub owners: Vec<OwnerSummary>,
    /// Its leases, those that block the most waiters first; at most 1,000.
    pub holds: Vec<OwnedLease>,
    /// Its waiters, the oldest first; at most 1,000.
    pub waits: Vec<OwnedWait>,
}

/// A lease of an owner or a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct OwnedLease {
    /// The name of the resource.
    pub resource: ResourceName,
    /// The lease.
    #[serde(flatten)]
    pub lease: Blocker,
    /// Number of waiters, here and in other queues, that can't go on before the lock is
    /// released.
    pub blocked: u64,
}

/// A waiter of an owner or a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct OwnedWait {
    /// The name of the resource.
    pub resource: ResourceName,
    /// The owner as given in the acquire.
    #[serde(default, deserialize_with = "lenient::value")]
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
    /// Number of holders.
    pub holder_count: u64,
    /// The first ten holders.
    pub holders: Vec<Blocker>,
}
