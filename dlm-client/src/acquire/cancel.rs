//! Gives up what the server may hold for an abandoned attempt.

use std::time::Duration;

use dlm_protocol::limits::AWAY_GRACE_MS;
use dlm_protocol::{IdempotencyKey, ResourceName};
use tracing::{debug, warn};

use crate::retry::Backoff;
use crate::worker::WorkerContext;

/// Leaves the queue, or releases the lease if the grant came first. Retries until
/// neither can exist any more.
pub(super) async fn cancel(
    context: &WorkerContext,
    resource: &ResourceName,
    key: &IdempotencyKey,
    ttl: Duration,
) {
    let timeout = context.request_timeout;
    let expired_by = context.now() + ttl + Duration::from_millis(AWAY_GRACE_MS) + timeout;
    let mut backoff = Backoff::new();
    loop {
        match context.transport.cancel(resource, key, timeout).await {
            Ok(cancelled) => return debug!(%resource, outcome = ?cancelled.outcome, "acquire cancelled"),
            Err(error) if error.is_rejection() => return warn!(%resource, %error, "cancel rejected"),
            Err(error) => {
                let next_attempt = context.now() + backoff.next_delay_after(&error);
                if next_attempt >= expired_by {
                    return warn!(%resource, %error, "cancel abandoned, place or lease expired");
                }
                context.clock.sleep_until(next_attempt).await;
            }
        }
    }
}
