//! What all tasks on the client thread share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::thread::ClientThread;
use crate::clock::{BootInstant, Clock};
use crate::reentrancy::HeldNames;
use crate::request_error::RequestError;
use crate::retry;
use crate::transport::Transport;

/// What bounds the time of one attempt of a renewal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenewalLimits {
    pub(crate) max_timeout: Duration,
    /// How long a round trip over the session took lately.
    pub(crate) round_trip: Duration,
}

#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
    /// The longest time for one request, not counting the wait for a lock.
    pub(crate) request_timeout: Duration,
    /// Cancelled when the client is closed.
    pub(crate) closing: CancellationToken,
    /// What closing the client waits for.
    pub(crate) tasks: TaskTracker,
    /// Which task acquired which lock.
    pub(crate) held_names: Arc<HeldNames>,
    pub(super) thread: ClientThread,
}

impl WorkerContext {
    pub(crate) fn now(&self) -> BootInstant {
        self.clock.now()
    }

    /// How much time one attempt of a renewal may take.
    pub(crate) fn renewal_limits(&self) -> RenewalLimits {
        RenewalLimits { max_timeout: self.request_timeout, round_trip: self.transport.round_trip() }
    }

    /// Sends a request with a few retries, within the request timeout.
    pub(crate) async fn with_retries<T, F>(&self, request: impl FnMut() -> F) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        retry::with_retries(self.request_timeout, request).await
    }
}
