//! Retries and their backoff.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};

use crate::request_error::RequestError;

/// Retries of a request that must be answered soon, within its time budget.
pub(crate) const MAX_RETRIES: usize = 3;
/// A connection that lived this long has shown that its server works. Until then the
/// delay between attempts grows, also if every attempt succeeds at first.
pub(crate) const PROVEN_AFTER: Duration = Duration::from_secs(5);
const MIN_DELAY: Duration = Duration::from_millis(25);
const MAX_DELAY: Duration = Duration::from_secs(1);

fn schedule() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(MIN_DELAY).with_max_delay(MAX_DELAY).with_jitter()
}

/// An endless sequence of delays that grow from 25 ms to a second. Each is
/// lengthened by random jitter, so that the clients of a restarted server do not
/// all reconnect at once.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(schedule().without_max_times().build())
    }

    /// The next delay, but at least the `Retry-After` of `error`.
    pub(crate) fn next_delay_after(&mut self, error: &RequestError) -> Duration {
        self.next_delay().max(error.retry_after().unwrap_or_default())
    }

    /// The next delay.
    pub(crate) fn next_delay(&mut self) -> Duration {
        self.0.next().unwrap_or(MAX_DELAY)
    }
}

/// Sends a request up to four times while its errors are transient, for at most
/// `budget` in total.
pub(crate) async fn with_retries<T, F>(
    budget: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, RequestError>
where
    F: Future<Output = Result<T, RequestError>>,
{
    let attempts = (|| request())
        .retry(schedule().with_max_times(MAX_RETRIES))
        .when(RequestError::is_transient)
        .adjust(|error, delay| delay.map(|delay| delay.max(error.retry_after().unwrap_or_default())));
    tokio::time::timeout(budget, attempts).await.unwrap_or(Err(RequestError::TimedOut(budget)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_maximum_and_never_run_out() {
        let mut backoff = Backoff::new();
        assert!(backoff.next_delay() <= 2 * MIN_DELAY);
        for _ in 0..1_000 {
            assert!(backoff.next_delay() <= 2 * MAX_DELAY);
        }
        assert!(backoff.next_delay() >= MAX_DELAY);
    }

    #[test]
    fn server_may_ask_for_a_longer_delay() {
        let busy = RequestError::UnexpectedReply {
            status: 503,
            what: "busy".into(),
            retry_after: Some(Duration::from_secs(5)),
        };
        assert_eq!(Backoff::new().next_delay_after(&busy), Duration::from_secs(5));
    }
}
