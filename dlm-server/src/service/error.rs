//! Why the service did not do what it was asked.

use std::time::Duration;

use dlm_protocol::{EndReason, Holder};

/// A refusal or a failure. Its text is for the caller; what only the log may
/// know is logged where it happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the lock is held and the request does not wait")]
    LockHeld { holders: Vec<Holder>, queue_len: u64, retry_after_ms: u64 },
    #[error("the wait ran out before the lock was free")]
    WaitTimeout { holders: Vec<Holder>, queue_len: u64, retry_after_ms: u64 },
    #[error("{}", ended(*reason))]
    LeaseEnded {
        reason: EndReason,
        /// Asked with a key (409) rather than with a lease id (410).
        by_key: bool,
    },
    #[error("this lease id was never given out for this resource")]
    NotHolder,
    #[error("no live lease has this fencing token")]
    HolderChanged { holders: Vec<Holder> },
    #[error("this idempotency key was used before with other parameters")]
    KeyReused,
    #[error("the cursor is not one of this event log")]
    InvalidCursor,
    #[error("the cursor is older than the event log")]
    CursorExpired,
    #[error("{what}")]
    Invalid { what: String },
    #[error("{why}")]
    InvalidName { why: String },
    #[error("{what}; try again later")]
    QuotaExceeded { what: &'static str, retry_after: Duration },
    #[error("{why}; try again")]
    Unavailable { why: &'static str, retry_after: Duration },
    #[error("the server failed on this request; its log says why")]
    Internal,
}

const fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Released => "the lease was released",
        EndReason::Expired => "the lease expired",
        EndReason::ForceReleased => "the lease was force-released by an operator",
        EndReason::Cancelled => "the acquire was cancelled",
        EndReason::Away => "the waiter was away too long and lost its place",
        EndReason::Unknown => "the lease ended long ago",
    }
}
