//! What the event log is told, and whom to wake.

use std::sync::Arc;

use crate::{Claim, ClaimKey, Micros, Mode, Refusal, ReplicaId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// An acquire joined the queue.
    Queued,
    /// A lease began.
    Granted,
    /// Its holder ended it.
    Released,
    /// Its term ran out.
    Expired,
    /// An operator ended it.
    ForceReleased,
    /// A waiter left the queue or lost its place.
    Cancelled,
    /// A waiter's time ran out.
    WaitTimedOut,
}

/// One change of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Mode of the lease or waiter concerned.
    pub mode: Mode,
    /// Token of the lease concerned.
    pub token: Option<u64>,
    /// The counter after the event.
    pub current_token: u64,
    /// One more with every event of the resource.
    pub version: u64,
    /// For people to read.
    pub owner: Arc<str>,
    /// The ticket, in a waiter's events and in the grant that ended its wait.
    pub ticket: Option<u64>,
    /// In the grant that ended a wait: how long it took.
    pub waited_ms: Option<u64>,
    /// In grants: the TTL.
    pub ttl_ms: Option<u64>,
    /// In grants: when the lease ends unless it is renewed.
    pub expires_at: Option<Micros>,
    /// How many wait after the event.
    pub queue_len: u64,
    /// When it happened.
    pub at: Micros,
    /// The operator's, or `away`.
    pub reason: Option<Arc<str>>,
}

/// A wait has ended: whoever holds a request of it open is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// Whose wait.
    pub key: ClaimKey,
    /// Where a request of it was held open, if anywhere.
    pub parked_at: Option<ReplicaId>,
    /// How it ended.
    pub outcome: WaitOutcome,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// With the lock: the live claim.
    Granted(Arc<Claim>),
    /// Without: what the caller is told instead.
    Ended(Refusal),
}

/// What an operation brought about besides its answer. Nothing of it may
/// leave before the rows are committed.
#[derive(Debug, Default)]
pub struct Effects {
    /// For the event log, in order.
    pub events: Vec<Event>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}
