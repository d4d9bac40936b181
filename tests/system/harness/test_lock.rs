//! Which tests of the process run at once. Most share the machine with a few others.
//! Those that wait for most of their time, and measure some of it, run beside each other
//! on a quiet machine. Those that load the machine, or measure what a little load changes,
//! run alone.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};

/// How many tests have to wait for a quiet machine before no shared ones start, unless
/// none are left. The quiet ones then run at once, so more of them take no longer. It is
/// less than the number of test threads, so that some run shared tests meanwhile.
const QUIET_BATCH: usize = 10;

#[derive(Clone, Copy, PartialEq)]
enum Access {
    /// With some others.
    Shared,
    /// With others of this kind.
    Quiet,
    /// With none.
    Exclusive,
}

/// How many tests have, or wait for, each access.
struct Count {
    shared: usize,
    quiet: usize,
    exclusive: usize,
}

impl Count {
    const ZERO: Self = Self { shared: 0, quiet: 0, exclusive: 0 };

    fn of(&mut self, access: Access) -> &mut usize {
        match access {
            Access::Shared => &mut self.shared,
            Access::Quiet => &mut self.quiet,
            Access::Exclusive => &mut self.exclusive,
        }
    }
}

struct State {
    running: Count,
    waiting: Count,
    /// No shared test starts until all others that wait have started.
    quiet_turn: bool,
}

impl State {
    /// Whether a test with this access may start. If none runs, one of those that wait may.
    fn admits(&self, access: Access) -> bool {
        let Self { running, waiting, .. } = self;
        running.exclusive == 0
            && match access {
                Access::Shared => running.quiet == 0 && running.shared < max_shared() && !self.quiet_turn,
                Access::Quiet => running.shared == 0,
                Access::Exclusive => running.shared == 0 && running.quiet == 0 && waiting.quiet == 0,
            }
    }

    fn update_turn(&mut self) {
        let waiting = self.waiting.quiet + self.waiting.exclusive;
        self.quiet_turn = waiting >= QUIET_BATCH || self.quiet_turn && waiting > 0;
    }
}

/// A shared test waits now and then, too.
fn max_shared() -> usize {
    1 + std::thread::available_parallelism().map_or(1, usize::from)
}

static STATE: Mutex<State> =
    Mutex::new(State { running: Count::ZERO, waiting: Count::ZERO, quiet_turn: false });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// The lock is reentrant: a test that starts several servers locks once. A second
    /// lock could wait for a test that waits for the first one.
    static HELD: RefCell<Weak<TestLock>> = const { RefCell::new(Weak::new()) };
}

/// A hold on the lock by the test that runs on this thread. It is released with
/// the last reference to it.
pub(crate) struct TestLock {
    access: Access,
    released: AtomicBool,
}

/// Locks out all other tests: for one that loads the machine, or measures what a little
/// load changes. A test calls this before it starts anything.
#[must_use = "other tests run again once this is dropped"]
pub(crate) fn exclusive_test_lock() -> Arc<TestLock> {
    TestLock::acquire(Access::Exclusive)
}

/// Locks out the tests that load the machine: for one that needs answers in time, and
/// otherwise waits. A test calls this before it starts anything.
#[must_use = "other tests run again once this is dropped"]
pub(crate) fn quiet_test_lock() -> Arc<TestLock> {
    TestLock::acquire(Access::Quiet)
}

/// Lets all other tests run, also those that run alone, while this one waits for many
/// seconds. From here on it must do next to nothing, and allow for their load in what it
/// measures.
pub(crate) fn release_test_lock() {
    HELD.with_borrow(|held| held.upgrade().expect("the test holds the lock").release());
}

/// Locks out the tests that need a quiet machine.
pub(super) fn shared_test_lock() -> Arc<TestLock> {
    TestLock::acquire(Access::Shared)
}

impl TestLock {
    fn acquire(access: Access) -> Arc<Self> {
        HELD.with_borrow_mut(|held| {
            if let Some(lock) = held.upgrade() {
                let locked_enough = access == Access::Shared || access == lock.access;
                assert!(locked_enough, "take the test lock before anything else");
                return lock;
            }
            let lock = Arc::new(Self::wait(access));
            *held = Arc::downgrade(&lock);
            lock
        })
    }

    fn wait(access: Access) -> Self {
        let mut state = STATE.lock().expect("the lock is not poisoned");
        *state.waiting.of(access) += 1;
        state.update_turn();
        let mut state =
            CHANGED.wait_while(state, |state| !state.admits(access)).expect("the lock is not poisoned");
        *state.waiting.of(access) -= 1;
        *state.running.of(access) += 1;
        state.update_turn();
        CHANGED.notify_all();
        Self { access, released: AtomicBool::new(false) }
    }

    fn release(&self) {
        if !self.released.swap(true, Ordering::SeqCst) {
            *STATE.lock().expect("the lock is not poisoned").running.of(self.access) -= 1;
            CHANGED.notify_all();
        }
    }
}

impl Drop for TestLock {
    fn drop(&mut self) {
        self.release();
    }
}
