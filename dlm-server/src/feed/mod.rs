//! The live end of the event log, shared by all subscribers.
//!
//! One task tails the log, makes of each event the frame that carries it, and keeps
//! the newest in a ring. A subscriber holds only a cursor, so a slow subscriber costs
//! no more than a fast one and delays nobody.
//!
//! Without subscribers the log is not read.
//!
//! - `segment`: consecutive events in frames, shared by all that they are sent to
//! - `ring`: the newest segments
//! - `tailer`: reads the log
//! - `handover`: committed batches that need not be read
//! - `renewals`: renewals, which are not in the log

mod handover;
mod renewals;
mod ring;
mod segment;
mod tailer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_engine::Event;
use tokio::sync::{Notify, oneshot, watch};

use crate::log::Cursor;
use crate::store::Name;
use handover::Handover;
use renewals::Renewals;
use ring::Ring;

pub(crate) use renewals::{broadcast_renewals, send_renewals};
pub(crate) use segment::{Part, Segment, SegmentBuilder, join_frames};
pub(crate) use tailer::LogTailer;

/// The size of the events that a subscriber takes at a time: the last may be beyond it.
/// A peer that does not take so much within the timeout of a write is too slow.
pub(crate) const MAX_TAKEN_BYTES: usize = 64 * 1024;

/// How long a subscriber waits for the feed to read the log.
const LOG_END_WITHIN: Duration = Duration::from_secs(1);

/// The live end of the log. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ring: Mutex<Ring>,
    moved: watch::Sender<()>,
    /// What the tailer need not read.
    handover: Mutex<Handover>,
    wake: Notify,
    subscribers: AtomicUsize,
    /// Those that wait for the next read of the log.
    log_end_wanted: Mutex<Vec<oneshot::Sender<LogEnd>>>,
    renewals: Renewals,
}

/// The ends of the log, as the feed has read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogEnd {
    /// The position of the last batch.
    pub(crate) head: i64,
    /// The last position that was trimmed; 0 if none was.
    pub(crate) trimmed: i64,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            ring: Mutex::new(Ring::default()),
            moved: watch::Sender::new(()),
            handover: Mutex::default(),
            wake: Notify::new(),
            subscribers: AtomicUsize::new(0),
            log_end_wanted: Mutex::default(),
            renewals: Renewals::default(),
        }))
    }

    /// A batch has committed. `position` is where it is in the log, if that is known; then call
    /// this in the order of the log. A batch for which it is not called is read from the log.
    pub(crate) fn committed(&self, position: Option<i64>, events: Vec<(Name, Event)>) {
        if self.0.subscribers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let has_events = !events.is_empty();
        if let Some(position) = position {
            self.handover().add(position, events);
        }
        if has_events {
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

    fn handover(&self) -> MutexGuard<'_, Handover> {
        self.0.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_end_wanted(&self) -> MutexGuard<'_, Vec<oneshot::Sender<LogEnd>>> {
        self.0.log_end_wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the live end of the log. Dropping it unsubscribes.
#[derive(Debug)]
pub(crate) struct Subscriber {
    feed: Feed,
    moved: watch::Receiver<()>,
}

impl Subscriber {
    /// The next events after a cursor, at most [`MAX_TAKEN_BYTES`], and the cursor
    /// after them; `None` when the cursor is older than the ring.
    pub(crate) fn after(&mut self, at: Cursor) -> Option<(Vec<Part>, Cursor)> {
        // Before the read, so that a change after it is not missed.
        self.moved.borrow_and_update();
        self.feed.ring().after(at, MAX_TAKEN_BYTES)
    }

    /// The ends of the log, by a read that begins after the call: one read for all that
    /// subscribe meanwhile. `None` if the log can't be read in time.
    pub(crate) async fn log_end(&self) -> Option<LogEnd> {
        let (sender, receiver) = oneshot::channel();
        self.feed.log_end_wanted().push(sender);
        self.feed.0.wake.notify_one();
        tokio::time::timeout(LOG_END_WITHIN, receiver).await.ok()?.ok()
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
