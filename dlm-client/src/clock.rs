//! The clock that lease terms are measured with.

use std::ops::{Add, Sub};
use std::time::Duration;

/// The longest single sleep. Runtime timers stop while the machine is suspended
/// but this clock does not, so a sleeping task rechecks the clock this often.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// An instant on a monotonic clock that nobody can set and that, on Linux, keeps
/// running while the machine is suspended (`CLOCK_BOOTTIME`).
///
/// All arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootInstant(Duration);

impl BootInstant {
    #[cfg(target_os = "linux")]
    pub(crate) fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanos))
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "the best available clock where CLOCK_BOOTTIME is missing")]
    pub(crate) fn now() -> Self {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        // Not zero, so that a term that began before the first reading can be represented.
        const OFFSET: Duration = Duration::from_secs(2 * 86_400);
        Self(OFFSET + ORIGIN.get_or_init(std::time::Instant::now).elapsed())
    }

    /// The time since `earlier`; zero if `earlier` is later than `self`.
    pub(crate) fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for BootInstant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for BootInstant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

/// How long to sleep before the clock must be read again, on the way to `until`.
pub(crate) fn sleep_step(now: BootInstant, until: BootInstant) -> Duration {
    until.duration_since(now).min(MAX_SLEEP)
}

/// Sleeps until `until`. Must run on the client thread.
pub(crate) async fn sleep_until(until: BootInstant) {
    loop {
        let now = BootInstant::now();
        if now >= until {
            return;
        }
        tokio::time::sleep(sleep_step(now, until)).await;
    }
}

/// Sleeps for `duration` of this clock's time. Must run on the client thread.
pub(crate) async fn sleep(duration: Duration) {
    sleep_until(BootInstant::now() + duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_never_goes_back() {
        let first = BootInstant::now();
        assert!(BootInstant::now() >= first);
    }

    #[test]
    fn duration_until_a_past_instant_is_zero() {
        let now = BootInstant::now();
        assert_eq!(now.duration_since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(sleep_step(now, now - Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(sleep_step(now, now + Duration::from_secs(3600)), MAX_SLEEP);
    }
}
