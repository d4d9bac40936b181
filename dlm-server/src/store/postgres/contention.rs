//! Whether other servers change the same resources as this one.

use std::time::Duration;

/// For how long after a conflict another one is likely.
const CAUTION: Duration = Duration::from_secs(5);

/// Whether other servers have lately changed what this one was about to change.
///
/// A call that locks its rows by changing them is cheaper than one that locks them first, but a single
/// conflict refuses all of it. Nothing but the cost depends on the choice.
#[derive(Debug, Default)]
pub(super) struct Contention {
    until: Duration,
}

impl Contention {
    /// Whether a conflict is likely now.
    pub(super) fn is_likely(&self, now: Duration) -> bool {
        now < self.until
    }

    /// There was a conflict now.
    pub(super) fn conflict(&mut self, now: Duration) {
        self.until = now + CAUTION;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_makes_another_one_likely_for_a_while() {
        let at = Duration::from_secs;
        let mut contention = Contention::default();
        assert!(!contention.is_likely(at(1)));
        contention.conflict(at(1));
        assert!(contention.is_likely(at(5)) && !contention.is_likely(at(6)));
    }
}
