//! Ends guards and releases their leases.

use std::sync::Arc;

use dlm_protocol::LeaseId;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::command::{PendingRelease, WorkerCommand};
use super::context::WorkerContext;
use super::handle::Handle;
use crate::clock::{BootInstant, sleep_until};
use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::retry::Backoff;

type ReleaseSender = oneshot::Sender<Result<(), Error>>;

impl Handle {
    /// Ends a guard, releases its lease, and reports the result.
    pub(crate) async fn release(&self, lease: &Arc<HeldLease>) -> Result<(), Error> {
        if let Some(reason) = lease.end_reason(BootInstant::now()) {
            self.end_guard(lease, None);
            return Err(Error::lost(&lease.resource, reason));
        }
        let (done, receiver) = oneshot::channel();
        self.end_guard(lease, Some(done));
        receiver.await.unwrap_or_else(|_| {
            // Without a reply the guard was lost since the check above.
            let reason = lease.end_reason(BootInstant::now());
            Err(reason.map_or_else(Error::closed, |reason| Error::lost(&lease.resource, reason)))
        })
    }

    /// Ends a guard and releases its lease in the background. Never blocks.
    pub(crate) fn release_in_background(&self, lease: &Arc<HeldLease>) {
        self.end_guard(lease, None);
    }

    /// Ends a guard and leaves its lease alone.
    pub(crate) fn detach(&self, lease: &Arc<HeldLease>) -> LeaseId {
        lease.detach(BootInstant::now());
        self.send(WorkerCommand::Unwatch(Arc::clone(lease)));
        lease.lease_id.clone()
    }

    fn end_guard(&self, lease: &Arc<HeldLease>, done: Option<ReleaseSender>) {
        // A guard that ended before usually has nothing left to release.
        if let Some(reservations) = lease.release(BootInstant::now()) {
            self.send(WorkerCommand::Release(PendingRelease {
                lease: Arc::clone(lease),
                reservations,
                done,
            }));
        }
    }
}

/// Releases a lease, with retries until it would have expired anyway. A caller
/// that waits gets a result within the request timeout; retries continue after
/// that.
pub(super) async fn release(context: Arc<WorkerContext>, release: PendingRelease) {
    let PendingRelease { lease, reservations, mut done } = release;
    let result = release_with_retries(&context, &lease, &mut done).await;
    // Before the result is sent: the caller may lock with the same key again.
    drop(reservations);
    report(&mut done, result);
}

async fn release_with_retries(
    context: &WorkerContext,
    lease: &HeldLease,
    done: &mut Option<ReleaseSender>,
) -> Result<(), Error> {
    let report_by = BootInstant::now() + context.request_timeout;
    let expired_by = lease.term().expired_by();
    let mut backoff = Backoff::new();
    loop {
        let timeout = context.request_timeout.min(expired_by.duration_since(BootInstant::now()));
        let error = match context.transport.release(&lease.resource, &lease.lease_id, timeout).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error.is_rejection() {
            return Err(error.into());
        }
        let next_attempt = BootInstant::now() + backoff.next_delay_after(&error);
        if next_attempt >= expired_by {
            warn!(resource = %lease.resource, fencing_token = %lease.fencing_token, %error,
                "release abandoned, lease expired");
            return Err(error.into());
        }
        debug!(resource = %lease.resource, fencing_token = %lease.fencing_token, %error, "release failed, retrying");
        if next_attempt >= report_by {
            report(done, Err(error.into()));
        }
        sleep_until(next_attempt).await;
    }
}

/// Sends the result to the caller, once.
fn report(done: &mut Option<ReleaseSender>, result: Result<(), Error>) {
    if let Some(done) = done.take() {
        // The caller may have given up.
        let _ = done.send(result);
    }
}
