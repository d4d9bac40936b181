//! What the database's clock shows now, estimated from its earlier replies, and how well that works.

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

/// After so many calls in a row that came too late, no further one is tried for a while. A busy machine
/// delays a few.
const MAX_LATE: u32 = 8;
const PAUSE: Duration = Duration::from_secs(5);

/// Whether calls come too late again and again. Where the database is far away, or overloaded, each would
/// be in vain.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    in_a_row: u32,
    pause_until: Duration,
}

impl Lateness {
    /// Whether no call is worth trying now.
    pub(super) fn pauses(&self, now: Duration) -> bool {
        now < self.pause_until
    }

    /// A call came too late.
    pub(super) fn late(&mut self, now: Duration) {
        self.in_a_row += 1;
        if self.in_a_row >= MAX_LATE {
            self.pause_until = now + PAUSE;
        }
    }

    /// A call came in time.
    pub(super) fn in_time(&mut self) {
        *self = Self::default();
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
    fn calls_that_are_late_again_and_again_pause() {
        let mut lateness = Lateness::default();
        (0..MAX_LATE - 1).for_each(|_| lateness.late(ms(1_000)));
        assert!(!lateness.pauses(ms(1_000)));
        lateness.late(ms(1_000));
        assert!(lateness.pauses(ms(5_999)) && !lateness.pauses(ms(6_000)));
        lateness.late(ms(6_000));
        assert!(lateness.pauses(ms(6_001)), "one is enough after a pause");
        lateness.in_time();
        assert!(!lateness.pauses(ms(6_001)));
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
