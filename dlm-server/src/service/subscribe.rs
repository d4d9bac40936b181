//! A subscription to the event log: first the stored events, then the live ones.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::ResourceName;
use tokio::sync::broadcast;

use super::{Error, Service};
use crate::feed::{LiveEvent, RenewalMessage, Subscriber, live_events};
use crate::log::{Cursor, CursorError};
use crate::store::{LogHead, LogPage};

/// Log rows (one per batch) per read.
const ROWS: i64 = 64;
/// Maximum events per item.
const MAX_EVENTS: usize = 512;
/// How long the feed takes to start for its first subscriber.
const FEED_START: Duration = Duration::from_millis(20);

/// Which events a subscription delivers.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFilter {
    pub(crate) prefix: String,
    pub(crate) resource: Option<ResourceName>,
}

impl EventFilter {
    fn matches(&self, resource: &str) -> bool {
        resource.starts_with(&self.prefix)
            && self.resource.as_ref().is_none_or(|only| only.as_str() == resource)
    }
}

/// What a subscription delivers next.
pub(crate) enum SubscriptionItem {
    Events(Vec<Arc<LiveEvent>>),
    /// Everything that was committed before the subscription began has been
    /// delivered; live events follow.
    Synced,
}

/// Why a subscription ends.
#[derive(Debug)]
pub(crate) enum SubscriptionEnd {
    /// The subscriber fell further behind the live end than the feed keeps.
    TooSlow,
    Failed(Error),
}

impl From<Error> for SubscriptionEnd {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<CursorError> for SubscriptionEnd {
    fn from(error: CursorError) -> Self {
        Self::Failed(error.into())
    }
}

/// A subscriber's position in the log.
pub(crate) struct Subscription {
    service: Service,
    subscriber: Subscriber,
    filter: EventFilter,
    at: Cursor,
    /// The end of the log when the subscription began: `synced` comes after it.
    head: Cursor,
    live: bool,
    /// The read in progress. It is kept here because a future of
    /// [`Subscription::next`] may be dropped before the read completes.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<StoredEvents, Error>> + Send>>;

/// A part of the log and its serialized events.
struct StoredEvents {
    page: LogPage,
    events: Vec<Arc<LiveEvent>>,
}

impl Service {
    /// Subscribes to the events after a cursor, or from now on.
    pub(crate) async fn subscribe(
        &self,
        after: Option<&str>,
        filter: EventFilter,
    ) -> Result<Subscription, Error> {
        let after = after.map(|cursor| self.cursor(cursor)).transpose()?;
        // Before the head is read, so that the feed has whatever comes after it.
        let subscriber = self.0.feed.subscribe();
        let LogPage { head: LogHead(head), trimmed, .. } =
            self.0.reads.permit().await?.read(|reader| reader.log(i64::MAX, 1)).await?;
        let at = match after {
            Some(at) => at.check(head, trimmed).map(|()| at)?,
            None => Cursor::after_batch(head),
        };
        let (service, head) = (self.clone(), Cursor::after_batch(head));
        Ok(Subscription { service, subscriber, filter, at, head, live: false, reading: None })
    }

    /// Subscribes to renewals from now on.
    pub(crate) fn subscribe_to_renewals(&self) -> broadcast::Receiver<RenewalMessage> {
        self.0.feed.subscribe_to_renewals()
    }
}

impl Subscription {
    /// The cursor to resume from.
    pub(crate) fn cursor(&self) -> String {
        self.at.encode(self.service.0.decoder.log_id())
    }

    pub(crate) fn matches(&self, resource: &str) -> bool {
        self.filter.matches(resource)
    }

    /// Waits for the next item.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses no event.
    pub(crate) async fn next(&mut self) -> Result<SubscriptionItem, SubscriptionEnd> {
        loop {
            let Some((events, upto)) = self.subscriber.after(self.at, MAX_EVENTS) else {
                if self.live {
                    return Err(SubscriptionEnd::TooSlow);
                }
                let events = self.next_stored().await?;
                if !events.is_empty() {
                    return Ok(SubscriptionItem::Events(events));
                }
                continue;
            };
            let moved = upto > self.at;
            self.at = upto;
            let events: Vec<_> = events.into_iter().filter(|event| self.matches(&event.resource)).collect();
            if !events.is_empty() {
                return Ok(SubscriptionItem::Events(events));
            }
            if !moved {
                // The feed may not have read yet what was committed before the
                // subscription began.
                if !self.live && self.at >= self.head {
                    self.live = true;
                    return Ok(SubscriptionItem::Synced);
                }
                self.subscriber.moved().await;
            }
        }
    }

    /// Reads the next stored events and returns those that match. The list may be
    /// empty before the end of the log.
    async fn next_stored(&mut self) -> Result<Vec<Arc<LiveEvent>>, SubscriptionEnd> {
        let (service, from) = (&self.service, self.at.position);
        let read = self.reading.get_or_insert_with(|| Box::pin(read_stored(service.clone(), from))).await;
        self.reading = None;
        let StoredEvents { page: LogPage { rows, head: LogHead(head), trimmed }, events } = read?;
        self.at.check(head, trimmed)?;
        let at = self.at;
        let matching =
            events.into_iter().filter(|event| event.at > at && self.matches(&event.resource)).collect();
        let end = match rows.last() {
            Some(row) if rows.len() as i64 == ROWS => row.position,
            _ => head,
        };
        if Cursor::after_batch(end) > self.at {
            self.at = Cursor::after_batch(end);
        } else {
            // Everything stored was read, but the feed has not started yet.
            tokio::time::sleep(FEED_START).await;
        }
        Ok(matching)
    }
}

async fn read_stored(service: Service, from: i64) -> Result<StoredEvents, Error> {
    let decoder = Arc::clone(&service.0.decoder);
    let reads = service.0.reads.permit_in_turn().await?;
    let read = reads.read(move |reader| {
        let page = reader.log(from, ROWS)?;
        let mut events = Vec::new();
        for row in &page.rows {
            events.extend(live_events(row, &decoder)?);
        }
        Ok(StoredEvents { page, events })
    });
    read.await
}
