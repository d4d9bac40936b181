//! The future that completes when a guard no longer holds its lock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::held_lease::HeldLease;
use crate::loss::LossReason;

/// Completes when a guard no longer holds its lock, with the reason. Created by
/// [`LockGuard::lost`](crate::LockGuard::lost).
///
/// The future is [`Unpin`], so it can be a field of a struct, and `&mut lost` can be awaited in a
/// loop. Once it has completed, it completes again with the same reason at each poll.
///
/// # Examples
///
/// ```no_run
/// # async fn example(guard: dlm_client::LockGuard) {
/// # async fn next_row() -> Option<u64> { None }
/// use dlm_client::Lost;
///
/// let mut lost: Lost = guard.lost();
/// loop {
///     tokio::select! {
///         reason = &mut lost => break eprintln!("stop: {reason}"),
///         row = next_row() => if row.is_none() { break },
///     }
/// }
/// # }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Lost {
    lease: Arc<HeldLease>,
    /// Created when the future first has to wait.
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Lost {
    pub(super) fn new(lease: Arc<HeldLease>) -> Self {
        Self { lease, ended: None }
    }
}

impl Future for Lost {
    type Output = LossReason;

    /// Each poll reads the clock: after a suspend the caller may be polled before the client
    /// thread has noticed that the deadline has passed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LossReason> {
        if let Some(reason) = self.lease.end_reason_now() {
            return Poll::Ready(reason);
        }
        let Self { lease, ended } = &mut *self;
        let ended = ended.get_or_insert_with(|| Box::pin(lease.ended()));
        ended.as_mut().poll(cx).map(|()| lease.end_reason_now().unwrap_or(LossReason::Unknown))
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lost").field("resource", &self.lease.resource).finish_non_exhaustive()
    }
}
