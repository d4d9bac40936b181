use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::limits::AWAY_GRACE_MS;
use dlm_protocol::{IdempotencyKey, ResourceName};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::handle::Shared;
use crate::clock::{Moment, sleep_until};
use crate::error::Error;
use crate::held::{Claims, Held};
use crate::retry::Backoff;
use crate::transport::Failure;

/// A lease to give back.
pub(super) struct Release {
    pub(super) held: Arc<Held>,
    /// Kept until the lease is gone, so that no new guard finds it dying.
    pub(super) claims: Claims,
    /// Who wants to know.
    pub(super) done: Done,
}

type Done = Option<oneshot::Sender<Result<(), Error>>>;

/// Releases a lease, over failures, until it would have expired anyway. One who
/// waits for it is told after the time of a request, however it stands then.
pub(super) async fn release(shared: Arc<Shared>, release: Release) {
    let Release { held, claims, mut done } = release;
    let outcome = release_held(&shared, &held, &mut done).await;
    // Before the news: who reads it may lock with the same key again.
    drop(claims);
    tell(&mut done, outcome);
}

async fn release_held(shared: &Shared, held: &Held, done: &mut Done) -> Result<(), Error> {
    let told_by = Moment::now().plus(shared.request_timeout);
    let gone = held.term().gone();
    let mut backoff = Backoff::new();
    loop {
        let timeout = shared.request_timeout.min(gone.since(Moment::now()));
        let failure = match shared.transport.release(&held.resource, &held.lease_id, timeout).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        if is_final(&failure) {
            return Err(failure.into());
        }
        let next = Moment::now().plus(backoff.after(&failure));
        if next >= gone {
            warn!(resource = %held.resource, fencing_token = %held.fencing_token, %failure,
                "a release could not be sent; the lease expires by itself");
            return Err(failure.into());
        }
        debug!(resource = %held.resource, fencing_token = %held.fencing_token, %failure, "releasing again");
        if next >= told_by {
            tell(done, Err(failure.into()));
        }
        sleep_until(next).await;
    }
}

/// Gives up the place of an acquire in the queue, or the lease if the grant
/// came first; over failures, until neither can be there any more.
pub(super) async fn cancel(shared: &Shared, resource: &ResourceName, key: &IdempotencyKey, ttl: Duration) {
    let gone = Moment::now().plus(ttl + Duration::from_millis(AWAY_GRACE_MS) + shared.request_timeout);
    let mut backoff = Backoff::new();
    loop {
        match shared.transport.cancel(resource, key, shared.request_timeout).await {
            Ok(cancelled) => return debug!(%resource, outcome = ?cancelled.outcome, "cancelled"),
            Err(failure) if is_final(&failure) => return warn!(%resource, %failure, "not cancelled"),
            Err(failure) => {
                let next = Moment::now().plus(backoff.after(&failure));
                if next >= gone {
                    return warn!(%resource, %failure, "a cancel could not be sent");
                }
                sleep_until(next).await;
            }
        }
    }
}

/// Whether the server has spoken: it will not say anything else next time.
fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Problem { problem, .. } if problem.status < 500) && !failure.is_passing()
}

fn tell(done: &mut Done, outcome: Result<(), Error>) {
    if let Some(done) = done.take() {
        // Nobody reads it when the release was given up.
        let _ = done.send(outcome);
    }
}
