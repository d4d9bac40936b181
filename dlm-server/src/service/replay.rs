//! Reads of stored events, for subscribers that are behind the ring.
//!
//! After an interruption thousands resume from the same cursor. Those that see everything
//! share what was read, as long as one of them is still sending it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::reads::Reads;
use super::subscribe::EventFilter;
use super::{Error, Service};
use crate::auth::Visibility;
use crate::feed::{MAX_TAKEN_BYTES, Part, SegmentBuilder};
use crate::log::Cursor;
use crate::store::{LogHead, LogPage};

/// Log rows (one per batch) per read.
const ROWS: i64 = 64;
/// How many parts of the log may be in memory at a time. Further subscribers wait for
/// their turn: many may resume at once, and not all of them read fast.
const MAX_REPLAYS: usize = 256;

/// A part of the log.
#[derive(Debug)]
pub(super) struct StoredPart {
    pub(super) events: Vec<Part>,
    /// The end of the part.
    pub(super) end: Cursor,
    /// The ends of the log when it was read.
    pub(super) head: i64,
    pub(super) trimmed: i64,
    _replay: OwnedSemaphorePermit,
}

/// The parts of the log in memory.
#[derive(Debug)]
pub(super) struct Replays {
    permits: Arc<Semaphore>,
    /// Those with all events, by the cursor that they begin after.
    shared: Mutex<HashMap<Cursor, Weak<OnceCell<Arc<StoredPart>>>>>,
}

impl Default for Replays {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_REPLAYS)), shared: Mutex::default() }
    }
}

impl Replays {
    /// The place of the part after a cursor, which is read once.
    fn shared(&self, after: Cursor) -> Arc<OnceCell<Arc<StoredPart>>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = shared.get(&after).and_then(Weak::upgrade) {
            return cell;
        }
        shared.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::default();
        shared.insert(after, Arc::downgrade(&cell));
        cell
    }
}

/// Which events of a part are wanted.
pub(super) struct Wanted {
    pub(super) filter: EventFilter,
    pub(super) visibility: Arc<Visibility>,
}

impl Wanted {
    pub(super) fn is_everything(&self) -> bool {
        self.filter.is_everything() && self.visibility.is_everything()
    }

    fn matches(&self, resource: &str) -> bool {
        self.filter.matches(resource) && self.visibility.sees(resource)
    }
}

/// A part of the log, and its place among those that are shared. Keep it until the events are
/// sent.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    pub(super) part: Arc<StoredPart>,
    _shared: Option<Arc<OnceCell<Arc<StoredPart>>>>,
}

/// Reads the next part of the log after a cursor. It may have no events before the end of the
/// log.
pub(super) async fn read(
    service: Service,
    reads: Reads,
    wanted: Wanted,
    after: Cursor,
) -> Result<Replay, Error> {
    let replays = Arc::clone(&service.0.replays);
    if !wanted.is_everything() {
        let part = read_part(&service, reads, wanted, after).await?;
        return Ok(Replay { part: Arc::new(part), _shared: None });
    }
    let cell = replays.shared(after);
    let reading = || async { Ok::<_, Error>(Arc::new(read_part(&service, reads, wanted, after).await?)) };
    let part = Arc::clone(cell.get_or_try_init(reading).await?);
    Ok(Replay { part, _shared: Some(cell) })
}

async fn read_part(
    service: &Service,
    reads: Reads,
    wanted: Wanted,
    after: Cursor,
) -> Result<StoredPart, Error> {
    let permits = Arc::clone(&service.0.replays.permits);
    let replay = permits.acquire_owned().await.map_err(|_| Error::Internal)?;
    let decoder = Arc::clone(&service.0.decoder);
    let reads = reads.permit_in_turn().await?;
    let read = reads.read(move |reader| {
        let LogPage { rows, more, head: LogHead(head), trimmed } = reader.log(after.next_position(), ROWS)?;
        let mut segments = SegmentBuilder::default();
        let mut end = None;
        let all = rows.iter().flat_map(|row| decoder.events(row));
        for (at, event) in all.filter(|(at, event)| *at > after && wanted.matches(&event.resource)) {
            segments.add(at, &event, &decoder)?;
            if segments.bytes() >= MAX_TAKEN_BYTES {
                end = Some(at);
                break;
            }
        }
        let end = end.unwrap_or(match rows.last() {
            Some(row) if more => Cursor::after_batch(row.position),
            _ => Cursor::after_batch(head),
        });
        let events = segments.finish().iter().map(Part::whole).collect();
        Ok(StoredPart { events, end, head, trimmed, _replay: replay })
    });
    read.await
}

#[cfg(test)]
mod tests;
