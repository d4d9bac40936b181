//! The live end of the event log, once for all who follow it.
//!
//! A task reads what is new of the log, makes each event's text once, and keeps
//! the newest in a ring. Who follows holds a cursor and nothing else, so a slow
//! one costs no more than a fast one and delays nobody.
//!
//! While nobody follows, nothing is read. `renewals` has what is not in the log.

mod renewals;
mod ring;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::service::Error;
use crate::service::cursor::Cursor;
use crate::service::events::{logged, wire_event};
use crate::store::{LogHead, LogRow, Reader, StoreError};
use renewals::Renewals;
use ring::Ring;

pub(crate) use renewals::{Renewed, tell};
pub(crate) use ring::LiveEvent;

/// Rows of the log (a batch each) that are read at a time.
const ROWS: i64 = 256;
/// Between two looks where other servers write to the log as well.
const TICK: Duration = Duration::from_millis(25);
/// Between two looks where nobody else does.
const SLOW_TICK: Duration = Duration::from_secs(1);

/// The live end of the log. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ring: Mutex<Ring>,
    moved: watch::Sender<()>,
    wake: Notify,
    followers: AtomicUsize,
    renewals: Renewals,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            ring: Mutex::new(Ring::default()),
            moved: watch::Sender::new(()),
            wake: Notify::new(),
            followers: AtomicUsize::new(0),
            renewals: Renewals::default(),
        }))
    }

    /// There is something new in the log.
    pub(crate) fn wake(&self) {
        if self.0.followers.load(Ordering::Relaxed) > 0 {
            self.0.wake.notify_one();
        }
    }

    /// Begins to follow.
    pub(crate) fn follow(&self) -> Follower {
        self.0.followers.fetch_add(1, Ordering::Relaxed);
        self.0.wake.notify_one();
        Follower { feed: self.clone(), moved: self.0.moved.subscribe() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who follows.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Feed,
    moved: watch::Receiver<()>,
}

impl Follower {
    /// The next events behind a cursor and where they lead; `None` where the
    /// ring does not reach back so far.
    pub(crate) fn after(&mut self, at: Cursor, limit: usize) -> Option<(Vec<Arc<LiveEvent>>, Cursor)> {
        // Before the look, so that nothing that comes after it is missed.
        self.moved.borrow_and_update();
        self.feed.ring().after(at, limit)
    }

    /// Waits until there is more than at the last look.
    pub(crate) async fn moved(&mut self) {
        // The feed lives as long as one who follows it.
        self.moved.changed().await.ok();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes the events of a row ready to be sent.
pub(crate) fn live_events(row: &LogRow, log_id: u64) -> Result<Vec<Arc<LiveEvent>>, Error> {
    (0..)
        .zip(&logged(row)?)
        .map(|(index, event)| {
            let at = Cursor { position: row.position, index };
            let wire = wire_event(event, at.encode(log_id))?;
            let resource = wire.resource.to_shared();
            let text = serde_json::to_string(&wire).map_err(|_| Error::Internal)?;
            Ok(Arc::new(LiveEvent { at, resource, text: text.into() }))
        })
        .collect()
}

/// What the task that follows the log works with.
pub(crate) struct Follow {
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) log_id: u64,
    /// Whether other servers write to the log as well.
    pub(crate) shared: bool,
}

impl Follow {
    /// Follows the log until it is told to stop.
    pub(crate) async fn run(self, feed: Feed, stop: CancellationToken) {
        let tick = if self.shared { TICK } else { SLOW_TICK };
        let mut up_to_date = false;
        loop {
            if feed.0.followers.load(Ordering::Relaxed) == 0 {
                up_to_date = false;
                feed.ring().clear();
            } else {
                match self.step(&feed, up_to_date).await {
                    Ok(more) => {
                        up_to_date = true;
                        if more && !stop.is_cancelled() {
                            continue;
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the event log could not be followed"),
                }
            }
            tokio::select! {
                () = feed.0.wake.notified() => {}
                () = tokio::time::sleep(tick) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Takes in what is new. Tells whether there may be more.
    async fn step(&self, feed: &Feed, up_to_date: bool) -> Result<bool, StoreError> {
        let from = if up_to_date { feed.ring().end().position + 1 } else { i64::MAX };
        let (reader, log_id) = (Arc::clone(&self.reader), self.log_id);
        let read = move || {
            let page = reader.log(from, ROWS)?;
            let damaged = |error: Error| StoreError::Corrupt(error.to_string());
            let rows = page.rows.iter().map(|row| {
                let end = Cursor::after_batch(row.position);
                Ok((live_events(row, log_id).map_err(damaged)?, end))
            });
            Ok::<_, StoreError>((rows.collect::<Result<Vec<_>, StoreError>>()?, page.head, page.trimmed))
        };
        let (rows, LogHead(head), trimmed) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))??;
        let more = rows.len() as i64 == ROWS;
        let moved = {
            let mut ring = feed.ring();
            let before = ring.end();
            if !up_to_date {
                ring.begin(Cursor::after_batch(head));
            }
            ring.forgotten(Cursor::after_batch(trimmed));
            for (events, end) in rows {
                ring.push(events, end);
            }
            if !more {
                // Batches without events are part of the log that was read.
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
