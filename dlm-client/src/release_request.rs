//! The request to let go of a lock.

use dlm_protocol::{PendingRelease, Timestamp};

/// An operator asks the holder of a lock to let go of it. Returned by
/// [`LockGuard::release_requested`](crate::LockGuard::release_requested).
///
/// # Examples
///
/// ```no_run
/// # async fn example(guard: dlm_client::LockGuard) {
/// if let Some(request) = guard.release_requested().await {
///     let end = if request.force { "it is taken away" } else { "the operator hopes for it" };
///     println!("let go until {}, then {end}: {}", request.deadline, request.reason);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleaseRequest {
    /// Why, in the words of the operator.
    pub reason: String,
    /// The principal of the operator; `None` without authentication.
    pub requested_by: Option<String>,
    /// Until when to let go, by the clock of the server.
    pub deadline: Timestamp,
    /// Whether the server force-releases the lease at the deadline.
    pub force: bool,
}

impl From<&PendingRelease> for ReleaseRequest {
    fn from(request: &PendingRelease) -> Self {
        Self {
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
            deadline: request.deadline,
            force: request.force,
        }
    }
}
