//! A subscription to the event log: first what is stored, then what happens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::ResourceName;
use tokio::sync::broadcast;

use super::cursor::Cursor;
use super::{Error, Service};
use crate::feed::{Follower, LiveEvent, Renewed, live_events};
use crate::store::{LogHead, LogPage};

/// Rows of the log (a batch each) that are read at a time, and events that are
/// handed out at a time.
const ROWS: i64 = 64;
const EVENTS: usize = 512;
/// Until the feed is at work for its first follower.
const FEED_STARTS: Duration = Duration::from_millis(20);

/// Which events one wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) prefix: String,
    pub(crate) resource: Option<ResourceName>,
}

impl Wanted {
    pub(crate) fn is(&self, resource: &str) -> bool {
        resource.starts_with(&self.prefix)
            && self.resource.as_ref().is_none_or(|wanted| wanted.as_str() == resource)
    }
}

/// What comes next.
pub(crate) enum Next {
    Events(Vec<Arc<LiveEvent>>),
    /// What follows happens from now on.
    Synced,
}

/// Why a subscription ends.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The reader fell behind the live end by more than is kept for it.
    TooSlow,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// One reader's place in the log: all that is kept of it.
pub(crate) struct Subscription {
    service: Service,
    follower: Follower,
    wanted: Wanted,
    at: Cursor,
    live: bool,
    /// What is being read: a future of [`Subscription::next`] may be dropped
    /// again and again before it is there.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Stored, Error>> + Send>>;

/// A part of the log, and its events.
struct Stored {
    page: LogPage,
    events: Result<Vec<Arc<LiveEvent>>, Error>,
}

impl Service {
    /// Subscribes to the events after a cursor, or from now on.
    pub(crate) async fn subscribe(&self, after: Option<&str>, wanted: Wanted) -> Result<Subscription, Error> {
        let after = after.map(|cursor| self.cursor(cursor)).transpose()?;
        // Before the look at the end of the log: what comes after it is fed.
        let follower = self.0.feed.follow();
        let LogPage { head: LogHead(head), trimmed, .. } =
            self.read(|reader| reader.log(i64::MAX, 1)).await?;
        let at = match after {
            Some(at) => at.check(head, trimmed).map(|()| at)?,
            None => Cursor::after_batch(head),
        };
        Ok(Subscription { service: self.clone(), follower, wanted, at, live: false, reading: None })
    }

    /// Renewals from now on.
    pub(crate) fn renewals(&self) -> broadcast::Receiver<Renewed> {
        self.0.feed.renewals()
    }
}

impl Subscription {
    /// Where to resume.
    pub(crate) fn cursor(&self) -> String {
        self.at.encode(self.service.0.log_id)
    }

    pub(crate) fn wants(&self, resource: &str) -> bool {
        self.wanted.is(resource)
    }

    /// What comes next.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Next, Ended> {
        loop {
            let Some((events, upto)) = self.follower.after(self.at, EVENTS) else {
                if self.live {
                    return Err(Ended::TooSlow);
                }
                let events = self.stored().await?;
                if !events.is_empty() {
                    return Ok(Next::Events(events));
                }
                continue;
            };
            let moved = upto > self.at;
            self.at = upto;
            let events: Vec<_> = events.into_iter().filter(|event| self.wants(&event.resource)).collect();
            if !events.is_empty() {
                return Ok(Next::Events(events));
            }
            if !moved {
                if !self.live {
                    self.live = true;
                    return Ok(Next::Synced);
                }
                self.follower.moved().await;
            }
        }
    }

    /// The next wanted events that are stored; perhaps none although there are
    /// more.
    async fn stored(&mut self) -> Result<Vec<Arc<LiveEvent>>, Ended> {
        let (service, from) = (&self.service, self.at.position);
        let read = self.reading.get_or_insert_with(|| Box::pin(read(service.clone(), from))).await;
        self.reading = None;
        let Stored { page: LogPage { rows, head: LogHead(head), trimmed }, events } = read?;
        self.at.check(head, trimmed)?;
        let at = self.at;
        let events = events?.into_iter();
        let wanted = events.filter(|event| event.at > at && self.wants(&event.resource)).collect();
        let end = match rows.last() {
            Some(row) if rows.len() as i64 == ROWS => row.position,
            _ => head,
        };
        if Cursor::after_batch(end) > self.at {
            self.at = Cursor::after_batch(end);
        } else {
            // All is read, but the feed does not reach back to here yet.
            tokio::time::sleep(FEED_STARTS).await;
        }
        Ok(wanted)
    }
}

async fn read(service: Service, from: i64) -> Result<Stored, Error> {
    let log_id = service.0.log_id;
    let read = service.read(move |reader| {
        let page = reader.log(from, ROWS)?;
        let events: Result<Vec<_>, Error> = page.rows.iter().map(|row| live_events(row, log_id)).collect();
        Ok(Stored { page, events: events.map(|events| events.into_iter().flatten().collect()) })
    });
    read.await
}
