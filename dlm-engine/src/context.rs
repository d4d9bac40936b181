//! What the rules are told of the world outside.

use std::collections::HashMap;
use std::fmt;

/// An instant on the deciding clock, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// After every instant that occurs.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        // A duration past what fits is past every deadline that can matter.
        let micros = ms.saturating_mul(1000);
        Self(self.0.saturating_add(if micros > i64::MAX as u64 { i64::MAX } else { micros as i64 }))
    }
}

/// One run of one server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub i64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which replicas are alive: a waiter parked at one that is not is away.
#[derive(Debug, Clone)]
pub struct Replicas {
    local: ReplicaId,
    peers: Peers,
}

#[derive(Debug, Clone)]
enum Peers {
    AllDeadSince(Micros),
    DeadSince(HashMap<ReplicaId, Micros>),
}

impl Replicas {
    /// One process owns the store: every other replica that ever parked a
    /// waiter has been gone since this one was ready to be asked.
    #[must_use]
    pub const fn single_node(local: ReplicaId, ready_at: Micros) -> Self {
        Self { local, peers: Peers::AllDeadSince(ready_at) }
    }

    /// Several processes share the store. Those that are gone are known, with
    /// the instant at which that was noticed; one that is not among them has
    /// not been missed, or has only just started.
    #[must_use]
    pub const fn cluster(local: ReplicaId, dead: HashMap<ReplicaId, Micros>) -> Self {
        Self { local, peers: Peers::DeadSince(dead) }
    }

    /// The replica that executes the operation.
    #[must_use]
    pub const fn local(&self) -> ReplicaId {
        self.local
    }

    /// Since when a replica is gone; `None` while it is alive.
    #[must_use]
    pub fn dead_since(&self, replica: ReplicaId) -> Option<Micros> {
        if replica == self.local {
            return None;
        }
        match &self.peers {
            Peers::AllDeadSince(since) => Some(*since),
            Peers::DeadSince(dead) => dead.get(&replica).copied(),
        }
    }
}

/// Bounds that the rules apply but don't choose.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a waiter that is away keeps its place.
    pub away_grace_ms: u64,
    /// How long a resource that nobody uses is remembered.
    pub idle_retention_ms: u64,
    /// Most holders told to one that is refused.
    pub holders_shown: usize,
}

/// What to make of an acquire whose key the loaded state does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLookup {
    /// Take it for new where it will be inserted: the store's unique index is
    /// the judge, and its objection runs the batch again with [`Self::Required`].
    AssumeNew,
    /// Ask for it by [`Need::Claim`](crate::Need::Claim).
    Required,
}

/// The world as one operation sees it.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The deciding clock, read after the resource was locked.
    pub now: Micros,
    /// Which replicas are alive.
    pub replicas: &'a Replicas,
    /// The limits in force.
    pub limits: &'a Limits,
    /// What to make of keys that are not loaded.
    pub key_lookup: KeyLookup,
}
