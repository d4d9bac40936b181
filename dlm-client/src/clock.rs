//! The clock that leases are measured by.

use std::time::Duration;

/// Longest sleep in one piece. The runtime's timers stop while the machine is
/// suspended and this clock does not: a sleeper looks at it this often.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// An instant on a clock that nobody sets and that, on Linux, goes on while the
/// machine is suspended (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    #[cfg(target_os = "linux")]
    pub(crate) fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanos))
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "the best clock there is where CLOCK_BOOTTIME is missing")]
    pub(crate) fn now() -> Self {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        // Not zero, so that a term that began before the first look has a place.
        const HEAD_START: Duration = Duration::from_secs(2 * 86_400);
        Self(HEAD_START + ORIGIN.get_or_init(std::time::Instant::now).elapsed())
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

/// How long to sleep before looking at the clock again on the way to `moment`.
pub(crate) fn nap(now: Moment, moment: Moment) -> Duration {
    moment.since(now).min(LONGEST_NAP)
}

/// Sleeps until `moment`, in the client's thread.
pub(crate) async fn sleep_until(moment: Moment) {
    loop {
        let now = Moment::now();
        if now >= moment {
            return;
        }
        tokio::time::sleep(nap(now, moment)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let first = Moment::now();
        assert!(Moment::now() >= first);
    }

    #[test]
    fn a_moment_that_is_over_is_zero_away() {
        let now = Moment::now();
        assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(nap(now, now.minus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(nap(now, now.plus(Duration::from_secs(3600))), LONGEST_NAP);
    }
}
