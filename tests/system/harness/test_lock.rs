//! A reader-writer lock over all tests of the process. Tests that measure time
//! or load the machine hold it exclusively; all others share it.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, Weak};

/// The tests that hold the lock, and how many wait to hold it exclusively.
struct State {
    shared: usize,
    exclusive: bool,
    exclusive_waiters: usize,
}

static STATE: Mutex<State> = Mutex::new(State { shared: 0, exclusive: false, exclusive_waiters: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// The lock is reentrant: a test that starts several servers locks once.
    /// Locking again while another test waits for exclusive access would
    /// deadlock.
    static HELD: RefCell<Weak<TestLock>> = const { RefCell::new(Weak::new()) };
}

/// A hold on the lock by the test that runs on this thread. It is released with
/// the last reference to it.
pub(crate) struct TestLock {
    exclusive: bool,
}

/// Locks out all other tests. A test calls this before it starts anything.
#[must_use = "other tests run again once this is dropped"]
pub(crate) fn exclusive_test_lock() -> Arc<TestLock> {
    TestLock::acquire(true)
}

/// Locks out tests that need the machine to themselves.
pub(super) fn shared_test_lock() -> Arc<TestLock> {
    TestLock::acquire(false)
}

impl TestLock {
    fn acquire(exclusive: bool) -> Arc<Self> {
        HELD.with_borrow_mut(|held| {
            if let Some(lock) = held.upgrade() {
                assert!(lock.exclusive || !exclusive, "take the exclusive test lock before anything else");
                return lock;
            }
            let lock = Arc::new(Self::wait(exclusive));
            *held = Arc::downgrade(&lock);
            lock
        })
    }

    fn wait(exclusive: bool) -> Self {
        let mut state = STATE.lock().expect("the lock is not poisoned");
        state.exclusive_waiters += usize::from(exclusive);
        // Exclusive waiters go first, or a steady stream of shared holders would
        // starve them.
        let mut state = CHANGED
            .wait_while(state, |state| {
                state.exclusive || if exclusive { state.shared > 0 } else { state.exclusive_waiters > 0 }
            })
            .expect("the lock is not poisoned");
        if exclusive {
            state.exclusive_waiters -= 1;
            state.exclusive = true;
        } else {
            state.shared += 1;
        }
        Self { exclusive }
    }
}

impl Drop for TestLock {
    fn drop(&mut self) {
        let mut state = STATE.lock().expect("the lock is not poisoned");
        if self.exclusive {
            state.exclusive = false;
        } else {
            state.shared -= 1;
        }
        CHANGED.notify_all();
    }
}
