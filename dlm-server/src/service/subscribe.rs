//! A subscription to the event log: first the stored events, then the live ones.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dlm_protocol::ResourceName;
use tokio::sync::broadcast;
use tokio::time::{Sleep, sleep};

use super::access::View;
use super::replay::{self, Replay, Wanted};
use super::wait_graph_updates::WaitGraphUpdates;
use super::{Error, Service};
use crate::auth::Principal;
use crate::feed::{LogEnd, MAX_TAKEN_BYTES, Part, Segment, Subscriber, join_frames};
use crate::log::{Cursor, CursorError};
use crate::store::{LogHead, LogPage};

/// How long the feed takes to start for its first subscriber.
const FEED_START: Duration = Duration::from_millis(20);

/// Which events a subscription delivers.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFilter {
    pub(crate) prefix: String,
    pub(crate) resource: Option<ResourceName>,
}

impl EventFilter {
    pub(super) fn is_everything(&self) -> bool {
        self.prefix.is_empty() && self.resource.is_none()
    }

    pub(super) fn matches(&self, resource: &str) -> bool {
        resource.starts_with(&self.prefix)
            && self.resource.as_ref().is_none_or(|only| only.as_str() == resource)
    }
}

/// Events to deliver. Stored events are in memory only for those that are sending them, so
/// keep it no longer than that takes.
pub(crate) struct EventBatch {
    /// Whole frames, some in each.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) replay: Option<Replay>,
}

/// What a subscription delivers next.
pub(crate) enum SubscriptionItem {
    Events(EventBatch),
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
    view: View,
    at: Cursor,
    /// The end of the log when the subscription began: `synced` comes after it.
    head: Cursor,
    live: bool,
    batching: Option<Batching>,
    /// The read in progress. It is kept here because a future of
    /// [`Subscription::next`] may be dropped before the read completes.
    reading: Option<Reading>,
}

/// Delivers what comes within an interval in one frame.
struct Batching {
    interval: Duration,
    /// Until the next live events are delivered. It is kept here for the same reason as a read.
    pause: Option<Pin<Box<Sleep>>>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Replay, Error>> + Send>>;

impl Service {
    /// Subscribes to the events after a cursor, or from now on.
    pub(crate) async fn subscribe(
        &self,
        principal: &Principal,
        after: Option<&str>,
        filter: EventFilter,
    ) -> Result<Subscription, Error> {
        let access = &self.0.access;
        let view = access.view(principal, filter.resource.as_ref())?;
        let after = after.map(|cursor| self.cursor(cursor)).transpose()?;
        // Before the head is read, so that the feed has whatever comes after it.
        let subscriber = access.feed(&view).subscribe();
        let LogEnd { head, trimmed } = match subscriber.log_end().await {
            Some(end) => end,
            None => self.read_log_end(&view).await?,
        };
        let at = match after {
            Some(at) => at.check(head, trimmed).map(|()| at)?,
            None => Cursor::after_batch(head),
        };
        let (service, head) = (self.clone(), Cursor::after_batch(head));
        Ok(Subscription {
            service,
            subscriber,
            filter,
            view,
            at,
            head,
            live: false,
            batching: None,
            reading: None,
        })
    }

    async fn read_log_end(&self, view: &View) -> Result<LogEnd, Error> {
        let permit = self.0.access.reads(view).permit().await?;
        let LogPage { head: LogHead(head), trimmed, .. } =
            permit.read(|reader| reader.log(i64::MAX, 1)).await?;
        Ok(LogEnd { head, trimmed })
    }
}

impl Subscription {
    /// Delivers live events at most once in this interval, unless more wait than are taken at a
    /// time. What of them is delivered at once is in one frame, a line for each message.
    pub(crate) fn batched(self, interval: Duration) -> Self {
        Self { batching: Some(Batching { interval, pause: None }), ..self }
    }

    /// The cursor to resume from.
    pub(crate) fn cursor(&self) -> String {
        self.at.encode(self.service.0.decoder.log_id())
    }

    /// Subscribes to renewals from now on.
    pub(crate) fn renewals(&self) -> broadcast::Receiver<Arc<Segment>> {
        self.service.0.access.feed(&self.view).subscribe_to_renewals()
    }

    /// Subscribes to the wait-for graph of what is in sight, whatever events are filtered.
    pub(crate) fn wait_graph_updates(&self) -> WaitGraphUpdates {
        self.service.clone().wait_graph_updates(self.view.clone())
    }

    /// The frames of the renewals to deliver.
    pub(crate) fn renewed(&mut self, renewals: &Arc<Segment>) -> Vec<Bytes> {
        let frames = self.frames(&[Part::whole(renewals)]);
        self.batch(frames)
    }

    /// In one frame, if that is wanted. Stored events are not joined: what many read at once is
    /// shared.
    fn batch(&self, frames: Vec<Bytes>) -> Vec<Bytes> {
        match self.batching.is_some() && !frames.is_empty() {
            true => vec![join_frames(&frames)],
            false => frames,
        }
    }

    /// The frames of the events to deliver.
    fn frames(&mut self, parts: &[Part]) -> Vec<Bytes> {
        let visibility = self.view.visibility();
        let everything = self.filter.is_everything() && visibility.is_everything();
        let matches = |resource: &str| self.filter.matches(resource) && visibility.sees(resource);
        let frames = parts.iter().map(|part| match everything {
            true => part.frames(),
            false => part.matching_frames(matches),
        });
        frames.filter(|frames| !frames.is_empty()).collect()
    }

    /// Waits for the next item.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses no event.
    pub(crate) async fn next(&mut self) -> Result<SubscriptionItem, SubscriptionEnd> {
        loop {
            if let Some(batching) = &mut self.batching
                && let Some(pause) = &mut batching.pause
            {
                pause.await;
                batching.pause = None;
            }
            let Some((parts, upto)) = self.subscriber.after(self.at) else {
                if self.live {
                    return Err(SubscriptionEnd::TooSlow);
                }
                let replay = self.next_stored().await?;
                // The policy may have changed during the read.
                let frames = self.frames(&replay.part.events);
                if !frames.is_empty() {
                    return Ok(SubscriptionItem::Events(EventBatch { frames, replay: Some(replay) }));
                }
                continue;
            };
            let moved = upto > self.at;
            self.at = upto;
            let frames = self.frames(&parts);
            if !frames.is_empty() {
                let frames = self.batch(frames);
                let more = parts.iter().map(Part::bytes).sum::<usize>() >= MAX_TAKEN_BYTES;
                if let Some(batching) = &mut self.batching {
                    batching.pause = (self.live && !more).then(|| Box::pin(sleep(batching.interval)));
                }
                return Ok(SubscriptionItem::Events(EventBatch { frames, replay: None }));
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

    /// Reads the next stored events. There may be none before the end of the log.
    async fn next_stored(&mut self) -> Result<Replay, SubscriptionEnd> {
        let at = self.at;
        if self.reading.is_none() {
            let wanted =
                Wanted { filter: self.filter.clone(), visibility: Arc::clone(self.view.visibility()) };
            let reads = self.service.0.access.reads(&self.view).clone();
            let reading = replay::read(self.service.clone(), reads, wanted, at);
            self.reading = Some(Box::pin(self.service.in_task(reading)));
        }
        let Some(reading) = &mut self.reading else { return Err(Error::Internal.into()) };
        let read = reading.await;
        self.reading = None;
        let replay = read?;
        let part = &replay.part;
        self.at.check(part.head, part.trimmed)?;
        if part.end > self.at {
            self.at = part.end;
        } else {
            // Everything stored was read, but the feed has not started yet.
            sleep(FEED_START).await;
        }
        Ok(replay)
    }
}
