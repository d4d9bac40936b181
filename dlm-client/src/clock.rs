//! The clock that lease terms are measured with.

use std::ops::{Add, Sub};
use std::time::Duration;

#[cfg(test)]
pub(crate) use self::manual::ManualClock;

/// The longest single sleep. Runtime timers stop while the machine is suspended
/// but this clock does not, so a sleeping task rechecks the clock this often.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// An instant on a [`Clock`]. All arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootInstant(Duration);

/// A monotonic clock that nobody can set. On Linux, Android and Apple's systems it
/// keeps running while the machine is suspended.
#[derive(Debug, Clone, Default)]
pub(crate) enum Clock {
    /// The clock of the machine.
    #[default]
    System,
    /// The clock of the machine, with time that a test lets pass.
    #[cfg(feature = "test-time")]
    Test(crate::TestTime),
    /// A clock that a test moves.
    #[cfg(test)]
    Manual(std::sync::Arc<ManualClock>),
}

impl Clock {
    pub(crate) fn now(&self) -> BootInstant {
        match self {
            Self::System => BootInstant(system_time()),
            #[cfg(feature = "test-time")]
            Self::Test(time) => BootInstant(system_time()) + time.passed(),
            #[cfg(test)]
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Sleeps until `until`. Must run on the client thread.
    pub(crate) async fn sleep_until(&self, until: BootInstant) {
        match self {
            Self::System => loop {
                let now = self.now();
                if now >= until {
                    return;
                }
                tokio::time::sleep(sleep_step(now, until)).await;
            },
            #[cfg(feature = "test-time")]
            Self::Test(time) => {
                let mut advances = time.advances();
                loop {
                    let now = self.now();
                    if now >= until {
                        return;
                    }
                    // The sender is part of `self`, so there is always another advance to wait for.
                    let _ = tokio::time::timeout(sleep_step(now, until), advances.changed()).await;
                }
            }
            #[cfg(test)]
            Self::Manual(clock) => clock.wait_until(until).await,
        }
    }

    /// Sleeps for `duration` of this clock's time. Must run on the client thread.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn system_time() -> Duration {
    use rustix::time::ClockId;

    /// Of Linux's clocks only this one counts the time of a suspend.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    /// Apple's monotonic clock counts it too: it "will continue to increment while
    /// the system is asleep" (`man clock_gettime`).
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;

    let now = rustix::time::clock_gettime(CLOCK);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
#[expect(clippy::disallowed_methods, reason = "the best available clock on other systems")]
fn system_time() -> Duration {
    static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    // Not zero, so that a term that began before the first reading can be represented.
    const OFFSET: Duration = Duration::from_secs(2 * 86_400);
    OFFSET + ORIGIN.get_or_init(std::time::Instant::now).elapsed()
}

impl BootInstant {
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
fn sleep_step(now: BootInstant, until: BootInstant) -> Duration {
    until.duration_since(now).min(MAX_SLEEP)
}

#[cfg(test)]
mod manual {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::watch;

    use super::{BootInstant, Clock};

    /// A clock that stands still until a test moves it.
    #[derive(Debug)]
    pub(crate) struct ManualClock(watch::Sender<BootInstant>);

    impl ManualClock {
        pub(crate) fn new() -> Arc<Self> {
            // Not zero, so that a term that began earlier can be represented.
            Arc::new(Self(watch::Sender::new(BootInstant(Duration::from_secs(1_000_000)))))
        }

        pub(crate) fn clock(self: &Arc<Self>) -> Clock {
            Clock::Manual(Arc::clone(self))
        }

        pub(crate) fn now(&self) -> BootInstant {
            *self.0.borrow()
        }

        /// Lets time pass: tasks whose sleep is over run.
        pub(crate) fn advance(&self, duration: Duration) {
            self.0.send_modify(|now| *now = *now + duration);
        }

        /// Suspends the machine: the clock moves, but no task is woken.
        pub(crate) fn suspend(&self, duration: Duration) {
            self.0.send_if_modified(|now| {
                *now = *now + duration;
                false
            });
        }

        pub(super) async fn wait_until(&self, until: BootInstant) {
            // The sender is part of `self`, so the wait ends only when the time comes.
            let _ = self.0.subscribe().wait_for(|now| *now >= until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_never_goes_back() {
        let first = Clock::System.now();
        assert!(Clock::System.now() >= first);
    }

    #[test]
    fn duration_until_a_past_instant_is_zero() {
        let now = Clock::System.now();
        assert_eq!(now.duration_since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(sleep_step(now, now - Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(sleep_step(now, now + Duration::from_secs(3600)), MAX_SLEEP);
    }
}
