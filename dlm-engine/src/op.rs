//! Operations on a resource, their replies and refusals, and the data they may
//! need.

use std::sync::Arc;

use crate::{CancelOutcome, Claim, ClaimKey, EndReason, Micros, Mode, Request};

/// One operation on one resource.
#[derive(Debug, Clone)]
pub enum Op {
    /// Acquire the lock, or wait for it. A retry with the same key gets the
    /// existing lease, keeps its place in the queue, or gets the outcome. The
    /// local replica holds the request open.
    Acquire {
        /// The key of the acquire.
        key: ClaimKey,
        /// The parameters.
        request: Arc<Request>,
    },
    /// The local replica no longer holds a request of this waiter open.
    Leave {
        /// The key of the acquire.
        key: ClaimKey,
        /// Whether the caller knows the key and can therefore retry.
        knows_key: KnowsKey,
    },
    /// Give up an acquire: leave the queue, or release the lease if it was
    /// granted.
    Cancel {
        /// The key of the acquire.
        key: ClaimKey,
    },
    /// Start a new term of a lease.
    Renew {
        /// The key of the acquire that was granted the lease.
        key: ClaimKey,
        /// The token of the lease.
        token: u64,
        /// The new TTL in milliseconds; `None` keeps the lease's TTL.
        ttl_ms: Option<u64>,
    },
    /// End a lease on behalf of its holder.
    Release {
        /// The key of the acquire that was granted the lease.
        key: ClaimKey,
        /// The token of the lease.
        token: u64,
    },
    /// End a lease on behalf of an operator.
    ForceRelease {
        /// The token of the lease.
        token: u64,
        /// The operator's reason, for the event log.
        reason: Arc<str>,
        /// The principal of the operator, for the event log; `None` if it is not known.
        by: Option<Arc<str>>,
    },
    /// Check whether a token belongs to a live lease.
    Check {
        /// The token to check.
        token: u64,
    },
    /// Ask the holder of a lease to let go of it. Nothing changes: the request is about one
    /// lease, so it is accepted only while that is live, and ends with it.
    RequestRelease {
        /// The token of the lease.
        token: u64,
        /// How long the holder has, in milliseconds.
        within_ms: u64,
    },
    /// End overdue leases, and those of the given waiters that are overdue.
    /// Delete the resource if it has been idle for the retention time. If the
    /// limit of transitions leaves overdue leases, the waiters are left to the
    /// next sweep.
    Sweep {
        /// Waiters whose check instant has passed.
        waiters: Vec<ClaimKey>,
    },
}

/// Whether the caller of an acquire knows its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnowsKey {
    /// The caller can retry, so its waiter keeps its place while it is away.
    Yes,
    /// The key was never sent to the caller. Its waiter leaves, and a lease that
    /// was granted meanwhile is released: nobody can use either.
    No,
    /// The key was sent to the caller, which probably did not receive it. Its
    /// waiter leaves unless the caller has retried.
    Unsure,
}

/// The reply to an operation that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To an acquire or a renewal: the live claim.
    Lease(Arc<Claim>),
    /// To an acquire: it is in the queue. A [`Wake`](crate::Wake) ends the
    /// wait.
    Queued,
    /// To a leave.
    Left,
    /// To a cancel.
    Cancelled(CancelOutcome),
    /// To a release: the token of the lease that ended.
    Released(u64),
    /// To a force-release: the ended claim. Its tombstone has the token counter
    /// after the increment.
    ForceReleased(Arc<Claim>),
    /// To a check.
    Checked {
        /// The mode of the live lease; `None` if no live lease has the token.
        live: Option<Mode>,
        /// The resource's token counter.
        current_token: u64,
    },
    /// To a request to let go: the lease is live.
    ReleaseRequested {
        /// When the request was made.
        requested_at: Micros,
        /// Until when the holder has to let go.
        deadline: Micros,
    },
    /// To a sweep.
    Swept,
}

/// Why an operation was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The lock is held, and the acquire does not wait.
    Held(Snapshot),
    /// The wait timed out.
    TimedOut(Snapshot),
    /// The lease or wait has ended. `None` if its tombstone is gone and the
    /// reason with it.
    Ended(Option<EndReason>),
    /// The key was used before with other parameters.
    KeyReused,
    /// No live lease has the token.
    HolderChanged(Snapshot),
}

/// The holders and the queue length at the time of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The holders with the smallest tokens, at most
    /// [`Limits::holders_shown`](crate::Limits::holders_shown).
    pub holders: Vec<Arc<Claim>>,
    /// The length of the queue.
    pub queue_len: u64,
}

/// Why an operation was not executed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// Data is missing. Provide it, then call
    /// [`Resource::execute`](crate::Resource::execute) again.
    Need(Need),
    /// [`Limits::max_transitions`](crate::Limits::max_transitions) was reached
    /// before the operation's turn. Commit, then execute it again.
    LimitReached,
}

impl From<Need> for Blocked {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

/// Data that must be loaded before an operation can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The claim with this key. Answer with [`Resource::provide_claim`].
    ///
    /// [`Resource::provide_claim`]: crate::Resource::provide_claim
    Claim(ClaimKey),
    /// The next waiters after a ticket. Answer with
    /// [`Resource::provide_waiters`].
    ///
    /// [`Resource::provide_waiters`]: crate::Resource::provide_waiters
    Waiters {
        /// The ticket up to which waiters are loaded.
        after: u64,
    },
    /// The tombstone of the lease that was force-released with this token.
    /// Answer with [`Resource::provide_force_released`].
    ///
    /// [`Resource::provide_force_released`]: crate::Resource::provide_force_released
    ForceReleased {
        /// The token of the lease.
        token: u64,
    },
}
