//! The task that reads new events of the log into the feed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::handover::Handed;
use super::{Feed, LogEnd, SegmentBuilder};
use crate::background::Attempts;
use crate::log::{Cursor, LogDecoder};
use crate::store::{LogHead, LogPage, LoggedEvent, Reader, StoreError};

/// Log rows (one per batch) per read.
const ROWS: i64 = 256;
/// Poll interval while peers write to the log as well.
const SHARED_POLL: Duration = Duration::from_millis(25);
/// Poll interval while only this server writes, and wakes the tailer.
const POLL: Duration = Duration::from_secs(1);

/// For how long events are collected before they are sent, for each subscriber: less than
/// sending to it takes. What commits meanwhile is sent in the same write.
const COLLECT_PER_SUBSCRIBER: Duration = Duration::from_micros(2);
const MAX_COLLECT: Duration = Duration::from_millis(10);
/// A timer is no more exact than this.
const MIN_COLLECT: Duration = Duration::from_millis(1);

/// Reads new events of the log into a feed.
pub(crate) struct LogTailer {
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) decoder: Arc<LogDecoder>,
    /// Whether peers write to the log as well.
    pub(crate) shared: bool,
}

impl LogTailer {
    /// Tails the log until `stop` is cancelled. Blocks.
    pub(crate) async fn run(self, feed: Feed, mut attempts: Attempts, stop: CancellationToken) {
        let poll = if self.shared { SHARED_POLL } else { POLL };
        let mut up_to_date = false;
        loop {
            let mut pause = poll;
            if feed.0.subscribers.load(Ordering::Relaxed) == 0 {
                up_to_date = false;
                feed.ring().clear();
                feed.handover().clear();
            } else {
                match self.step(&feed, up_to_date) {
                    Ok(more) => {
                        attempts.succeeded();
                        up_to_date = true;
                        if more && !stop.is_cancelled() {
                            continue;
                        }
                    }
                    Err(error) => pause = attempts.failed(&error),
                }
            }
            tokio::select! {
                () = feed.0.wake.notified() => collect(&feed).await,
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Adds new events to the ring: those that were handed over, or else from the log. Returns
    /// whether there may be more.
    fn step(&self, feed: &Feed, up_to_date: bool) -> Result<bool, StoreError> {
        // Before the read. After an error they read the log themselves.
        let wanted = std::mem::take(&mut *feed.log_end_wanted());
        // Only a read tells where the log ends.
        if up_to_date && wanted.is_empty() {
            let end = feed.ring().end();
            let handed = feed.handover().take_after(end.position);
            if let Some(handed) = handed {
                self.add_handed(feed, &handed)?;
                return Ok(false);
            }
        }
        self.read(feed, up_to_date, wanted)
    }

    fn add_handed(&self, feed: &Feed, handed: &Handed) -> Result<(), StoreError> {
        let mut segments = SegmentBuilder::default();
        for batch in &handed.batches {
            for (index, (name, event)) in (0..).zip(&batch.events) {
                let at = Cursor { position: batch.position, index };
                segments.add(at, &LoggedEvent::new(name, event), &self.decoder)?;
            }
        }
        feed.ring().push(segments.finish(), Cursor::after_batch(handed.end));
        feed.0.moved.send_replace(());
        Ok(())
    }

    /// Reads new events of the log into the ring. Returns whether there may be more.
    fn read(
        &self,
        feed: &Feed,
        up_to_date: bool,
        wanted: Vec<oneshot::Sender<LogEnd>>,
    ) -> Result<bool, StoreError> {
        let from = if up_to_date { feed.ring().end().position + 1 } else { i64::MAX };
        let LogPage { rows, more, head: LogHead(head), trimmed } = self.reader.log(from, ROWS)?;
        let mut segments = SegmentBuilder::default();
        for (at, event) in rows.iter().flat_map(|row| self.decoder.events(row)) {
            segments.add(at, &event, &self.decoder)?;
        }
        let segments = segments.finish();
        let end = match rows.last() {
            Some(last) if more => last.position,
            // The read also covered batches without events.
            _ => head,
        };
        let moved = {
            let mut ring = feed.ring();
            let before = ring.end();
            if !up_to_date {
                ring.restart(Cursor::after_batch(head));
            }
            ring.trimmed(Cursor::after_batch(trimmed));
            ring.push(segments, Cursor::after_batch(end));
            ring.end() != before || !up_to_date
        };
        if moved {
            feed.0.moved.send_replace(());
        }
        for sender in wanted {
            // Fails only when the subscriber has left.
            sender.send(LogEnd { head, trimmed }).ok();
        }
        Ok(more)
    }
}

/// Waits for more events, the longer the more subscribers there are.
async fn collect(feed: &Feed) {
    let subscribers = u32::try_from(feed.0.subscribers.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    let pause = COLLECT_PER_SUBSCRIBER.saturating_mul(subscribers).min(MAX_COLLECT);
    if pause >= MIN_COLLECT {
        tokio::time::sleep(pause).await;
        // What has woken the tailer meanwhile is in the next read.
        feed.0.wake.notified().now_or_never();
    }
}

#[cfg(test)]
mod tests;
