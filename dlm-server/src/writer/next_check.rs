//! When the sweeper has to check the store next: writers set it, the sweeper
//! sleeps until then.

use std::sync::atomic::{AtomicI64, Ordering};

use dlm_engine::Micros;
use tokio::sync::Notify;

/// The earliest instant at which something becomes due.
#[derive(Debug)]
pub(crate) struct NextCheck {
    at: AtomicI64,
    moved_earlier: Notify,
}

impl NextCheck {
    /// No check is due.
    pub(crate) fn new() -> Self {
        Self { at: AtomicI64::new(i64::MAX), moved_earlier: Notify::new() }
    }

    /// Schedules a check at this instant unless an earlier one is scheduled.
    pub(crate) fn schedule(&self, at: Micros) {
        if at.0 < self.at.fetch_min(at.0, Ordering::AcqRel) {
            self.moved_earlier.notify_one();
        }
    }

    /// Unschedules the check. Call it before reading the store: whatever a
    /// commit schedules during the read is kept.
    pub(crate) fn clear(&self) {
        self.at.store(i64::MAX, Ordering::Release);
    }

    /// The instant of the check; [`Micros::MAX`] when none is scheduled.
    pub(crate) fn at(&self) -> Micros {
        Micros(self.at.load(Ordering::Acquire))
    }

    /// Waits until the check moves to an earlier instant.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a move that was not observed completes the next call.
    pub(crate) async fn moved_earlier(&self) {
        self.moved_earlier.notified().await;
    }
}
