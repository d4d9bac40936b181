//! What happens to locks, as a stream.

use std::fmt;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dlm_protocol::{EVENTS_PROTOCOL, Event, EventMessage, ProblemCode, Renewal, ResourceName, close};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use crate::client::Client;
use crate::error::Error;
use crate::retry::Backoff;
use crate::transport::{Failure, OpenError, Socket, open_socket, segment};
use crate::worker::Shared;

/// Items that wait for their reader; then no more are read from the server.
const WAITING: usize = 256;
/// Without a message for so long the socket is dead: the server pings every 5 s
/// and sends bookmarks every 10 s.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two pages where sockets are forbidden.
const PAGE_EVERY: Duration = Duration::from_millis(500);
/// Pages before a socket is tried again.
const PAGES: usize = 60;

/// What a stream of events yields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventItem {
    /// Something happened.
    Event(Box<Event>),
    /// All that had happened has been told; what follows happens from now on.
    Synced,
    /// A lease began a new term. Only where asked for, and only while the
    /// stream is connected.
    Renewed(Renewal),
    /// The log does not reach back to where the stream was, or is another one:
    /// something was missed. The stream goes on from now.
    CursorLost,
}

/// A stream of events, from [`Client::events`].
///
/// It connects when it is first polled, reconnects by itself, to another server
/// if need be, and goes on where it was: each event comes once. Items are read
/// from the server only as fast as they are taken from the stream.
///
/// # Cancel safety
///
/// Dropping what waits for the next item loses nothing.
#[must_use = "nothing is asked before the stream is polled"]
pub struct Events {
    client: Client,
    filter: Filter,
    cursor: Option<String>,
    items: Option<mpsc::Receiver<Told>>,
    ended: bool,
}

#[derive(Debug, Clone, Default)]
struct Filter {
    prefix: String,
    resource: Option<ResourceName>,
    renewals: bool,
}

/// An item, and where to resume behind it. A bookmark is a place alone.
struct Told {
    item: Option<Result<EventItem, Error>>,
    cursor: Option<String>,
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, filter: Filter::default(), cursor: None, items: None, ended: false }
    }

    /// Only those of resources whose name begins so.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.filter.prefix = prefix.into();
        self
    }

    /// Only those of this resource.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) for a bad name.
    pub fn resource(mut self, name: impl AsRef<str>) -> Result<Self, Error> {
        self.filter.resource = Some(ResourceName::try_from(name.as_ref())?);
        Ok(self)
    }

    /// Renewals as well, or not, which is the default.
    pub fn renewals(mut self, renewals: bool) -> Self {
        self.filter.renewals = renewals;
        self
    }

    /// From this [`cursor`](Self::cursor) on, rather than from now on.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Where to resume behind the last item that was yielded; `None` before the
    /// first. It is good for every server of the service.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next item; `None` after an error, which ends the stream. The same as
    /// the method of `futures::StreamExt`, for programs that have no other use
    /// for it.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), and what no repeat will help:
    /// [`is_invalid`](Error::is_invalid), an answer that is not of a dlm server.
    pub async fn next(&mut self) -> Option<Result<EventItem, Error>> {
        StreamExt::next(self).await
    }

    fn start(&self) -> mpsc::Receiver<Told> {
        let (tell, items) = mpsc::channel(WAITING);
        let shared = Arc::clone(&self.client.handle.shared);
        let reading = Reading { shared, filter: self.filter.clone(), cursor: self.cursor.clone(), tell };
        self.client.handle.accompany(reading.run());
        items
    }
}

impl Stream for Events {
    type Item = Result<EventItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.items.is_none() {
            self.items = Some(self.start());
        }
        loop {
            let Some(items) = &mut self.items else { return Poll::Ready(None) };
            let told = match items.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(told)) => told,
                Poll::Ready(None) => Told { item: Some(Err(Error::closed())), cursor: None },
            };
            if told.cursor.is_some() {
                self.cursor = told.cursor;
            }
            if let Some(item) = told.item {
                self.ended = item.is_err();
                return Poll::Ready(Some(item));
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("filter", &self.filter)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// The reader in the client's thread.
struct Reading {
    shared: Arc<Shared>,
    filter: Filter,
    cursor: Option<String>,
    tell: mpsc::Sender<Told>,
}

/// Why reading stops.
enum Stop {
    /// Nobody takes the items any more.
    Unwanted,
    /// For a while: the connection is to be made anew.
    Broken,
    Failed(Error),
}

impl Reading {
    async fn run(mut self) {
        let closing = self.shared.closing.clone();
        let stop = tokio::select! {
            stop = self.read() => stop,
            () = closing.cancelled() => Stop::Failed(Error::closed()),
        };
        if let Stop::Failed(error) = stop {
            // Nobody is interested.
            let _ = self.tell.send(Told { item: Some(Err(error)), cursor: None }).await;
        }
    }

    async fn read(&mut self) -> Stop {
        let mut backoff = Backoff::new();
        loop {
            let (index, server) = self.shared.transport.server();
            let path = format!("/v1/events?{}", self.query(true));
            let opened = open_socket(server.address(), server.tls(), &path, EVENTS_PROTOCOL).await;
            let stop = match opened {
                Ok(socket) => {
                    backoff = Backoff::new();
                    self.follow(socket).await
                }
                Err(OpenError::Refused(Some(400))) => {
                    // It says why when it is asked for a page.
                    self.page(None).await.map_or_else(|stop| stop, |_| Stop::Broken)
                }
                Err(OpenError::Refused(status)) if !matches!(status, Some(502..=504)) => self.pages().await,
                Err(error) => {
                    debug!(?error, "no event stream");
                    Stop::Broken
                }
            };
            match stop {
                Stop::Broken => self.shared.transport.move_on(index),
                stop => return stop,
            }
            if self.tell.is_closed() {
                return Stop::Unwanted;
            }
            tokio::time::sleep(backoff.delay()).await;
        }
    }

    fn query(&self, socket: bool) -> String {
        let mut query = format!("prefix={}", segment(&self.filter.prefix));
        // Writing to a string can't fail.
        if let Some(resource) = &self.filter.resource {
            let _ = write!(query, "&resource={}", segment(resource.as_str()));
        }
        if let Some(cursor) = &self.cursor {
            let _ = write!(query, "&after={}", segment(cursor));
        }
        if socket && self.filter.renewals {
            query.push_str("&renewals=true");
        }
        query
    }

    async fn say(&mut self, item: Option<EventItem>, cursor: Option<String>) -> Result<(), Stop> {
        if cursor.is_some() {
            self.cursor.clone_from(&cursor);
        }
        let told = Told { item: item.map(Ok), cursor };
        self.tell.send(told).await.map_err(|_| Stop::Unwanted)
    }

    async fn follow(&mut self, mut socket: Socket) -> Stop {
        loop {
            let Ok(message) = tokio::time::timeout(SILENCE, socket.next()).await else { return Stop::Broken };
            let said = match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(EventMessage::Event(event)) => {
                        let cursor = Some(event.cursor.clone());
                        self.say(Some(EventItem::Event(event)), cursor).await
                    }
                    Ok(EventMessage::Synced { cursor }) => {
                        self.say(Some(EventItem::Synced), Some(cursor)).await
                    }
                    Ok(EventMessage::Bookmark { cursor }) => self.say(None, Some(cursor)).await,
                    Ok(EventMessage::Renewed(renewal)) => {
                        self.say(Some(EventItem::Renewed(renewal)), None).await
                    }
                    Err(why) => {
                        debug!(%why, "a message of the event stream can't be read");
                        Ok(())
                    }
                },
                Some(Ok(Message::Close(frame))) => {
                    return match frame.map(|frame| u16::from(frame.code)) {
                        Some(close::INVALID_CURSOR | close::CURSOR_EXPIRED) => self.lost().await,
                        _ => Stop::Broken,
                    };
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return Stop::Broken,
            };
            if let Err(stop) = said {
                return stop;
            }
        }
    }

    /// What is behind the cursor is gone: it goes on from now.
    async fn lost(&mut self) -> Stop {
        self.cursor = None;
        self.say(Some(EventItem::CursorLost), None).await.map_or_else(|stop| stop, |()| Stop::Broken)
    }

    /// Reads pages where sockets are forbidden; then a socket is tried again.
    async fn pages(&mut self) -> Stop {
        let mut synced = false;
        if self.cursor.is_none()
            && let Err(stop) = self.start_now().await
        {
            return stop;
        }
        for _ in 0..PAGES {
            match self.page(Some(&mut synced)).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(PAGE_EVERY).await,
                Err(stop) => return stop,
            }
        }
        Stop::Broken
    }

    /// Finds the end of the log.
    async fn start_now(&mut self) -> Result<(), Stop> {
        // A status has the cursor from which its resource can be followed.
        let resource = match &self.filter.resource {
            Some(resource) => resource.clone(),
            None => ResourceName::try_from("-").map_err(|error| Stop::Failed(error.into()))?,
        };
        let status = self.shared.transport.status(&resource, self.shared.request_timeout).await;
        self.cursor = status.map_err(stop_of)?.cursor;
        Ok(())
    }

    /// Reads a page. Tells whether there may be more.
    async fn page(&mut self, synced: Option<&mut bool>) -> Result<bool, Stop> {
        let query = format!("{}&limit={}", self.query(false), dlm_protocol::limits::MAX_PAGE);
        let page = match self.shared.transport.events(&query, self.shared.request_timeout).await {
            Ok(page) => page,
            Err(failure)
                if matches!(
                    failure.code(),
                    Some(ProblemCode::CursorExpired | ProblemCode::InvalidCursor)
                ) =>
            {
                return Err(self.lost().await);
            }
            Err(failure) => return Err(stop_of(failure)),
        };
        let more = page.events.len() == dlm_protocol::limits::MAX_PAGE;
        for event in page.events {
            let cursor = Some(event.cursor.clone());
            self.say(Some(EventItem::Event(Box::new(event))), cursor).await?;
        }
        let item = match synced {
            Some(synced) if !more && !*synced => {
                *synced = true;
                Some(EventItem::Synced)
            }
            _ => None,
        };
        self.say(item, Some(page.cursor)).await?;
        Ok(more)
    }
}

fn stop_of(failure: Failure) -> Stop {
    if failure.is_passing() { Stop::Broken } else { Stop::Failed(failure.into()) }
}
