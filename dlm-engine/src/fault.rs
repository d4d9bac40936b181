//! Known faults of lock services. Tests inject them to show that the properties
//! find each of them.

/// An injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An expiry does not increment the token counter.
    NoIncrementOnExpiry,
    /// An expired lease does not end, so it can still be renewed.
    ExpiredLeaseStaysLive,
    /// The newest waiter is granted first.
    LastInFirstOut,
    /// A waiter that is away is granted.
    AwayWaiterGranted,
    /// A tombstone is lost, so its key is treated as new.
    TombstoneLost,
    /// A second exclusive holder is granted.
    SecondExclusiveHolder,
    /// The token alone lets anyone renew and release a lease.
    TokenSuffices,
    /// A renewal moves the expiry to an earlier instant.
    RenewalShortensTerm,
    /// An earlier expiry does not move the check instant of the resource.
    CheckTooLate,
    /// A sweep leaves overdue waiters in the queue.
    OverdueWaiterSkipped,
    /// An idle resource is never deleted.
    IdleResourceKept,
    /// All that is due is done in one transaction.
    UnlimitedTransitions,
    /// What the limit of transitions leaves is not scheduled.
    UnfinishedWorkForgotten,
    /// A new request is granted ahead of waiters to which the limit of
    /// transitions has left no grant.
    OvertakesUnfinishedPromotion,
}
