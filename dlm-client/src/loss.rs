//! The state of a guard, and why it no longer holds its lock.

use std::fmt;

use dlm_protocol::EndReason;

/// Why a guard no longer holds its lock.
///
/// Returned by [`LockGuard::lost`](crate::LockGuard::lost),
/// [`GuardState::Lost`] and [`Error::loss_reason`](crate::Error::loss_reason).
///
/// # Examples
///
/// ```no_run
/// # async fn example(guard: dlm_client::LockGuard) -> Result<(), dlm_client::Error> {
/// use dlm_client::LossReason;
///
/// match guard.lost().await {
///     LossReason::ForceReleased => println!("stop: an operator ended the lease"),
///     reason => println!("stop: {reason}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// The server reported that the lease expired.
    Expired,
    /// An operator force-released the lease.
    ForceReleased,
    /// The lease was released, through its guard or by another owner of its id.
    Released,
    /// The lease was detached from the guard with
    /// [`detach`](crate::LockGuard::detach).
    Detached,
    /// The guard's deadline passed without a successful renewal. The lease has
    /// expired at the server, or is about to.
    Deadline,
    /// Like [`Deadline`](Self::Deadline), and the server had refused to renew the lease:
    /// the client's credential was not accepted any more, or its principal had lost the
    /// right to hold the lock. See
    /// [`LockGuard::is_access_denied`](crate::LockGuard::is_access_denied).
    AccessDenied,
    /// The server does not know the lease: it ended too long ago to be
    /// remembered, or was never granted by this server. Or the lease ended for a
    /// reason that this version does not know.
    Unknown,
}

impl LossReason {
    pub(crate) fn from_end_reason(reason: Option<EndReason>) -> Self {
        match reason {
            Some(EndReason::Expired) => Self::Expired,
            Some(EndReason::ForceReleased) => Self::ForceReleased,
            Some(EndReason::Released | EndReason::Cancelled) => Self::Released,
            Some(EndReason::Away | EndReason::Unknown) | None => Self::Unknown,
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the lease expired",
            Self::ForceReleased => "the lease was force-released",
            Self::Released => "the lease was released",
            Self::Detached => "the lease was detached from its guard",
            Self::Deadline => "the lease was not renewed before the guard's deadline",
            Self::AccessDenied => "the server refused to renew the lease for lack of access",
            Self::Unknown => "the server does not know the lease",
        })
    }
}

/// Whether a guard holds its lock at the instant of the call.
///
/// Returned by [`LockGuard::state`](crate::LockGuard::state). A guard starts as
/// [`Held`](Self::Held); both other states are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GuardState {
    /// The guard holds the lock.
    Held,
    /// The guard lost the lock. A lost guard never holds it again.
    Lost(LossReason),
    /// The lease was released or detached through the guard.
    Released,
}
