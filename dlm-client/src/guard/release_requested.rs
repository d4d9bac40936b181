//! The future that completes when a holder is asked to let go of its lock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Lost;
use crate::held_lease::HeldLease;
use crate::release_request::ReleaseRequest;

/// Completes with the request when an operator asks the holder of a lock to let go of it, or with
/// `None` when the guard no longer holds the lock. Created by
/// [`LockGuard::release_requested`](crate::LockGuard::release_requested).
///
/// The future is [`Unpin`], so it can be a field of a struct, and `&mut requested` can be awaited
/// in a loop. Once it has completed, it completes again at each poll.
#[must_use = "futures do nothing unless polled"]
pub struct ReleaseRequested {
    lease: Arc<HeldLease>,
    lost: Lost,
    /// Created when the future first has to wait.
    arrived: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl ReleaseRequested {
    pub(super) fn new(lease: Arc<HeldLease>) -> Self {
        Self { lost: Lost::new(Arc::clone(&lease)), lease, arrived: None }
    }
}

impl Future for ReleaseRequested {
    type Output = Option<ReleaseRequest>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ReleaseRequest>> {
        let Self { lease, lost, arrived } = &mut *self;
        if Pin::new(lost).poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Some(request) = lease.release_request() {
            return Poll::Ready(Some(request.clone()));
        }
        let arrived = arrived.get_or_insert_with(|| Box::pin(lease.release_request_arrived()));
        arrived.as_mut().poll(cx).map(|()| lease.release_request().cloned())
    }
}

impl fmt::Debug for ReleaseRequested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseRequested").field("resource", &self.lease.resource).finish_non_exhaustive()
    }
}
