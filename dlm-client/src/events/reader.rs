//! The task that reads events on the client thread.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{EVENTS_PROTOCOL, EventMessage, ProblemCode, close};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use super::item::{EventItem, EventSelection, ReceivedItem};
use crate::error::Error;
use crate::request_error::RequestError;
use crate::retry::{Backoff, PROVEN_AFTER};
use crate::transport::{OpenedSocket, UpgradeError, encode, open_websocket};
use crate::worker::WorkerContext;

/// A socket without a message for this long is dead: the server pings every 5 s
/// and sends bookmarks every 10 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// The polling interval where WebSockets are rejected.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many pages to poll before a WebSocket is tried again.
const PAGES_PER_SOCKET_ATTEMPT: usize = 60;

/// Reads events and sends them to the stream. Holds only a cursor.
pub(super) struct EventReader {
    pub(super) context: Arc<WorkerContext>,
    pub(super) selection: EventSelection,
    pub(super) cursor: Option<String>,
    pub(super) items: mpsc::Sender<ReceivedItem>,
}

/// Why reading stops.
enum StopReason {
    /// The stream was dropped.
    StreamDropped,
    /// The connection broke and has to be reopened.
    Disconnected,
    /// The server closed the socket because of the client's credential or rights. Another
    /// credential, or another look at this one, may reopen it.
    AccessEnded,
    Failed(Error),
}

impl EventReader {
    /// Reads until the stream is dropped or an error is final.
    pub(super) async fn run(mut self) {
        let (closing, items) = (self.context.closing.clone(), self.items.clone());
        let reason = tokio::select! {
            reason = self.read() => reason,
            () = closing.cancelled() => StopReason::Failed(Error::closed()),
            // Dropping `read` closes its socket.
            () = items.closed() => StopReason::StreamDropped,
        };
        if let StopReason::Failed(error) = reason {
            // The stream may have been dropped.
            let _ = self.items.send(ReceivedItem { item: Some(Err(error)), cursor: None }).await;
        }
    }

    /// Connects and reconnects, with failover and backoff.
    async fn read(&mut self) -> StopReason {
        let mut backoff = Backoff::new();
        loop {
            let servers = self.context.transport.servers();
            let (index, server) = servers.current();
            let path = format!("/v1/events?{}", self.query(true));
            let opened = open_websocket(server, servers.authenticator(), &path, EVENTS_PROTOCOL).await;
            // No failover when an open socket breaks: the server may be fine for
            // the rest of the client, and reopening the socket shows whether it is.
            if let Err(UpgradeError::Failed(_) | UpgradeError::Rejected(Some(502..=504))) = &opened {
                self.context.transport.servers().fail_over(index);
            }
            let reason = match opened {
                Ok(opened) => {
                    let opened_at = self.context.now();
                    let reason = self.read_socket(opened).await;
                    if self.context.now().duration_since(opened_at) >= PROVEN_AFTER {
                        backoff = Backoff::new();
                        if matches!(reason, StopReason::AccessEnded) {
                            continue;
                        }
                    }
                    reason
                }
                Err(UpgradeError::Denied(error)) => stop_reason(error),
                // A page request gets the reason in its reply.
                Err(UpgradeError::Rejected(Some(400))) => {
                    self.read_page(None).await.map_or_else(|reason| reason, |_| StopReason::Disconnected)
                }
                Err(UpgradeError::Rejected(status)) if !matches!(status, Some(502..=504)) => {
                    self.poll_pages().await
                }
                Err(error) => {
                    debug!(?error, "event stream connect failed");
                    StopReason::Disconnected
                }
            };
            if !matches!(reason, StopReason::Disconnected | StopReason::AccessEnded) {
                return reason;
            }
            self.context.clock.sleep(backoff.next_delay()).await;
        }
    }

    fn query(&self, websocket: bool) -> String {
        let mut query = format!("prefix={}", encode(&self.selection.prefix));
        // Writing to a string cannot fail.
        if let Some(resource) = &self.selection.resource {
            let _ = write!(query, "&resource={}", encode(resource.as_str()));
        }
        if let Some(cursor) = &self.cursor {
            let _ = write!(query, "&after={}", encode(cursor));
        }
        if websocket && self.selection.renewals {
            query.push_str("&renewals=true");
        }
        query
    }

    /// Sends an item, a new cursor, or both to the stream.
    async fn send(&mut self, item: Option<EventItem>, cursor: Option<String>) -> Result<(), StopReason> {
        if cursor.is_some() {
            self.cursor.clone_from(&cursor);
        }
        let received = ReceivedItem { item: item.map(Ok), cursor };
        self.items.send(received).await.map_err(|_| StopReason::StreamDropped)
    }

    async fn read_socket(&mut self, opened: OpenedSocket) -> StopReason {
        let OpenedSocket { mut socket, credential } = opened;
        loop {
            let Ok(message) = tokio::time::timeout(SILENCE_TIMEOUT, socket.next()).await else {
                return StopReason::Disconnected;
            };
            let sent = match message {
                Some(Ok(Message::Text(text))) => self.receive(&text).await,
                Some(Ok(Message::Close(frame))) => {
                    return match frame.map(|frame| u16::from(frame.code)) {
                        Some(close::INVALID_CURSOR | close::CURSOR_EXPIRED) => self.cursor_lost().await,
                        Some(close::UNAUTHENTICATED) => {
                            if let Some(credential) = &credential {
                                self.context.transport.servers().authenticator().refused(credential);
                            }
                            StopReason::AccessEnded
                        }
                        Some(close::FORBIDDEN) => StopReason::AccessEnded,
                        _ => StopReason::Disconnected,
                    };
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return StopReason::Disconnected,
            };
            if let Err(reason) = sent {
                return reason;
            }
        }
    }

    async fn receive(&mut self, text: &str) -> Result<(), StopReason> {
        match serde_json::from_str(text) {
            Ok(EventMessage::Event(event)) => {
                let cursor = Some(event.cursor.clone());
                self.send(Some(EventItem::Event(event)), cursor).await
            }
            Ok(EventMessage::Synced { cursor }) => self.send(Some(EventItem::Synced), Some(cursor)).await,
            Ok(EventMessage::Bookmark { cursor }) => self.send(None, Some(cursor)).await,
            Ok(EventMessage::Renewed(renewal)) => self.send(Some(EventItem::Renewed(renewal)), None).await,
            Ok(EventMessage::WaitGraph(_) | EventMessage::Unknown) => {
                debug!("event message that was not asked for ignored");
                Ok(())
            }
            // To go on would drop an event silently.
            Err(why) => {
                let error = RequestError::unexpected_reply(format!("invalid event message: {why}"));
                Err(StopReason::Failed(error.into()))
            }
        }
    }

    /// Reports that events were missed, and restarts from now.
    async fn cursor_lost(&mut self) -> StopReason {
        self.cursor = None;
        self.send(Some(EventItem::CursorLost), None)
            .await
            .map_or_else(|reason| reason, |()| StopReason::Disconnected)
    }

    /// Polls pages for a while, where WebSockets are rejected.
    async fn poll_pages(&mut self) -> StopReason {
        let mut synced = false;
        if self.cursor.is_none()
            && let Err(reason) = self.start_at_end().await
        {
            return reason;
        }
        for _ in 0..PAGES_PER_SOCKET_ATTEMPT {
            match self.read_page(Some(&mut synced)).await {
                Ok(true) => {}
                Ok(false) => self.context.clock.sleep(POLL_INTERVAL).await,
                Err(reason) => return reason,
            }
        }
        StopReason::Disconnected
    }

    /// Moves the cursor to the end of the event log.
    async fn start_at_end(&mut self) -> Result<(), StopReason> {
        // A list carries the current cursor, whatever the client may observe.
        let query = format!("limit=1&prefix={}", encode(&self.selection.prefix));
        let page = self.context.transport.locks(&query, self.context.request_timeout).await;
        self.cursor = Some(page.map_err(stop_reason)?.cursor);
        Ok(())
    }

    /// Reads one page and sends its events. Returns whether there may be more.
    /// With `synced`, also reports once that the end of the log was reached.
    async fn read_page(&mut self, synced: Option<&mut bool>) -> Result<bool, StopReason> {
        let query = format!("{}&limit={}", self.query(false), dlm_protocol::limits::MAX_PAGE);
        let page = match self.context.transport.events(&query, self.context.request_timeout).await {
            Ok(page) => page,
            Err(error) => {
                return Err(match error.code() {
                    Some(ProblemCode::CursorExpired | ProblemCode::InvalidCursor) => self.cursor_lost().await,
                    _ => stop_reason(error),
                });
            }
        };
        let more = page.events.len() == dlm_protocol::limits::MAX_PAGE;
        for event in page.events {
            let cursor = Some(event.cursor.clone());
            self.send(Some(EventItem::Event(Box::new(event))), cursor).await?;
        }
        let item = match synced {
            Some(synced) if !more && !*synced => {
                *synced = true;
                Some(EventItem::Synced)
            }
            _ => None,
        };
        self.send(item, Some(page.cursor)).await?;
        Ok(more)
    }
}

fn stop_reason(error: RequestError) -> StopReason {
    if error.is_transient() { StopReason::Disconnected } else { StopReason::Failed(error.into()) }
}
