//! The WebSockets: a transport beside HTTP.
//!
//! - `session`: many operations over one connection; `frame`: its frames as
//!   operations; `room`: how many may be unanswered
//! - `events`: the event stream
//!
//! An upgraded connection is no part of hyper's shutdown, so the sockets are
//! tracked here: each ends with a close frame when the server goes away.

mod events;
mod frame;
mod room;
mod session;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use hyper_tungstenite::{HyperWebsocket, HyperWebsocketStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::since_boot;
use crate::metrics::{Metrics, SocketProtocol};

pub(crate) use events::EventSocket;
pub(crate) use session::SessionSocket;

/// Most sockets at a time.
const MAX_SOCKETS: usize = 20_000;
/// How often each end is asked for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// How long a peer may take to take what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a close frame may take behind what was sent before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest frame of a session.
pub(crate) const MAX_FRAME: usize = 1024 * 1024;
/// What is too large is read up to this: one who is still sending when the
/// connection is closed may never learn why.
pub(crate) const MAX_READ: usize = 4 * MAX_FRAME;

/// All sockets of a server.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    tracker: TaskTracker,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Sockets {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let places = Arc::new(Semaphore::new(MAX_SOCKETS));
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), places, metrics }
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// A place for one more socket, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Serves a socket once its upgrade is done.
    pub(crate) fn serve(&self, upgrade: HyperWebsocket, place: OwnedSemaphorePermit, socket: impl Socket) {
        let (stop, metrics) = (self.stop.clone(), Arc::clone(&self.metrics));
        let protocol = socket.protocol();
        self.tracker.spawn(async move {
            let _place = place;
            match upgrade.await {
                Ok(stream) => {
                    metrics.socket_opened(protocol);
                    socket.run(stream, stop).await;
                    metrics.socket_closed(protocol);
                }
                Err(error) => tracing::debug!(%error, "an upgrade failed"),
            }
        });
    }

    /// Has all sockets closed, and waits until they are.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }
}

/// What is spoken over a socket.
pub(crate) trait Socket: Send + 'static {
    fn protocol(&self) -> SocketProtocol;
    fn run(
        self,
        stream: HyperWebsocketStream,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// What a peer may send and what is kept for it.
pub(crate) fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(8 * 1024 * 1024)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The subprotocol, if the peer offers it.
pub(crate) fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim() == protocol))
}

/// Why nothing more is sent.
enum Unsent {
    /// The peer does not take what is sent.
    Stuck,
    Broken,
}

/// Sends what was written.
async fn flush(stream: &mut HyperWebsocketStream) -> Result<(), Unsent> {
    match tokio::time::timeout(WRITE_TIMEOUT, stream.flush()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Unsent::Broken),
        Err(_) => Err(Unsent::Stuck),
    }
}

/// Writes a message behind what was written before it; it is sent with a
/// [`flush`], or when there is much.
async fn write(stream: &mut HyperWebsocketStream, message: Message) -> Result<(), Unsent> {
    match tokio::time::timeout(WRITE_TIMEOUT, stream.feed(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Unsent::Broken),
        Err(_) => Err(Unsent::Stuck),
    }
}

/// When a peer was last heard of.
struct Peer {
    heard_at: Duration,
}

impl Peer {
    fn new() -> Self {
        Self { heard_at: since_boot() }
    }

    fn heard(&mut self) {
        self.heard_at = since_boot();
    }

    /// Waits until nothing was heard for so long.
    async fn silent(&self, long: Duration) {
        loop {
            let left = long.saturating_sub(since_boot().saturating_sub(self.heard_at));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Says goodbye, if the peer still takes it.
async fn close(mut stream: HyperWebsocketStream, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let closing = async {
        stream.close(Some(frame)).await.ok();
        // Until the peer has answered: what is closed with data unread is reset,
        // and the frame may be lost.
        while let Some(Ok(_)) = stream.next().await {}
    };
    tokio::time::timeout(CLOSE_TIMEOUT, closing).await.ok();
}
