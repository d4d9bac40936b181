//! The effects of an operation: events for the log, and waiters to wake.

use std::sync::Arc;

use crate::{Claim, ClaimKey, Micros, Mode, Refusal, ReplicaId};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An acquire was enqueued.
    Queued,
    /// A lease was granted.
    Granted,
    /// The holder released the lease.
    Released,
    /// The lease expired.
    Expired,
    /// An operator ended the lease.
    ForceReleased,
    /// A waiter left the queue, or lost its place because it was away.
    Cancelled,
    /// A wait reached its deadline.
    WaitTimedOut,
}

/// One change of a resource, as the event log records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The kind of event.
    pub kind: EventKind,
    /// The mode of the lease or waiter concerned.
    pub mode: Mode,
    /// The token of the lease concerned; `None` in a waiter's events.
    pub token: Option<u64>,
    /// The resource's token counter after the event.
    pub current_token: u64,
    /// The resource's version after the event. Every event increments it by
    /// one.
    pub version: u64,
    /// The owner's display name.
    pub owner: Arc<str>,
    /// The ticket of the waiter, in its events and in the grant that ended its
    /// wait.
    pub ticket: Option<u64>,
    /// In a grant that ended a wait: the length of the wait, in milliseconds.
    pub waited_ms: Option<u64>,
    /// In grants: the TTL, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// In grants: when the lease expires unless it is renewed.
    pub expires_at: Option<Micros>,
    /// The length of the queue after the event.
    pub queue_len: u64,
    /// The instant of the event.
    pub at: Micros,
    /// The operator's reason for a force-release, or `away` for a waiter that
    /// lost its place.
    pub reason: Option<Arc<str>>,
    /// In grants: the principal that holds the lease.
    pub principal: Option<Arc<str>>,
    /// In force-releases: the principal of the operator, if it is known.
    pub by: Option<Arc<str>>,
}

/// The end of a wait. After the commit, every request that is held open for the
/// claim must be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// The claim whose wait ended.
    pub key: ClaimKey,
    /// The replica at which a request was held open, if any.
    pub parked_at: Option<ReplicaId>,
    /// How the wait ended.
    pub outcome: WaitOutcome,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The lock was granted. Carries the live claim.
    Granted(Arc<Claim>),
    /// The wait ended without a grant. Carries the refusal for the caller.
    Ended(Refusal),
}

/// What operations cause besides their replies. Nothing of it may become
/// visible before the rows are committed.
#[derive(Debug, Default)]
pub struct Effects {
    /// Events for the log, in order.
    pub events: Vec<Event>,
    /// Waits that ended.
    pub wakes: Vec<Wake>,
}
