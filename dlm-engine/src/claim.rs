//! One keyed acquire through its life.

use std::sync::Arc;

use crate::{Context, Micros, ReplicaId};

/// Whose acquire it is: an idempotency key belongs to a principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey {
    /// The name of the principal.
    pub principal: Arc<str>,
    /// The idempotency key.
    pub key: Arc<str>,
}

impl ClaimKey {
    /// The key of a principal.
    pub fn new(principal: impl Into<Arc<str>>, key: impl Into<Arc<str>>) -> Self {
        Self { principal: principal.into(), key: key.into() }
    }
}

/// How a resource is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By one holder.
    Exclusive,
    /// By any number of holders, none of them exclusive.
    Shared,
}

/// What an acquire asked, as first sent: a repeat must ask the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Exclusive or shared.
    pub mode: Mode,
    /// The first TTL of the lease.
    pub ttl_ms: u64,
    /// How long to wait for a turn; 0 does not wait.
    pub wait_ms: u64,
    /// For people to read.
    pub owner: Arc<str>,
    /// Opaque here; canonical, so that equal metadata is equal text.
    pub metadata: Arc<str>,
}

/// One keyed acquire: waiting, then live, then ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub key: ClaimKey,
    /// What was asked; `None` when it was cancelled before it arrived.
    pub request: Option<Arc<Request>>,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// In the queue.
    Waiting(QueueEntry),
    /// Holding the lock.
    Live(Lease),
    /// Remembered for those who ask again.
    Ended(Tombstone),
}

/// A place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// The resource's version when it was queued: first come, first served.
    pub ticket: u64,
    /// When it was queued.
    pub enqueued_at: Micros,
    /// When its wait ends.
    pub deadline: Micros,
    /// Whether a request of it is held open.
    pub presence: Presence,
}

/// Where the request of a waiter is held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// At this replica.
    Parked(ReplicaId),
    /// Nowhere, since then.
    Away(Micros),
}

impl QueueEntry {
    /// Since when the waiter is away; `None` while it is parked.
    #[must_use]
    pub fn away_since(&self, ctx: &Context<'_>) -> Option<Micros> {
        match self.presence {
            Presence::Parked(replica) => ctx.replicas.dead_since(replica),
            Presence::Away(since) => Some(since),
        }
    }

    /// When the waiter loses its place unless something happens.
    #[must_use]
    pub fn due_at(&self, ctx: &Context<'_>) -> Micros {
        match self.away_since(ctx) {
            Some(since) => self.deadline.min(since.plus_ms(ctx.limits.away_grace_ms)),
            None => self.deadline,
        }
    }
}

/// One holder's hold on the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its fencing token.
    pub token: u64,
    /// When it was granted.
    pub granted_at: Micros,
    /// When its current term began: the grant or the last renewal.
    pub term_at: Micros,
    /// The length of its current term.
    pub ttl_ms: u64,
    /// When it ends unless it is renewed.
    pub expires_at: Micros,
    /// The ticket it waited with, if it waited.
    pub ticket: Option<u64>,
}

impl Lease {
    /// Whether the lease still holds at this instant.
    #[must_use]
    pub fn is_live(&self, now: Micros) -> bool {
        now < self.expires_at
    }
}

/// Why a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its holder released it.
    Released,
    /// Its term ran out.
    Expired,
    /// An operator ended it.
    ForceReleased,
    /// It was cancelled, in the queue or before it arrived.
    Cancelled,
    /// It was away too long and lost its place in the queue.
    Away,
    /// Its wait ran out.
    TimedOut,
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelOutcome {
    /// The waiter left the queue.
    Cancelled,
    /// The grant came first and was released.
    Released,
    /// There was nothing to cancel.
    None,
}

/// What is remembered of a claim: the key's tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When it ended.
    pub ended_at: Micros,
    /// Why.
    pub reason: EndReason,
    /// The lease that ended, if it was granted.
    pub lease: Option<Lease>,
    /// The resource's counter right after it ended.
    pub current_token: u64,
    /// What a cancel of this key was answered, if there was one.
    pub cancel: Option<CancelOutcome>,
}

impl Claim {
    /// The lease, live or ended, if there was a grant.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Live(lease) => Some(lease),
            Phase::Ended(ended) => ended.lease.as_ref(),
            Phase::Waiting(_) => None,
        }
    }

    /// The place in the queue, while it waits.
    #[must_use]
    pub fn queue_entry(&self) -> Option<&QueueEntry> {
        match &self.phase {
            Phase::Waiting(entry) => Some(entry),
            _ => None,
        }
    }

    /// Exclusive or shared.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.request.as_ref().map_or(Mode::Exclusive, |request| request.mode)
    }

    /// The replica at which a request of it is held open, as it was last told.
    #[must_use]
    pub fn parked_at(&self) -> Option<ReplicaId> {
        match self.queue_entry()?.presence {
            Presence::Parked(replica) => Some(replica),
            Presence::Away(_) => None,
        }
    }

    /// When the sweeper has to look at it; leases are followed by their
    /// resource, what has ended by nobody.
    #[must_use]
    pub fn check_at(&self, ctx: &Context<'_>) -> Option<Micros> {
        self.queue_entry().map(|entry| entry.due_at(ctx))
    }
}
