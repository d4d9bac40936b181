//! The attempts of a task that repeats.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Health;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Also bounds how late work is done once the database is back.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Says how long a failing task pauses, and that it fails: in the log once per
/// change, in the metrics every time.
#[derive(Debug)]
pub(crate) struct Attempts {
    health: Arc<Health>,
    task: &'static str,
    unready: Option<&'static str>,
    failures: u32,
}

impl Attempts {
    pub(super) fn new(health: Arc<Health>, task: &'static str, unready: Option<&'static str>) -> Self {
        Self { health, task, unready, failures: 0 }
    }

    pub(crate) fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(task = self.task, failures = self.failures, "task recovered");
            self.failures = 0;
            self.health.attempt_succeeded(self.task);
        }
    }

    /// Returns the pause before the next attempt.
    pub(crate) fn failed(&mut self, error: &dyn fmt::Display) -> Duration {
        if self.failures == 0 {
            tracing::warn!(task = self.task, %error, "task failed");
        } else {
            tracing::debug!(task = self.task, %error, failures = self.failures, "task failed again");
        }
        self.health.attempt_failed(self.task, self.unready);
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(MAX_PAUSE);
        self.failures += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn pauses_grow_up_to_a_bound_and_start_over_after_a_success() {
        let health = Arc::new(Health::new(Metrics::new()));
        let mut attempts = health.attempts("sweeper", Some("nothing expires"));
        assert_eq!(attempts.failed(&"full"), FIRST_PAUSE);
        assert_eq!(attempts.failed(&"full"), 2 * FIRST_PAUSE);
        assert_eq!(health.failing(), Some("nothing expires"));
        let longest = (0..100).map(|_| attempts.failed(&"full")).max();
        assert_eq!(longest, Some(MAX_PAUSE));
        attempts.succeeded();
        assert_eq!(health.failing(), None);
        assert_eq!(attempts.failed(&"full"), FIRST_PAUSE);
    }
}
