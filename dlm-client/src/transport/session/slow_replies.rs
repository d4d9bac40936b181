//! Operations whose reply does not come soon.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// A reply comes soon if it comes within this time; at the latest, within twice of it.
const SOON: Duration = Duration::from_millis(10);

/// The operations that are given some time before they get a task. They all share one timer.
#[derive(Debug)]
pub(super) struct SlowReplies {
    /// Submitted since the last tick.
    recent: Vec<u64>,
    /// Submitted before it.
    older: Vec<u64>,
    timer: Interval,
}

impl SlowReplies {
    pub(super) fn new() -> Self {
        let mut timer = interval(SOON);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { recent: Vec::new(), older: Vec::new(), timer }
    }

    /// Adds an operation.
    pub(super) fn expect(&mut self, id: u64) {
        self.recent.push(id);
    }

    /// Whether [`next`](Self::next) has anything to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.older.is_empty()
    }

    /// Takes all operations, whether they have had their time or not.
    pub(super) fn take_all(&mut self) -> Vec<u64> {
        let mut all = std::mem::take(&mut self.older);
        all.append(&mut self.recent);
        all
    }

    /// Waits for the next tick, and returns the operations that have had their time. Most of
    /// them have a reply.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no operation is lost.
    pub(super) async fn next(&mut self) -> Vec<u64> {
        self.timer.tick().await;
        std::mem::replace(&mut self.older, std::mem::take(&mut self.recent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn operation_has_at_least_its_time() {
        let mut replies = SlowReplies::new();
        assert!(replies.is_empty());
        assert!(replies.next().await.is_empty());
        tokio::time::sleep(3 * SOON).await;
        replies.expect(7);
        assert!(!replies.is_empty());
        assert!(replies.next().await.is_empty(), "the tick was due before");
        assert!(!replies.is_empty());
        assert_eq!(replies.next().await, [7]);
        assert!(replies.is_empty());
    }
}
