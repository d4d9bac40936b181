//! The live end of the event log, shared by all subscribers.
//!
//! One task tails the log, serializes each event once, and keeps the newest in
//! a ring. A subscriber holds only a cursor, so a slow subscriber costs no more
//! than a fast one and delays nobody.
//!
//! Without subscribers the log is not read.
//!
//! - `ring`: the newest events
//! - `renewals`: renewals, which are not in the log

mod renewals;
mod ring;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::log::{Cursor, LogDecoder};
use crate::store::{LogHead, LogPage, LoggedEvent, Reader, StoreError};
use renewals::Renewals;
use ring::Ring;

pub(crate) use renewals::{RenewalMessage, broadcast_renewals};
pub(crate) use ring::LiveEvent;

/// Log rows (one per batch) per read.
const ROWS: i64 = 256;
/// Poll interval while peers write to the log as well.
const SHARED_POLL: Duration = Duration::from_millis(25);
/// Poll interval while only this server writes, and wakes the tailer.
const POLL: Duration = Duration::from_secs(1);

/// How many events a subscriber takes at a time, and the size of their texts: the
/// last may be beyond it.
pub(crate) const MAX_TAKEN: usize = 512;
pub(crate) const MAX_TAKEN_BYTES: usize = 128 * 1024;

/// The live end of the log. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ring: Mutex<Ring>,
    moved: watch::Sender<()>,
    wake: Notify,
    subscribers: AtomicUsize,
    renewals: Renewals,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            ring: Mutex::new(Ring::default()),
            moved: watch::Sender::new(()),
            wake: Notify::new(),
            subscribers: AtomicUsize::new(0),
            renewals: Renewals::default(),
        }))
    }

    /// Wakes the tailer: the log has new events.
    pub(crate) fn wake(&self) {
        if self.0.subscribers.load(Ordering::Relaxed) > 0 {
            self.0.wake.notify_one();
        }
    }

    /// Subscribes to events from now on.
    pub(crate) fn subscribe(&self) -> Subscriber {
        self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        self.0.wake.notify_one();
        Subscriber { feed: self.clone(), moved: self.0.moved.subscribe() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the live end of the log. Dropping it unsubscribes.
#[derive(Debug)]
pub(crate) struct Subscriber {
    feed: Feed,
    moved: watch::Receiver<()>,
}

impl Subscriber {
    /// The next events after a cursor, at most [`MAX_TAKEN`] and
    /// [`MAX_TAKEN_BYTES`], and the cursor after them; `None` when the cursor is
    /// older than the ring.
    pub(crate) fn after(&mut self, at: Cursor) -> Option<(Vec<Arc<LiveEvent>>, Cursor)> {
        // Before the read, so that a change after it is not missed.
        self.moved.borrow_and_update();
        self.feed.ring().after(at, MAX_TAKEN, MAX_TAKEN_BYTES)
    }

    /// Waits until the feed has moved since the last call of [`Self::after`].
    pub(crate) async fn moved(&mut self) {
        // Fails only without the feed, and `self` holds it.
        self.moved.changed().await.ok();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.feed.0.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serializes an event; `None` if a value in it is invalid.
pub(crate) fn live_event(
    at: Cursor,
    event: &LoggedEvent<'_>,
    decoder: &LogDecoder,
) -> Result<Option<Arc<LiveEvent>>, StoreError> {
    let Some(wire) = decoder.wire(at, event) else { return Ok(None) };
    let resource = wire.resource.to_shared();
    let text = serde_json::to_string(&wire).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(Arc::new(LiveEvent { at, resource, text: text.into() })))
}

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
                () = feed.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads new events into the ring. Returns whether there may be more.
    fn step(&self, feed: &Feed, up_to_date: bool) -> Result<bool, StoreError> {
        let from = if up_to_date { feed.ring().end().position + 1 } else { i64::MAX };
        let LogPage { rows, more, head: LogHead(head), trimmed } = self.reader.log(from, ROWS)?;
        let rows = rows.iter().map(|row| {
            let end = Cursor::after_batch(row.position);
            let events = self.decoder.events(row);
            let events = events.filter_map(|(at, event)| live_event(at, &event, &self.decoder).transpose());
            Ok((events.collect::<Result<Vec<_>, _>>()?, end))
        });
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        let moved = {
            let mut ring = feed.ring();
            let before = ring.end();
            if !up_to_date {
                ring.restart(Cursor::after_batch(head));
            }
            ring.trimmed(Cursor::after_batch(trimmed));
            for (events, end) in rows {
                ring.push(events, end);
            }
            if !more {
                // The read also covered batches without events.
                ring.push(Vec::new(), Cursor::after_batch(head));
            }
            ring.end() != before || !up_to_date
        };
        if moved {
            feed.0.moved.send_replace(());
        }
        Ok(more)
    }
}
