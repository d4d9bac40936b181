//! What can be asked of a resource, and what is answered.

use std::sync::Arc;

use crate::{CancelOutcome, Claim, ClaimKey, EndReason, Mode, Request};

/// One operation on one resource.
#[derive(Debug, Clone)]
pub enum Op {
    /// Take the lock, or join the queue, or come back to it. The caller holds
    /// the request open at this replica.
    Acquire {
        /// Whose acquire it is.
        key: ClaimKey,
        /// What is asked.
        request: Arc<Request>,
    },
    /// No request of this waiter is held open at this replica any more.
    Leave {
        /// Whose acquire it is.
        key: ClaimKey,
        /// Whether its caller knows the key and so can come back.
        can_return: bool,
    },
    /// Leave the queue, or give back the grant.
    Cancel {
        /// Whose acquire it is.
        key: ClaimKey,
    },
    /// Begin a new term.
    Renew {
        /// Whose lease it is.
        key: ClaimKey,
        /// Which lease.
        token: u64,
        /// The new TTL; its own when absent.
        ttl_ms: Option<u64>,
    },
    /// End the lease.
    Release {
        /// Whose lease it is.
        key: ClaimKey,
        /// Which lease.
        token: u64,
    },
    /// End somebody's lease.
    ForceRelease {
        /// Which lease.
        token: u64,
        /// Why, for the log.
        reason: Arc<str>,
    },
    /// Is this the token of a live lease?
    Check {
        /// The token asked about.
        token: u64,
    },
    /// End what is overdue: leases, and these waiters if they are.
    Sweep {
        /// Waiters whose time may have come.
        waiters: Vec<ClaimKey>,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Of an acquire or a renewal: the live lease.
    Lease(Arc<Claim>),
    /// Of an acquire: in the queue; a wake ends the wait.
    Queued,
    /// Of a leave.
    Left,
    /// Of a cancel.
    Cancelled(CancelOutcome),
    /// Of a release: the token of the lease that ended.
    Released(u64),
    /// Of a force-release: the ended claim, with the counter after its bump.
    ForceReleased(Arc<Claim>),
    /// Of a check.
    Checked {
        /// Mode of the live lease; `None` when no live lease has the token.
        live: Option<Mode>,
        /// The resource's counter.
        current_token: u64,
    },
    /// Of a sweep.
    Swept,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody holds the lock, and the acquire does not wait.
    Held(Snapshot),
    /// The wait ran out.
    TimedOut(Snapshot),
    /// What the key or the lease id named has ended; `None` when the reason is
    /// forgotten.
    Ended(Option<EndReason>),
    /// The key was used with another request.
    KeyReused,
    /// No live lease has the token.
    HolderChanged(Snapshot),
}

/// Who holds the resource and how many wait, for one that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The first holders, by token.
    pub holders: Vec<Arc<Claim>>,
    /// How many wait.
    pub queue_len: u64,
}

/// What must be loaded before an operation can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The claim with this key: [`Resource::provide_claim`].
    ///
    /// [`Resource::provide_claim`]: crate::Resource::provide_claim
    Claim(ClaimKey),
    /// The next waiters behind this ticket: [`Resource::provide_waiters`].
    ///
    /// [`Resource::provide_waiters`]: crate::Resource::provide_waiters
    Waiters {
        /// The last ticket that is loaded.
        after: u64,
    },
    /// The force-released claim with this token, if it is remembered:
    /// [`Resource::provide_force_released`].
    ///
    /// [`Resource::provide_force_released`]: crate::Resource::provide_force_released
    ForceReleased {
        /// The token.
        token: u64,
    },
}
