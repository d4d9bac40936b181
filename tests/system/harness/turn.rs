//! Whose turn it is: tests that measure time, or that load the machine, run
//! alone; all others beside each other.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, Weak};

/// What runs now, and how many tests wait to run alone.
struct Running {
    beside: usize,
    alone: bool,
    wanting: usize,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { beside: 0, alone: false, wanting: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// A test has one turn, however many servers it starts: one that waited for
    /// a second while another waits to run alone would wait for ever.
    static MINE: RefCell<Weak<Turn>> = const { RefCell::new(Weak::new()) };
}

/// The turn of the test that this thread runs. It lasts as long as anything
/// that holds it.
pub(crate) struct Turn {
    alone: bool,
}

/// Waits until nothing else runs, and keeps it so. A test says so before all
/// else.
#[must_use = "others run as soon as it is dropped"]
pub(crate) fn alone() -> Arc<Turn> {
    Turn::take(true)
}

/// The turn of a test that others may run beside.
pub(super) fn beside_others() -> Arc<Turn> {
    Turn::take(false)
}

impl Turn {
    fn take(alone: bool) -> Arc<Self> {
        MINE.with_borrow_mut(|mine| {
            if let Some(turn) = mine.upgrade() {
                assert!(turn.alone || !alone, "a test that runs alone says so before all else");
                return turn;
            }
            let turn = Arc::new(Self::wait(alone));
            *mine = Arc::downgrade(&turn);
            turn
        })
    }

    fn wait(alone: bool) -> Self {
        let mut running = RUNNING.lock().expect("nothing fails while it is locked");
        running.wanting += usize::from(alone);
        // Those who want to run alone go first: they would never find a gap.
        let mut running = CHANGED
            .wait_while(running, |running| {
                running.alone || if alone { running.beside > 0 } else { running.wanting > 0 }
            })
            .expect("nothing fails while it is locked");
        if alone {
            running.wanting -= 1;
            running.alone = true;
        } else {
            running.beside += 1;
        }
        Self { alone }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().expect("nothing fails while it is locked");
        if self.alone {
            running.alone = false;
        } else {
            running.beside -= 1;
        }
        CHANGED.notify_all();
    }
}
