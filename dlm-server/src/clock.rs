//! The deciding clock of a store that belongs to one process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dlm_engine::Micros;
use rustix::time::{ClockId, clock_gettime};

/// A clock that is set to the wall clock at start and runs on its own from then
/// on. Steps of the wall clock do not affect leases while the process runs. Time
/// in which the machine was suspended counts.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    origin: Micros,
    started: Duration,
}

impl Clock {
    /// Starts a clock that is never before `last`, the last stored instant.
    pub(crate) fn start(last: Micros) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the only place that sets the deciding clock")]
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Micros(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX));
        if wall < last {
            tracing::warn!(
                behind_ms = (last.0 - wall.0) / 1000,
                "wall clock is behind the last stored instant; continuing from that instant"
            );
        }
        Self { origin: wall.max(last), started: since_boot() }
    }

    pub(crate) fn now(&self) -> Micros {
        let elapsed = since_boot().saturating_sub(self.started);
        Micros(self.origin.0.saturating_add(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Time since boot, including suspended time. Only for measuring durations.
pub(crate) fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_continues_from_the_last_stored_instant_if_the_wall_clock_is_behind() {
        let last = Micros(i64::MAX / 2);
        let clock = Clock::start(last);
        assert!(clock.now() >= last);
        assert!(clock.now() < last.plus_ms(60_000));
    }
}
