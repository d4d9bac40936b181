//! Ends guards and releases their leases.

use std::sync::Arc;

use dlm_protocol::{FencingToken, Lease, LeaseId, ResourceName, SessionBody};
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, warn};

use super::command::{PendingRelease, WorkerCommand};
use super::context::WorkerContext;
use super::handle::Handle;
use crate::clock::BootInstant;
use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::request_error::RequestError;
use crate::retry::Backoff;
use crate::term::Term;
use crate::transport::{Answer, Continuation, FirstReply, PendingReply, SessionResult};

type ReleaseSender = oneshot::Sender<Result<(), Error>>;

impl Handle {
    /// Ends a guard, releases its lease, and reports the result.
    pub(crate) async fn release(&self, lease: &Arc<HeldLease>) -> Result<(), Error> {
        if let Some(reason) = lease.end_reason(self.now()) {
            self.end_guard(lease, None);
            return Err(Error::lost(&lease.resource, reason));
        }
        let (done, receiver) = oneshot::channel();
        self.end_guard(lease, Some(done));
        receiver.await.unwrap_or_else(|_| {
            // Without a reply the guard was lost since the check above.
            let reason = lease.end_reason(self.now());
            Err(reason.map_or_else(Error::closed, |reason| Error::lost(&lease.resource, reason)))
        })
    }

    /// Ends a guard and releases its lease in the background. Never blocks.
    pub(crate) fn release_in_background(&self, lease: &Arc<HeldLease>) {
        self.end_guard(lease, None);
    }

    /// Ends a guard and leaves its lease alone.
    pub(crate) fn detach(&self, lease: &Arc<HeldLease>) -> LeaseId {
        lease.detach(self.now());
        self.send(WorkerCommand::Unwatch(Arc::clone(lease)));
        lease.lease_id.clone()
    }

    fn end_guard(&self, lease: &Arc<HeldLease>, done: Option<ReleaseSender>) {
        // A guard that ended before usually has nothing left to release.
        let Some(reservations) = lease.release(self.now()) else { return };
        let release = PendingRelease { lease: Arc::clone(lease), reservations, done };
        match self.context().transport.prepare_release(&lease.resource, &lease.lease_id) {
            Some(request) if !lease.is_detached() => {
                let pending = self.context().tasks.token();
                request.submit(Box::new(SubmittedRelease {
                    handle: self.clone(),
                    release,
                    _pending: pending,
                }));
            }
            _ => self.send(WorkerCommand::Release(release, None)),
        }
    }
}

/// A release whose first request was submitted.
struct SubmittedRelease {
    handle: Handle,
    release: PendingRelease,
    _pending: TaskTrackerToken,
}

impl Continuation for SubmittedRelease {
    fn is_abandoned(&self) -> bool {
        // The lease is released whether its caller waits or not.
        false
    }

    fn complete(self: Box<Self>, result: SessionResult) {
        match result {
            Ok(Answer { body: SessionBody::Released(_), .. }) => {
                let Self { handle, release: PendingRelease { lease, reservations, mut done }, .. } = *self;
                handle.send(WorkerCommand::Unwatch(lease));
                // Before the result is sent: the caller may lock with the same key again.
                drop(reservations);
                report(&mut done, Ok(()));
            }
            result => self.go_on(FirstReply::Received(result)),
        }
    }

    fn wait(self: Box<Self>, reply: PendingReply) {
        self.go_on(FirstReply::Pending(reply));
    }
}

impl SubmittedRelease {
    fn go_on(self, first: FirstReply) {
        let Self { handle, release, .. } = self;
        handle.send(WorkerCommand::Release(release, Some(first)));
    }
}

/// Releases a lease, with retries until it would have expired anyway. A caller
/// that waits gets a result within the request timeout; retries continue after
/// that.
pub(super) async fn release(context: Arc<WorkerContext>, release: PendingRelease, first: Option<FirstReply>) {
    let PendingRelease { lease, reservations, mut done } = release;
    if first.is_none() && lease.is_detached() {
        return;
    }
    let report_by = context.now() + context.request_timeout;
    let on_failure = |error: RequestError, next_attempt| {
        if lease.is_detached() {
            return Some(error.into());
        }
        // Retries go on with the newest token.
        if error.is_unauthenticated() || next_attempt >= report_by {
            report(&mut done, Err(error.into()));
        }
        None
    };
    let released = ReleasedLease {
        resource: &lease.resource,
        lease_id: &lease.lease_id,
        fencing_token: lease.fencing_token,
        expired_by: lease.term().expired_by(),
    };
    let result = release_with_retries(&context, released, first, on_failure).await;
    // Before the result is sent: the caller may lock with the same key again.
    drop(reservations);
    report(&mut done, result);
}

/// Releases a lease that never got a guard, because its deadline had passed when the
/// grant arrived. Retries until the release is answered or the lease has expired, so
/// that the next request of the caller does not meet it.
pub(crate) async fn release_stillborn(context: &WorkerContext, lease: &Lease, term: Term) {
    debug!(resource = %lease.resource, fencing_token = %lease.fencing_token, "grant arrived too late, releasing");
    let released = ReleasedLease {
        resource: &lease.resource,
        lease_id: &lease.lease_id,
        fencing_token: lease.fencing_token,
        expired_by: term.expired_by(),
    };
    // A failed release is logged, and the lease has expired by then.
    let _ = release_with_retries(context, released, None, |_, _| None).await;
}

struct ReleasedLease<'a> {
    resource: &'a ResourceName,
    lease_id: &'a LeaseId,
    fencing_token: FencingToken,
    expired_by: BootInstant,
}

/// Retries until the lease has expired, or until `on_failure` returns an error. It
/// gets the error of each attempt that will be repeated, and when that will be.
async fn release_with_retries(
    context: &WorkerContext,
    lease: ReleasedLease<'_>,
    mut first: Option<FirstReply>,
    mut on_failure: impl FnMut(RequestError, BootInstant) -> Option<Error>,
) -> Result<(), Error> {
    let ReleasedLease { resource, lease_id, fencing_token, expired_by } = lease;
    let mut backoff = Backoff::new();
    loop {
        let timeout = context.request_timeout.min(expired_by.duration_since(context.now()));
        let transport = &context.transport;
        let released = match first.take() {
            Some(first) => transport.resume_release(first, resource, lease_id, timeout).await,
            None => transport.release(resource, lease_id, timeout).await,
        };
        let error = match released {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error.is_rejection() {
            return Err(error.into());
        }
        let next_attempt = context.now() + backoff.next_delay_after(&error);
        if next_attempt >= expired_by {
            warn!(%resource, %fencing_token, %error, "release abandoned, lease expired");
            return Err(error.into());
        }
        debug!(%resource, %fencing_token, %error, "release failed, retrying");
        if let Some(error) = on_failure(error, next_attempt) {
            return Err(error);
        }
        context.clock.sleep_until(next_attempt).await;
    }
}

/// Sends the result to the caller, once.
fn report(done: &mut Option<ReleaseSender>, result: Result<(), Error>) {
    if let Some(done) = done.take() {
        // The caller may have given up.
        let _ = done.send(result);
    }
}
