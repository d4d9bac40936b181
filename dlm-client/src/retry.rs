//! How long to wait before a request is repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};

use crate::transport::Failure;

/// Repeats of a request that is not to wait, within its time.
pub(crate) const REPEATS: usize = 3;
const FIRST_DELAY: Duration = Duration::from_millis(25);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

fn schedule() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY).with_jitter()
}

/// Delays that grow from 25 ms to a second and have no end. Each is lengthened
/// by a random part of itself, so that the clients of a server that comes back
/// don't all come at once.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(schedule().without_max_times().build())
    }

    /// The next delay, and not less than what the server asked for.
    pub(crate) fn after(&mut self, failure: &Failure) -> Duration {
        self.delay().max(failure.retry_after().unwrap_or_default())
    }

    /// The next delay.
    pub(crate) fn delay(&mut self) -> Duration {
        self.0.next().unwrap_or(LONGEST_DELAY)
    }
}

/// Asks up to four times, while it fails in passing and for `budget` at most.
pub(crate) async fn ask<T, F>(budget: Duration, mut request: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let asking = (|| request())
        .retry(schedule().with_max_times(REPEATS))
        .when(Failure::is_passing)
        .adjust(|failure, delay| delay.map(|delay| delay.max(failure.retry_after().unwrap_or_default())));
    tokio::time::timeout(budget, asking).await.unwrap_or(Err(Failure::TimedOut(budget)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_never_end() {
        let mut backoff = Backoff::new();
        assert!(backoff.delay() <= 2 * FIRST_DELAY);
        for _ in 0..1_000 {
            assert!(backoff.delay() <= 2 * LONGEST_DELAY);
        }
        assert!(backoff.delay() >= LONGEST_DELAY);
    }

    #[test]
    fn the_server_may_ask_for_a_longer_delay() {
        let busy = Failure::Unexpected {
            status: 503,
            what: "busy".into(),
            retry_after: Some(Duration::from_secs(5)),
        };
        assert_eq!(Backoff::new().after(&busy), Duration::from_secs(5));
    }
}
