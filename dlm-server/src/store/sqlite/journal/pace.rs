//! When the tail is applied, and how much of it at a time.

use std::time::Duration;

use super::apply::Budget;
use super::tail::Tail;

/// How long the tables may lag behind. What changes more often is written once.
const MAX_AGE: Duration = Duration::from_millis(100);
/// How long there must be no batch for the writer to be idle.
const IDLE: Duration = Duration::from_millis(2);
/// An idle writer applies nothing younger: a caller that comes every few milliseconds would
/// find it at that each time, and wait for the sync of all the pages.
const MIN_AGE: Duration = Duration::from_millis(50);
/// The tail is applied whatever its age when it has so many claims, or bytes. It takes them
/// in memory as well, and readers decode them.
const MAX_CLAIMS: usize = 8192;
const MAX_BYTES: usize = 16 << 20;
/// A transaction applies this part of the tail. It runs between two batches, while the callers
/// of the last one process their replies; if it were much longer, all of them would wait for
/// it. The larger the tail is, the larger are the parts, so that they keep up with any load.
const SHARE: usize = 16;
/// But so many claims and rows at least: each transaction has a cost of its own.
const MIN_PART: usize = 32;
/// And no longer than this, if the disk is slow.
const MAX_TIME: Duration = Duration::from_millis(2);
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(100);

/// When the tail is applied.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Pace {
    /// About when the oldest batch of the tail committed.
    began: Duration,
    last_commit: Duration,
    /// The batches up to this one are being applied.
    until: Option<i64>,
    /// Not before, after a failure.
    retry_at: Option<Duration>,
}

impl Pace {
    /// A batch has committed.
    pub(in crate::store::sqlite) fn committed(&mut self, was_empty: bool, now: Duration) {
        self.last_commit = now;
        if was_empty {
            self.began = now;
        }
    }

    /// How long until a part of the tail has to be applied; `None` if it is empty.
    pub(in crate::store::sqlite) fn due_in(&mut self, tail: &Tail, now: Duration) -> Option<Duration> {
        let last = tail.last_position()?;
        if let Some(retry_at) = self.retry_at {
            return Some(retry_at.saturating_sub(now));
        }
        let idle_at = self.last_commit + IDLE;
        let due = (self.began + MAX_AGE).min(idle_at.max(self.began + MIN_AGE));
        if self.until.is_none() && (now >= due || tail.claims() >= MAX_CLAIMS || tail.bytes() >= MAX_BYTES) {
            self.until = Some(last);
        }
        Some(if self.until.is_some() { Duration::ZERO } else { due - now })
    }

    /// What to apply next.
    pub(in crate::store::sqlite) fn part(&self, tail: &Tail) -> Budget {
        Budget {
            until: self.until.unwrap_or(i64::MAX),
            claims: (tail.claims() / SHARE).max(MIN_PART),
            rows: (tail.rows().len() / SHARE).max(MIN_PART),
            time: MAX_TIME,
        }
    }

    /// A part of the tail was applied.
    pub(in crate::store::sqlite) fn applied(&mut self, tail: &Tail, now: Duration) {
        self.retry_at = None;
        if let Some(until) = self.until
            && tail.rows().next().is_none_or(|row| row.position > until)
        {
            self.until = None;
            self.began = now;
        }
    }

    /// It could not be applied. Returns whether that is new.
    pub(in crate::store::sqlite) fn failed(&mut self, now: Duration) -> bool {
        self.retry_at.replace(now + RETRY).is_none()
    }

    /// Whether the next batch has to wait until a part is applied.
    pub(in crate::store::sqlite) fn is_too_long(tail: &Tail) -> bool {
        tail.claims() > 2 * MAX_CLAIMS || tail.bytes() > 2 * MAX_BYTES
    }
}

#[cfg(test)]
mod tests;
