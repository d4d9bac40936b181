//! The WebSocket transport.
//!
//! - `session`: many operations over one connection
//! - `frame`: decodes the frames of a session
//! - `pending`: its operations that are not done yet
//! - `quota`: how many operations of a session may be in flight
//! - `events`: the event stream
//! - `frame_stream`: sends its events, which are in frames already
//! - `subscriber_threads`: the threads that serve it
//! - `close`: why a socket is closed, and how
//!
//! hyper's graceful shutdown does not include upgraded connections, so the
//! sockets are tracked here. Each gets a close frame at shutdown.

mod close;
mod events;
mod frame;
mod frame_stream;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod pending;
mod quota;
mod session;
mod subscriber_threads;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt};
use hyper::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use hyper_tungstenite::{HyperWebsocket, HyperWebsocketStream};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::since_boot;
use crate::metrics::{Metrics, SocketProtocol};

pub(crate) use close::CloseReason;
use close::close;
pub(crate) use events::EventSocket;
pub(crate) use session::SessionSocket;
use subscriber_threads::SubscriberThreads;

/// Time between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long a peer may block a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a session's frame.
const MAX_FRAME: usize = 1024 * 1024;
/// A frame that is too large is read up to this size. A peer that is still
/// sending when the connection closes may never see the reason.
const MAX_READ: usize = 4 * MAX_FRAME;

/// Maximum size of one message to the peer, besides the write buffer: a renewal of
/// a thousand leases, the metadata of each escaped.
const MAX_REPLY: usize = 32 * 1024 * 1024;

/// Completes when a socket has to be closed because its peer may no longer use it.
pub(crate) type Revocation = Pin<Box<dyn Future<Output = CloseReason> + Send>>;

/// All sockets of a server. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    tracker: TaskTracker,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
    subscriber_threads: SubscriberThreads,
}

impl Sockets {
    pub(crate) fn new(metrics: Arc<Metrics>) -> io::Result<Self> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { tracker, stop, metrics, subscriber_threads: SubscriberThreads::start()? })
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Serves a socket in its own task, once the upgrade is complete.
    pub(crate) fn serve(&self, upgrade: HyperWebsocket, socket: impl Socket) {
        let (stop, metrics) = (self.stop.clone(), Arc::clone(&self.metrics));
        let protocol = socket.protocol();
        let serving = async move {
            match upgrade.await {
                Ok(stream) => {
                    metrics.socket_opened(protocol);
                    // In a place of its own: what waits for the upgrade has no place for it.
                    Box::pin(socket.run(stream, stop)).await;
                    metrics.socket_closed(protocol);
                }
                Err(error) => tracing::debug!(%error, "WebSocket upgrade failed"),
            }
        };
        match protocol {
            SocketProtocol::Session => self.tracker.spawn(serving),
            SocketProtocol::Events => self.tracker.spawn_on(serving, self.subscriber_threads.handle()),
        };
    }

    /// Closes all sockets, and waits until they are closed.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The number of open sockets.
    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }
}

/// A protocol over a WebSocket.
pub(crate) trait Socket: Send + 'static {
    fn protocol(&self) -> SocketProtocol;
    fn run(
        self,
        stream: HyperWebsocketStream,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// The limits and buffers of a session.
pub(crate) fn session_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(MAX_REPLY)
        .max_message_size(Some(MAX_READ))
        .max_frame_size(Some(MAX_READ))
}

/// The limits and buffers of a subscriber. There are thousands of them. They send nothing but
/// control frames, and events are not written to the buffer.
pub(crate) fn subscriber_config() -> WebSocketConfig {
    const MAX_FRAME: usize = 4096;
    WebSocketConfig::default()
        .read_buffer_size(512)
        .write_buffer_size(1024)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
}

/// Whether the client offers this subprotocol.
pub(crate) fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|offered| offered.trim() == protocol))
}

/// Why a write failed.
enum SendError {
    /// The peer does not read.
    TimedOut,
    Broken,
}

/// Sends buffered messages.
async fn flush(stream: &mut (impl Sink<Message> + Unpin)) -> Result<(), SendError> {
    match tokio::time::timeout(WRITE_TIMEOUT, stream.flush()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(SendError::Broken),
        Err(_) => Err(SendError::TimedOut),
    }
}

/// Buffers a message. It is sent by [`flush`], or when the buffer is full.
async fn write(stream: &mut (impl Sink<Message> + Unpin), message: Message) -> Result<(), SendError> {
    match tokio::time::timeout(WRITE_TIMEOUT, stream.feed(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(SendError::Broken),
        Err(_) => Err(SendError::TimedOut),
    }
}

/// Tracks when the peer was last active.
struct PeerLiveness {
    active_at: Duration,
    timeout: Duration,
    /// Runs on while other things happen: to start a timer costs more than to keep one.
    timer: Pin<Box<Sleep>>,
}

impl PeerLiveness {
    /// A peer that is dead once it has been silent for `timeout`.
    fn new(timeout: Duration) -> Self {
        Self { active_at: since_boot(), timeout, timer: Box::pin(sleep(timeout)) }
    }

    /// The peer has sent something.
    fn active(&mut self) {
        self.active_at = since_boot();
    }

    /// Waits until the peer is dead.
    async fn timed_out(&mut self) {
        loop {
            self.timer.as_mut().await;
            let silent = since_boot().saturating_sub(self.active_at);
            let left = self.timeout.saturating_sub(silent);
            if left.is_zero() {
                return;
            }
            self.timer.set(sleep(left));
        }
    }
}
