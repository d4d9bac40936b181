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
}
