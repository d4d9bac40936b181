//! What the database's clock shows now, estimated from its earlier replies.

use std::time::Duration;

use dlm_engine::Micros;

/// The two clocks drift apart by at most so much, or the database finds that the estimate is
/// wrong: one microsecond in so many.
const DRIFT: u32 = 20_000;

/// An estimate is not worth trying once it may be this far behind.
const MAX_BEHIND: Duration = Duration::from_millis(1);

/// A lower bound of the database's clock.
///
/// The clock showed what a reply says before the reply arrived. So the clock is ahead of
/// the time since boot by at least the difference between the two, and the reply with the
/// largest difference tells the most. The estimate is used only where the database compares it with
/// its clock, so nothing depends on it but how often that fails.
#[derive(Debug, Default)]
pub(super) struct ClockEstimate(Option<Bound>);

#[derive(Debug, Clone, Copy)]
struct Bound {
    /// By how much the clock is ahead of the time since boot, in microseconds.
    ahead: i64,
    /// When the reply arrived, since boot.
    at: Duration,
}

impl Bound {
    /// How far it may have fallen behind.
    fn behind(&self, now: Duration) -> Duration {
        now.saturating_sub(self.at) / DRIFT
    }

    fn ahead(&self, now: Duration) -> i64 {
        self.ahead - micros(self.behind(now))
    }
}

impl ClockEstimate {
    /// Takes in a reply with the database's clock, which arrived now.
    pub(super) fn observe(&mut self, clock: Micros, now: Duration) {
        let bound = Bound { ahead: clock.0 - micros(now), at: now };
        if self.0.is_none_or(|known| known.ahead(now) <= bound.ahead) {
            self.0 = Some(bound);
        }
    }

    /// Forgets earlier replies: a clock was changed, or another database replies now.
    pub(super) fn reset(&mut self) {
        self.0 = None;
    }

    /// The estimate; `None` if there is none that is likely to be close enough.
    pub(super) fn at(&self, now: Duration) -> Option<Micros> {
        let bound = self.0.filter(|bound| bound.behind(now) <= MAX_BEHIND)?;
        Some(Micros(bound.ahead(now) + micros(now)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn estimate_is_never_ahead_of_a_clock_that_drifts_less_than_allowed() {
        let mut estimate = ClockEstimate::default();
        // The database's clock is slow by 40 µs in a second, and replies take 1 to 8 ms.
        let clock = |now: Duration| Micros(1_000_000_000 + micros(now) - micros(now) / 25_000);
        for step in 1..500 {
            let sent = ms(step * 37);
            estimate.observe(clock(sent), sent + ms(1 + step % 8));
            let now = sent + ms(20);
            let at = estimate.at(now).unwrap();
            assert!(at <= clock(now) && clock(now).0 - at.0 < 3_000, "step {step}");
        }
    }

    #[test]
    fn closest_reply_counts_until_it_is_too_old() {
        let mut estimate = ClockEstimate::default();
        assert_eq!(estimate.at(ms(5)), None);
        estimate.observe(Micros(1_000_000), ms(1_000));
        estimate.observe(Micros(1_001_000), ms(1_006));
        assert_eq!(estimate.at(ms(1_010)), Some(Micros(1_010_000)));
        assert_eq!(estimate.at(ms(22_000)), None);
        estimate.reset();
        assert_eq!(estimate.at(ms(1_010)), None);
    }
}
