//! The last computed overview, and how long it stays fresh.

use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::Overview;

use super::wire;
use crate::clock::since_boot;

/// An overview stays fresh for at least this long.
const MIN_FRESH: Duration = Duration::from_millis(50);
/// It stays fresh for a multiple of the time it took to compute. The factor is
/// smaller for a cheap one, so that changes show soon.
const CHEAP: Duration = Duration::from_millis(40);
const CHEAP_FACTOR: u32 = 2;
const EXPENSIVE_FACTOR: u32 = 10;

#[derive(Debug)]
pub(super) struct CachedOverview {
    pub(super) overview: Overview,
    pub(super) at: Duration,
    pub(super) took: Duration,
}

impl CachedOverview {
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        let factor = if self.took <= CHEAP { CHEAP_FACTOR } else { EXPENSIVE_FACTOR };
        now.saturating_sub(self.at) < self.took + MIN_FRESH.max(self.took * factor)
    }

    /// The overview with the current clock and its last `seconds` of history.
    pub(super) fn current(&self, seconds: usize) -> Overview {
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
        let cached = CachedOverview { overview: overview(), at: Duration::ZERO, took };
        (0..).find(|ms| !cached.is_fresh(Duration::from_millis(*ms))).unwrap()
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
    fn a_cheap_overview_is_refreshed_soon_and_no_overview_costs_over_a_third_of_a_core() {
        assert_eq!(fresh_for(1), 51);
        assert!(fresh_for(30) <= 100, "a page that polls every 150 ms shows a change within 300 ms");
        for took in 1..1_000 {
            assert!(took * 3 <= fresh_for(took), "{took}");
        }
        assert_eq!(fresh_for(500), 5_500);
    }
}
