//! Errors of the service.

use std::time::Duration;

use dlm_protocol::{EndReason, FencingToken, Holder, Quota, Role};

use crate::log::CursorError;
use crate::store::StoreError;
use crate::writer::EnqueueError;

/// Why an operation was rejected or failed. The text is for the caller; details
/// that only the operator may see are logged where they occur.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The lock is held, and the acquire does not wait.
    #[error("the lock is held and the request does not wait")]
    LockHeld { holders: Vec<Holder>, queue_len: u64, retry_after_ms: u64 },
    /// The wait of an acquire timed out. A retry with its key gets the same.
    #[error("the wait timed out before the lock was granted")]
    WaitTimeout { holders: Vec<Holder>, queue_len: u64, retry_after_ms: u64 },
    /// The lease, or the wait for it, has ended.
    #[error("{}", ended(*reason))]
    LeaseEnded {
        reason: EndReason,
        /// The request named a key (409) rather than a lease id (410).
        by_key: bool,
    },
    /// The lease id was never issued for this resource, or to another principal. The
    /// caller is not told which.
    #[error("this lease id was never issued to this principal for this resource")]
    NotHolder {
        /// The fencing token of the lease, if it is another principal's.
        fencing_token: Option<FencingToken>,
    },
    /// The principal does not have the role on the resource, whether or not the
    /// resource exists.
    #[error("this needs the role `{}` on the resource", required.as_str())]
    Forbidden { required: Role },
    /// The lease to force-release is not live.
    #[error("no live lease has this fencing token")]
    HolderChanged { holders: Vec<Holder> },
    /// The idempotency key belongs to an acquire with other parameters.
    #[error("this idempotency key was used before with other parameters")]
    KeyReused,
    /// The cursor was not issued for this event log.
    #[error("the cursor was not issued for this event log")]
    InvalidCursor,
    /// The events after the cursor have been trimmed.
    #[error("the cursor is older than the event log")]
    CursorExpired,
    /// The request is malformed.
    #[error("{what}")]
    Invalid { what: String },
    /// The resource name is malformed.
    #[error("{why}")]
    InvalidName { why: String },
    /// A quota of the caller is used up.
    #[error("{what}; try again later")]
    QuotaExceeded { what: &'static str, quota: Quota, retry_after: Duration },
    /// The server can't execute the operation now.
    #[error("{why}; try again")]
    Unavailable { why: &'static str, retry_after: Duration },
    /// A bug, or a damaged database.
    #[error("internal error; the server's log has the details")]
    Internal,
}

const fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Released => "the lease was released",
        EndReason::Expired => "the lease expired",
        EndReason::ForceReleased => "the lease was force-released by an operator",
        EndReason::Cancelled => "the acquire was cancelled",
        EndReason::Away => "the waiter was away too long and lost its place in the queue",
        EndReason::Unknown => "the lease ended long ago",
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "read failed");
        match error {
            StoreError::Unavailable(_) | StoreError::Locked(_) | StoreError::NotCommitted(_) => {
                unavailable(error.for_callers())
            }
            _ => Self::Internal,
        }
    }
}

/// The server can't execute the operation now.
pub(super) fn unavailable(why: &'static str) -> Error {
    Error::Unavailable { why, retry_after: Duration::from_secs(1) }
}

/// Too many operations wait for a writer. This one was not executed.
pub(super) fn overloaded() -> Error {
    unavailable("the server is overloaded")
}

impl From<EnqueueError> for Error {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::QueueFull => overloaded(),
            EnqueueError::Stopped => unavailable("the server is shutting down"),
            EnqueueError::NoAnswer => unavailable("the database does not respond"),
        }
    }
}

impl From<CursorError> for Error {
    fn from(error: CursorError) -> Self {
        match error {
            CursorError::Invalid => Self::InvalidCursor,
            CursorError::Expired => Self::CursorExpired,
        }
    }
}
