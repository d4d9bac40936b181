//! A claim: one keyed acquire, from the queue to its tombstone.

use std::sync::Arc;

use crate::{Context, Micros, ReplicaId};

/// Identifies a claim on a resource. An idempotency key belongs to a principal,
/// so two principals may use the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey {
    /// The name of the principal.
    pub principal: Arc<str>,
    /// The idempotency key.
    pub key: Arc<str>,
}

impl ClaimKey {
    /// Creates the key from a principal and an idempotency key.
    pub fn new(principal: impl Into<Arc<str>>, key: impl Into<Arc<str>>) -> Self {
        Self { principal: principal.into(), key: key.into() }
    }
}

/// The lock mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One holder.
    Exclusive,
    /// Any number of holders, none of them exclusive.
    Shared,
}

/// The parameters of an acquire. A retry with the same key must carry equal
/// parameters, else it is refused with
/// [`Refusal::KeyReused`](crate::Refusal::KeyReused).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The lock mode.
    pub mode: Mode,
    /// The TTL of the lease at its grant, in milliseconds.
    pub ttl_ms: u64,
    /// How long to wait in the queue, in milliseconds. With 0 the acquire fails
    /// at once when the lock is held.
    pub wait_ms: u64,
    /// A display name. It has no meaning to the rules.
    pub owner: Arc<str>,
    /// Opaque text. The caller passes a canonical form, because two requests
    /// with different text count as different.
    pub metadata: Arc<str>,
}

/// One keyed acquire on a resource.
///
/// The [crate documentation](crate#claims) has a state diagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its key.
    pub key: ClaimKey,
    /// The request as first received. `None` if a cancel arrived before the
    /// acquire.
    pub request: Option<Arc<Request>>,
    /// Its current phase.
    pub phase: Phase,
}

/// The phase of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// In the queue.
    Waiting(QueueEntry),
    /// Holds the lock.
    Live(Lease),
    /// Has ended. The tombstone answers retries with the same key.
    Ended(Tombstone),
}

/// A waiter's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// The resource's version right after the waiter was enqueued. The queue is
    /// ordered by ticket.
    pub ticket: u64,
    /// When the waiter was enqueued.
    pub enqueued_at: Micros,
    /// When the wait times out.
    pub deadline: Micros,
    /// Whether a server holds a request of this waiter open.
    pub presence: Presence,
}

/// Whether, and where, a request of a waiter is held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A request is held open at this replica.
    Parked(ReplicaId),
    /// No request has been held open since this instant.
    Away(Micros),
}

impl QueueEntry {
    /// The instant since which the waiter has been away; `None` while it is
    /// parked at a live replica.
    #[must_use]
    pub fn away_since(&self, ctx: &Context<'_>) -> Option<Micros> {
        match self.presence {
            Presence::Parked(replica) => ctx.replicas.dead_since(replica),
            // While no replica was up, it could not return.
            Presence::Away(since) => Some(since.max(ctx.replicas.up_since())),
        }
    }

    /// When the waiter loses its place: at its deadline, or earlier, at the end
    /// of the away grace.
    #[must_use]
    pub fn due_at(&self, ctx: &Context<'_>) -> Micros {
        match self.away_since(ctx) {
            Some(since) => self.deadline.min(since.plus_ms(ctx.limits.away_grace_ms)),
            None => self.deadline,
        }
    }
}

/// One holder's lease on the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The fencing token.
    pub token: u64,
    /// When the lease was granted.
    pub granted_at: Micros,
    /// When the current term began: at the grant or the last renewal.
    pub term_at: Micros,
    /// The TTL of the current term, in milliseconds.
    pub ttl_ms: u64,
    /// When the lease expires unless it is renewed.
    pub expires_at: Micros,
    /// The ticket it had in the queue; `None` if it was granted at once.
    pub ticket: Option<u64>,
}

impl Lease {
    /// Whether the lease has not expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Micros) -> bool {
        now < self.expires_at
    }
}

/// Why a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The holder released the lease.
    Released,
    /// The lease expired.
    Expired,
    /// An operator ended the lease.
    ForceReleased,
    /// The acquire was cancelled, while it waited or before it arrived.
    Cancelled,
    /// The waiter was away for longer than the grace period and lost its place.
    Away,
    /// The wait reached its deadline.
    TimedOut,
}

/// The effect of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelOutcome {
    /// The waiter left the queue.
    Cancelled,
    /// The lock was already granted; the lease was released.
    Released,
    /// Nothing to cancel: the claim had ended, or the key was not known yet.
    None,
}

/// What is kept of a claim after it ended, so that retries with its key get the
/// outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When the claim ended.
    pub ended_at: Micros,
    /// Why the claim ended.
    pub reason: EndReason,
    /// The lease that ended; `None` if the claim was never granted.
    pub lease: Option<Lease>,
    /// The resource's token counter right after the claim ended.
    pub current_token: u64,
    /// The outcome returned for the first cancel of this key, if any.
    pub cancel: Option<CancelOutcome>,
}

impl Claim {
    /// The lease, live or ended; `None` if there was no grant.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Live(lease) => Some(lease),
            Phase::Ended(tombstone) => tombstone.lease.as_ref(),
            Phase::Waiting(_) => None,
        }
    }

    /// The place in the queue; `None` unless the claim is waiting.
    #[must_use]
    pub fn queue_entry(&self) -> Option<&QueueEntry> {
        match &self.phase {
            Phase::Waiting(entry) => Some(entry),
            _ => None,
        }
    }

    /// The requested mode; exclusive for a claim that was cancelled before its
    /// acquire arrived.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.request.as_ref().map_or(Mode::Exclusive, |request| request.mode)
    }

    /// The replica at which the waiter is parked. It may have died since.
    #[must_use]
    pub fn parked_at(&self) -> Option<ReplicaId> {
        match self.queue_entry()?.presence {
            Presence::Parked(replica) => Some(replica),
            Presence::Away(_) => None,
        }
    }

    /// When the sweeper has to check this claim. Only waiters have a check
    /// instant of their own: leases are covered by the one of their resource,
    /// and ended claims need none.
    #[must_use]
    pub fn check_at(&self, ctx: &Context<'_>) -> Option<Micros> {
        self.queue_entry().map(|entry| entry.due_at(ctx))
    }
}
