//! How often each lock was granted lately.

use std::collections::HashMap;

use dlm_client::Timestamp;

/// The time over which grants are counted, in microseconds.
const WINDOW_MICROS: i64 = 60_000_000;

/// The grants of the last minute, by lock.
#[derive(Debug, Default)]
pub(super) struct Activity {
    grants: HashMap<String, Vec<i64>>,
}

impl Activity {
    pub(super) fn granted(&mut self, name: &str, at: Timestamp) {
        self.grants.entry(name.to_owned()).or_default().push(at.as_micros());
    }

    /// Forgets what is older than a minute.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        let oldest = now.as_micros().saturating_sub(WINDOW_MICROS);
        self.grants.retain(|_, grants| {
            grants.retain(|at| *at >= oldest);
            !grants.is_empty()
        });
    }

    /// How often the lock was granted in the last minute.
    pub(super) fn per_minute(&self, name: &str) -> usize {
        self.grants.get(name).map_or(0, Vec::len)
    }

    pub(super) fn total(&self) -> usize {
        self.grants.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_counted_for_a_minute() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut activity = Activity::default();
        for (name, seconds) in [("a", 0), ("a", 30), ("b", 50)] {
            activity.granted(name, at(seconds));
        }
        activity.forget_before(at(60));
        assert_eq!((activity.per_minute("a"), activity.per_minute("b"), activity.total()), (2, 1, 3));
        activity.forget_before(at(70));
        assert_eq!((activity.per_minute("a"), activity.per_minute("c")), (1, 0));
        activity.forget_before(at(200));
        assert_eq!(activity.total(), 0);
    }
}
