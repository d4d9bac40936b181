//! An overview that was computed, and for how long it answers everyone.

use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::Overview;

use super::wire;
use crate::clock::since_boot;

/// An overview answers everyone for this long, and for so many times as long as
/// it took to compute: a cheap one for less, so that what happens shows soon.
const FRESH: Duration = Duration::from_millis(50);
const CHEAP: Duration = Duration::from_millis(40);
const CHEAP_TIMES: u32 = 2;
const DEAR_TIMES: u32 = 10;

#[derive(Debug)]
pub(super) struct Made {
    pub(super) overview: Overview,
    pub(super) at: Duration,
    pub(super) took: Duration,
}

impl Made {
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        let times = if self.took <= CHEAP { CHEAP_TIMES } else { DEAR_TIMES };
        now.saturating_sub(self.at) < self.took + FRESH.max(self.took * times)
    }

    /// The overview with the clock as it is now, and the last of its seconds.
    pub(super) fn answer(&self, seconds: usize) -> Overview {
        let age = since_boot().saturating_sub(self.at);
        let at = Micros(self.overview.at.as_micros()).plus_ms(age.as_millis() as u64);
        let spare = self.overview.seconds.len().saturating_sub(seconds);
        Overview {
            at: wire::time(at),
            seconds: self.overview.seconds[spare..].to_vec(),
            ..self.overview.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_for(took_ms: u64) -> u64 {
        let took = Duration::from_millis(took_ms);
        let made = Made { overview: overview(), at: Duration::ZERO, took };
        (0..).find(|ms| !made.is_fresh(Duration::from_millis(*ms))).unwrap()
    }

    fn overview() -> Overview {
        Overview {
            at: wire::time(Micros(0)),
            held: 0,
            leases: 0,
            waiting: 0,
            oldest_wait: None,
            long_wait_count: 0,
            long_waits: Vec::new(),
            wait_p50_ms: None,
            wait_p95_ms: None,
            expired: Vec::new(),
            contended: Vec::new(),
            seconds: Vec::new(),
        }
    }

    #[test]
    fn what_happens_shows_soon_while_that_is_cheap_and_a_third_of_a_processor_is_the_most_it_costs() {
        assert_eq!(fresh_for(1), 51);
        assert!(fresh_for(30) <= 100, "a page that asks every 150 ms shows a change in 300");
        for took in 1..1_000 {
            assert!(took * 3 <= fresh_for(took), "{took}");
        }
        assert_eq!(fresh_for(500), 5_500);
    }
}
