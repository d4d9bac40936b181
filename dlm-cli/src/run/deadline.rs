//! When to end a command whose lock can't be renewed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// SIGTERM is sent so long before the guard's deadline, or a third of the TTL.
const TERM_BEFORE: Duration = Duration::from_secs(5);
/// SIGKILL is sent so long before the guard's deadline, or a sixth of the TTL: a process needs
/// milliseconds to die, and a busy machine may delay the signal.
const KILL_BEFORE: Duration = Duration::from_millis(500);

/// An instant of `CLOCK_BOOTTIME`, which counts the time of a suspend. It is the same clock in all
/// processes, and the one that the client measures leases with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootTime(Duration);

impl BootTime {
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        Self(Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec)))
    }

    pub(super) fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    pub(super) fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    fn before(self, lead: Duration) -> Self {
        Self(self.0.saturating_sub(lead))
    }
}

/// When the command gets which signal, for one deadline of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) term_at: BootTime,
    pub(super) kill_at: BootTime,
}

impl Schedule {
    pub(super) fn new(deadline: BootTime, ttl: Duration) -> Self {
        Self {
            term_at: deadline.before(TERM_BEFORE.min(ttl / 3)),
            kill_at: deadline.before(KILL_BEFORE.min(ttl / 6)),
        }
    }
}

/// A timer on `CLOCK_BOOTTIME`: when the machine resumes after an expiry, it fires at once.
pub(super) struct Timer(OwnedFd);

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Sets when the descriptor becomes readable; None is never.
    pub(super) fn set(&self, at: Option<BootTime>) -> io::Result<()> {
        const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

        let value = at.map_or(ZERO, |BootTime(at)| Timespec {
            tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
            // Zero disarms the timer.
            tv_nsec: i64::from(at.subsec_nanos().max(1)),
        });
        timerfd_settime(
            &self.0,
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec { it_interval: ZERO, it_value: value },
        )?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leads of SIGTERM and SIGKILL, in milliseconds.
    fn leads(ttl_ms: u64) -> (u64, u64) {
        let deadline = BootTime::from_nanos(1_000_000_000_000);
        let schedule = Schedule::new(deadline, Duration::from_millis(ttl_ms));
        let lead = |at: BootTime| (deadline.as_nanos() - at.as_nanos()) / 1_000_000;
        (lead(schedule.term_at), lead(schedule.kill_at))
    }

    #[test]
    fn term_comes_five_seconds_or_a_third_of_the_ttl_before_the_deadline() {
        assert_eq!(leads(30_000), (5_000, 500));
        assert_eq!(leads(9_000), (3_000, 500));
    }

    #[test]
    fn kill_comes_after_term_however_short_the_ttl() {
        assert_eq!(leads(1_200), (400, 200));
        // A healthy lease has two thirds of its TTL left before each renewal.
        for ttl_ms in [1_000, 1_500, 3_000, 15_000, 60_000] {
            let (term, kill) = leads(ttl_ms);
            assert!(kill < term && term <= ttl_ms / 3, "{ttl_ms}");
        }
    }

    #[test]
    fn timer_fires_at_once_if_the_instant_has_passed() {
        use rustix::event::{PollFd, PollFlags, poll};

        let timer = Timer::new().unwrap();
        let fired = |timeout_ms: i64| {
            let timeout = Timespec { tv_sec: 0, tv_nsec: timeout_ms * 1_000_000 };
            poll(&mut [PollFd::new(&timer, PollFlags::IN)], Some(&timeout)).unwrap() == 1
        };
        timer.set(Some(BootTime::from_nanos(0))).unwrap();
        assert!(fired(100));
        timer.set(None).unwrap();
        assert!(!fired(10));
        timer.set(Some(BootTime::now().after(Duration::from_millis(20)))).unwrap();
        assert!(!fired(1) && fired(900));
    }
}
