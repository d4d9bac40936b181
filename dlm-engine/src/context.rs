//! The inputs of the rules besides the operation: time, membership and limits.

use std::collections::HashMap;
use std::fmt;

/// An instant on the deciding clock, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// Later than any instant that occurs.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `ms` milliseconds later, saturating at [`Self::MAX`].
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        // A duration that does not fit is longer than any deadline that
        // matters.
        let micros = ms.saturating_mul(1000);
        Self(self.0.saturating_add(if micros > i64::MAX as u64 { i64::MAX } else { micros as i64 }))
    }
}

/// One run of a server process. A restarted server is a new replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub i64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which replicas are alive. A waiter that is parked at a dead replica is away.
#[derive(Debug, Clone)]
pub struct Replicas {
    local: ReplicaId,
    peers: Peers,
    up_since: Micros,
}

#[derive(Debug, Clone)]
enum Peers {
    AllDeadSince(Micros),
    DeadSince(HashMap<ReplicaId, Micros>),
}

impl Replicas {
    /// A store that belongs to one process. Every other replica id is an
    /// earlier run of that process and counts as dead since `ready_at`, the
    /// instant at which this run could serve requests.
    #[must_use]
    pub const fn single_node(local: ReplicaId, ready_at: Micros) -> Self {
        Self { local, peers: Peers::AllDeadSince(ready_at), up_since: ready_at }
    }

    /// A store that several processes share. `dead` has the replicas that were
    /// declared dead, with the instant of the declaration. A replica that is
    /// not in it counts as alive. `up_since` is the instant since which there
    /// has always been a replica that waiters could return to.
    #[must_use]
    pub const fn cluster(local: ReplicaId, dead: HashMap<ReplicaId, Micros>, up_since: Micros) -> Self {
        Self { local, peers: Peers::DeadSince(dead), up_since }
    }

    /// The instant since which there has always been a replica that waiters
    /// could return to.
    #[must_use]
    pub const fn up_since(&self) -> Micros {
        self.up_since
    }

    /// The replica that executes the operations.
    #[must_use]
    pub const fn local(&self) -> ReplicaId {
        self.local
    }

    /// The instant since which a replica counts as dead; `None` while it is
    /// alive.
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

/// Configured bounds that the rules apply.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a waiter that is away keeps its place, in milliseconds.
    pub away_grace_ms: u64,
    /// How long the row of an idle resource is kept, in milliseconds.
    pub idle_retention_ms: u64,
    /// The maximum number of holders in a [`Snapshot`](crate::Snapshot).
    pub holders_shown: usize,
    /// How many leases and waits of one resource expiry, promotion and sweeps
    /// may end or grant between two commits. It bounds the size of a
    /// transaction; the rest follows in the next ones.
    pub max_transitions: usize,
}

/// The inputs of an operation that do not depend on the resource.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The deciding clock's time, read after the resource was locked.
    pub now: Micros,
    /// Which replicas are alive.
    pub replicas: &'a Replicas,
    /// The limits in force.
    pub limits: &'a Limits,
}
