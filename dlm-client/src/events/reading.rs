//! The reader of events in the client's thread.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{EVENTS_PROTOCOL, EventMessage, ProblemCode, ResourceName, close};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use super::{EventItem, Filter, Told};
use crate::error::Error;
use crate::retry::Backoff;
use crate::transport::{Failure, OpenError, Socket, open_socket, segment};
use crate::worker::Shared;

/// Without a message for so long the socket is dead: the server pings every 5 s
/// and sends bookmarks every 10 s.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two pages where sockets are forbidden.
const PAGE_EVERY: Duration = Duration::from_millis(500);
/// Pages before a socket is tried again.
const PAGES: usize = 60;

/// The reader in the client's thread.
pub(super) struct Reading {
    pub(super) shared: Arc<Shared>,
    pub(super) filter: Filter,
    pub(super) cursor: Option<String>,
    pub(super) tell: mpsc::Sender<Told>,
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
    /// Reads until nobody wants more, or no repeat helps.
    pub(super) async fn run(mut self) {
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
            // Not where a stream that was there broke: the rest of the client may
            // do well at this server, and opening the next one shows what is.
            if let Err(OpenError::Failed(_) | OpenError::Refused(Some(502..=504))) = &opened {
                self.shared.transport.move_on(index);
            }
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
            if !matches!(stop, Stop::Broken) {
                return stop;
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
