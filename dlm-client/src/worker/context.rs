//! What all tasks on the client thread share.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::request_error::RequestError;
use crate::retry;
use crate::transport::Transport;

#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) transport: Transport,
    /// The longest time for one request, not counting the wait for a lock.
    pub(crate) request_timeout: Duration,
    /// Cancelled when the client is closed.
    pub(crate) closing: CancellationToken,
}

impl WorkerContext {
    /// Sends a request with a few retries, within the request timeout.
    pub(crate) async fn with_retries<T, F>(&self, request: impl FnMut() -> F) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        retry::with_retries(self.request_timeout, request).await
    }
}
