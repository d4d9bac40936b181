//! Why and whether a guard has ended.

use std::fmt;

use dlm_protocol::EndReason;

/// Why a guard no longer holds its lock.
///
/// # Examples
///
/// ```no_run
/// # async fn example(guard: dlm_client::LockGuard) -> Result<(), dlm_client::Error> {
/// use dlm_client::LossReason;
///
/// match guard.lost().await {
///     LossReason::ForceReleased => println!("an operator wants it to stop"),
///     reason => println!("stop: {reason}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// The server says that the lease's time ran out.
    Expired,
    /// An operator ended the lease.
    ForceReleased,
    /// The lease was released: by its guard, or by someone else who has its id.
    Released,
    /// The guard was given out of hand with [`detach`](crate::LockGuard::detach).
    Detached,
    /// The guard's own deadline passed before the server answered a renewal, or
    /// before there was one. The lease has ended there as well, or is about to.
    Deadline,
    /// The server knows the lease no more, or never knew it.
    Unknown,
}

impl LossReason {
    pub(crate) fn of(reason: Option<EndReason>) -> Self {
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
            Self::Expired => "its lease expired",
            Self::ForceReleased => "an operator ended its lease",
            Self::Released => "its lease was released",
            Self::Detached => "its lease was detached from the guard",
            Self::Deadline => "its own deadline passed before it was renewed",
            Self::Unknown => "the server does not know its lease",
        })
    }
}

/// Whether a guard holds its lock, at the instant of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GuardState {
    /// It does.
    Held,
    /// It does no longer, and never will again.
    Lost(LossReason),
    /// Its lease was given back or given out of hand through the guard.
    Released,
}
