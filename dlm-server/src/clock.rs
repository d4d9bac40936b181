//! The deciding clock of a store that belongs to one process.
//!
//! It advances with the time since the machine's boot, and continues from one run to
//! the next. So a step of the wall clock moves it neither while a server runs nor
//! across a restart. Where it differs from the wall clock, it is slewed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dlm_engine::Micros;
use rustix::time::{ClockId, clock_gettime};

/// A slew changes the clock by one microsecond in this many: 0.05 %, as NTP does. It is
/// within the margin of the clients.
const SLEW: i64 = 2000;
/// By how much a stored reading may be off before another one is worth a commit.
const MAX_DRIFT: i64 = 10_000;
/// The same for the difference to the wall clock, which matters only after a reboot.
const MAX_DEVIATION_DRIFT: i64 = 100_000;
/// From this difference to the wall clock on, the operator should know.
const REPORTED_DEVIATION: i64 = 1_000_000;

/// What the clocks showed at one moment. It is stored, so that the next run can
/// continue from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The deciding clock.
    pub(crate) at: Micros,
    /// The time since boot, in microseconds.
    pub(crate) since_boot: i64,
    /// Identifies the boot; `None` if the system does not tell.
    pub(crate) boot: Option<String>,
    /// The wall clock.
    pub(crate) wall: Micros,
}

impl ClockReading {
    /// By how much the deciding clock is ahead of the wall clock.
    fn deviation(&self) -> i64 {
        self.at.0.saturating_sub(self.wall.0)
    }

    /// Where the deciding clock continues at `now`.
    fn continued(&self, now: &MachineTime) -> Micros {
        let same_boot = self.boot.is_some() && self.boot == now.boot;
        let elapsed = now.since_boot.saturating_sub(self.since_boot);
        let at = if same_boot && elapsed >= 0 {
            self.at.0.saturating_add(elapsed)
        } else {
            // Only the wall clock knows how long the machine was down. It may have been
            // corrected while the server ran, so only its progress counts.
            now.wall.0.saturating_add(self.deviation())
        };
        Micros(at.max(self.at.0))
    }

    /// Whether a run that continues from this reading, instead of from `now`, is
    /// close enough.
    pub(crate) fn predicts(&self, now: &Self) -> bool {
        let predicted = self.at.0.saturating_add(now.since_boot.saturating_sub(self.since_boot));
        self.boot == now.boot
            && predicted.abs_diff(now.at.0) <= MAX_DRIFT.unsigned_abs()
            && self.deviation().abs_diff(now.deviation()) <= MAX_DEVIATION_DRIFT.unsigned_abs()
    }
}

/// The machine's clocks at one moment.
#[derive(Debug, Clone)]
struct MachineTime {
    since_boot: i64,
    boot: Option<String>,
    wall: Micros,
}

impl MachineTime {
    fn now(boot: Option<&str>) -> Self {
        // If the thread loses the processor in between, the two don't belong together.
        let read = || {
            let (before, wall, after) = (since_boot(), wall_clock(), since_boot());
            (
                after.saturating_sub(before),
                Self { since_boot: micros(before), boot: boot.map(Into::into), wall },
            )
        };
        let mut reads = [read(), read(), read()];
        reads.sort_by_key(|(took, _)| *took);
        let [(_, best), ..] = reads;
        best
    }
}

/// How the deciding clock advances: as fast as the time since boot, and a little faster
/// or slower until it has made up for a deviation.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// The deciding clock at `since_boot`.
    at: i64,
    since_boot: i64,
    /// By how much the wall clock was ahead then.
    behind: i64,
}

impl Course {
    fn at(&self, since_boot: i64) -> i64 {
        let elapsed = since_boot.saturating_sub(self.since_boot).max(0);
        let slewed = (elapsed / SLEW).min(self.behind.saturating_abs()) * self.behind.signum();
        self.at.saturating_add(elapsed).saturating_add(slewed)
    }

    /// The same clock, on its way to the wall clock.
    fn steered(&self, since_boot: i64, wall: Micros) -> Self {
        let at = self.at(since_boot);
        Self { at, since_boot, behind: wall.0.saturating_sub(at) }
    }
}

/// The clock. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    course: Arc<Mutex<Course>>,
    boot: Option<String>,
}

impl Clock {
    /// Continues from what an earlier run stored, but never before `last`, the last
    /// stored instant. The first run starts at the wall clock.
    pub(crate) fn start(stored: Option<&ClockReading>, last: Micros) -> Self {
        let boot = boot();
        let now = MachineTime::now(boot.as_deref());
        let at = stored.map_or(now.wall, |stored| stored.continued(&now)).max(last);
        let behind = now.wall.0.saturating_sub(at.0);
        report(0, behind);
        let course = Course { at: at.0, since_boot: now.since_boot, behind };
        Self { course: Arc::new(Mutex::new(course)), boot }
    }

    pub(crate) fn now(&self) -> Micros {
        // Read under the lock: a later course must not be asked about an earlier time.
        self.with(|course| Micros(course.at(micros(since_boot()))))
    }

    /// Moves the clock forward, as if this time had passed.
    #[cfg(feature = "test-time")]
    pub(crate) fn advance(&self, by: Duration) {
        self.with(|course| course.at = course.at.saturating_add(micros(by)));
    }

    /// Slews the clock towards the wall clock. Returns what the clocks show.
    pub(crate) fn steer(&self) -> ClockReading {
        let now = MachineTime::now(self.boot.as_deref());
        let (before, at, behind) = self.with(|course| {
            let before = course.behind;
            *course = course.steered(now.since_boot.max(course.since_boot), now.wall);
            (before, course.at, course.behind)
        });
        report(before, behind);
        ClockReading { at: Micros(at), since_boot: now.since_boot, boot: now.boot, wall: now.wall }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Course) -> T) -> T {
        work(&mut self.course.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Logs that the deciding clock and the wall clock have begun to differ.
fn report(before: i64, behind: i64) {
    if before.abs() < REPORTED_DEVIATION && behind.abs() >= REPORTED_DEVIATION {
        tracing::warn!(
            wall_clock_ahead_ms = behind / 1000,
            "the wall clock differs from the deciding clock, which is slewed to it"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place where the deciding clock sees the wall clock")]
fn wall_clock() -> Micros {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(micros(wall))
}

/// The wall clock, for what people and other systems date: the expiry of a credential.
#[expect(
    clippy::disallowed_methods,
    reason = "credentials expire by the wall clock, which their issuers use"
)]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Identifies the boot of the machine and the namespace of its clocks: a container may
/// have a time since boot of its own.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!("{} {}", id.trim(), namespace.display()))
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

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3600 * SECOND;
    /// The wall clock when the reading was stored.
    const WALL: i64 = 500_000 * HOUR;

    /// A reading whose deciding clock is this far ahead of the wall clock.
    fn stored(ahead: i64) -> ClockReading {
        ClockReading {
            at: Micros(WALL + ahead),
            since_boot: HOUR,
            boot: Some("boot".into()),
            wall: Micros(WALL),
        }
    }

    fn machine(boot: Option<&str>, since_boot: i64, wall: i64) -> MachineTime {
        MachineTime { since_boot, boot: boot.map(Into::into), wall: Micros(wall) }
    }

    #[test]
    fn b66_clock_continues_across_a_restart_whatever_the_wall_clock_shows() {
        for correction in [0, 10 * SECOND, -10 * SECOND, HOUR, -HOUR] {
            let now = machine(Some("boot"), HOUR + 5 * SECOND, WALL + 5 * SECOND + correction);
            assert_eq!(stored(7).continued(&now), Micros(WALL + 7 + 5 * SECOND));
        }
    }

    #[test]
    fn b66_after_a_reboot_only_the_progress_of_the_wall_clock_counts() {
        let down = 100 * SECOND;
        for boot in [Some("another"), None] {
            let now = machine(boot, 20 * SECOND, WALL + down);
            assert_eq!(stored(-10 * SECOND).continued(&now), Micros(WALL - 10 * SECOND + down));
            let earlier = machine(boot, 20 * SECOND, WALL - HOUR);
            assert_eq!(stored(0).continued(&earlier), Micros(WALL), "never before what was stored");
        }
        // A snapshot of the machine was restored, or its clocks are others.
        let earlier = machine(Some("boot"), HOUR - SECOND, WALL + down);
        assert_eq!(stored(0).continued(&earlier), Micros(WALL + down));
        let unknown = ClockReading { boot: None, ..stored(0) };
        assert_eq!(unknown.continued(&machine(None, 2 * HOUR, WALL + down)), Micros(WALL + down));
    }

    #[test]
    fn clock_is_slewed_to_the_wall_clock_and_never_runs_backwards_or_past_it() {
        for behind in [10 * SECOND, -10 * SECOND] {
            let mut course = Course { at: WALL, since_boot: HOUR, behind };
            let mut last = WALL;
            for step in 1..=25_000 {
                let since_boot = HOUR + step * SECOND;
                let wall = WALL + behind + step * SECOND;
                let at = course.at(since_boot);
                let rate = (at - last) as f64 / SECOND as f64;
                assert!((0.9994..=1.0006).contains(&rate), "{rate}");
                last = at;
                course = course.steered(since_boot, Micros(wall));
                assert_eq!(course.at, at, "steering is no step");
                assert!(course.behind * behind >= 0, "past the wall clock");
            }
            assert_eq!(course.behind, 0);
        }
        // Without being steered, it does not go past it either.
        let course = Course { at: WALL, since_boot: 0, behind: SECOND };
        assert_eq!(course.at(100 * HOUR), WALL + 100 * HOUR + SECOND);
    }

    #[test]
    fn reading_is_stored_again_when_the_next_run_would_continue_elsewhere() {
        let later = |at: i64, wall: i64| ClockReading {
            at: Micros(WALL + HOUR + at),
            since_boot: 2 * HOUR,
            boot: Some("boot".into()),
            wall: Micros(WALL + HOUR + wall),
        };
        assert!(stored(0).predicts(&later(0, 0)));
        assert!(stored(0).predicts(&later(9_000, 50_000)));
        assert!(!stored(0).predicts(&later(11_000, 0)));
        assert!(!stored(0).predicts(&later(0, 200_000)));
        assert!(!stored(0).predicts(&ClockReading { boot: Some("another".into()), ..later(0, 0) }));
    }

    #[test]
    fn clock_never_starts_before_the_last_stored_instant() {
        let last = Micros(i64::MAX / 2);
        let clock = Clock::start(None, last);
        assert!(clock.now() >= last);
        assert!(clock.now() < last.plus_ms(60_000));
    }
}
