//! Known faults of lock services, put back for the tests alone: the properties
//! have to find each of them.

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Expiry leaves the token counter as it is.
    NoBumpOnExpiry,
    /// A renewal brings an expired lease back.
    RenewalRevives,
    /// The last waiter is served first.
    LastInFirstOut,
    /// A waiter that is away is granted.
    AwayIsGranted,
    /// A key is forgotten when its lease ends.
    KeyForgotten,
    /// A second exclusive holder is let in.
    SecondHolder,
}
