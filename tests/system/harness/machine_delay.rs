//! How much the machine itself delays a test, so that bounds on time are strict on a
//! quiet machine and hold on a busy one.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::now;

const PAUSE: Duration = Duration::from_millis(5);
/// The samples between two syncs of a file.
const SAMPLES_PER_SYNC: u32 = 20;
/// An operation that is measured may be delayed this often: in the test, in the
/// server, and in its database.
const DELAYS_PER_OPERATION: u32 = 4;

/// Measures how late a thread wakes up and how long a sync of a small file takes,
/// until it is dropped.
#[derive(Debug)]
pub(crate) struct MachineDelay {
    longest_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MachineDelay {
    pub(crate) fn watch() -> Self {
        let (longest_us, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (longest, stopped) = (Arc::clone(&longest_us), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut file = tempfile::tempfile().expect("a file");
            let record = |delay: Duration| {
                longest.fetch_max(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
            };
            for sample in 0_u32.. {
                let started = now();
                std::thread::sleep(PAUSE);
                record(started.elapsed() - PAUSE);
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                if sample.is_multiple_of(SAMPLES_PER_SYNC) {
                    let started = now();
                    file.write_all(b"x").and_then(|()| file.sync_data()).expect("the file is written");
                    record(started.elapsed());
                }
            }
        });
        Self { longest_us, stop, thread: Some(thread) }
    }

    /// A bound, extended by what the machine has delayed so far.
    pub(crate) fn extend(&self, bound: Duration) -> Duration {
        bound + DELAYS_PER_OPERATION * Duration::from_micros(self.longest_us.load(Ordering::SeqCst))
    }

    /// Asserts that something took less than a bound, apart from the machine's delay.
    #[track_caller]
    pub(crate) fn assert_within(&self, what: &str, took: Duration, bound: Duration) {
        let extended = self.extend(bound);
        assert!(took < extended, "{what} took {took:?}, more than {bound:?} ({extended:?} on this machine)");
    }
}

impl Drop for MachineDelay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
