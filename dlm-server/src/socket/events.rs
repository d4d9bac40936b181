//! The event stream over a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::EventMessage;
use futures_util::{FutureExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::frame_stream::FrameStream;
use super::{CloseReason, PING_INTERVAL, PeerLiveness, Revocation, SendError, Socket, close, flush, write};
use crate::feed::Segment;
use crate::metrics::{Metrics, SocketProtocol};
use crate::service::{
    Error, EventBatch, SocketPlace, Subscription, SubscriptionEnd, SubscriptionItem, WaitGraphUpdates,
};

/// A peer that has been silent for this long is dead.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(15);

type Stream = WebSocketStream<FrameStream<TokioIo<Upgraded>>>;

/// The socket of one subscriber.
pub(crate) struct EventSocket {
    /// An error is reported by the close code.
    pub(crate) subscription: Result<Subscription, Error>,
    pub(crate) renewals: Option<Receiver<Arc<Segment>>>,
    pub(crate) wait_graph_updates: Option<WaitGraphUpdates>,
    pub(crate) metrics: Arc<Metrics>,
    /// Free again when the socket is closed.
    pub(crate) place: SocketPlace,
    pub(crate) revoked: Revocation,
}

impl Socket for EventSocket {
    fn protocol(&self) -> SocketProtocol {
        SocketProtocol::Events
    }

    async fn run(mut self, stream: HyperWebsocketStream, stop: CancellationToken) {
        // Nothing was read or written yet, so the library has nothing buffered.
        let config = *stream.get_config();
        let stream = FrameStream::new(stream.into_inner());
        let mut stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let reason = match &mut self.subscription {
            Ok(subscription) => {
                let mut live = Live { renewals: self.renewals, wait_graph_updates: self.wait_graph_updates };
                serve(&mut stream, subscription, &mut live, &mut self.revoked, &stop).await
            }
            Err(error) => SubscriptionEnd::from(error.clone()).into(),
        };
        if reason == CloseReason::TooSlow {
            self.metrics.subscriber_evicted();
        }
        // In memory only from here on.
        Box::pin(close(&mut stream, reason)).await;
        drop(stream);
        drop(self.place);
    }
}

/// Serves a subscriber until its socket has to be closed.
async fn serve(
    stream: &mut Stream,
    subscription: &mut Subscription,
    live: &mut Live,
    revoked: &mut Revocation,
    stop: &CancellationToken,
) -> CloseReason {
    let mut peer = PeerLiveness::new(LIVENESS_TIMEOUT);
    let mut synced = false;
    let mut tick = interval(PING_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        let sent = tokio::select! {
            reason = &mut *revoked => return reason,
            next = subscription.next() => {
                match next {
                    Ok(SubscriptionItem::Events(batch)) => send_events(stream, batch).await,
                    Ok(SubscriptionItem::Synced) => {
                        synced = true;
                        let message = EventMessage::Synced { cursor: subscription.cursor() };
                        send(stream, Message::Text(text(&message))).await
                    }
                    Err(end) => return end.into(),
                }
            }
            // A subscriber that still reads stored events gets nothing that is live only.
            next = live.next(), if synced => match next {
                LiveItem::Renewed(renewed) => {
                    let frames = subscription.renewed(&renewed);
                    send_frames(stream, frames).await
                }
                LiveItem::WaitGraph(message) => send(stream, Message::Text(message.into())).await,
            },
            message = stream.next() => {
                if let Some(reason) = end(message) {
                    return reason;
                }
                peer.active();
                Ok(())
            }
            _ = tick.tick() => {
                // Also while events flow: the filter may match none of them.
                let bookmark = EventMessage::Bookmark { cursor: subscription.cursor() };
                match write(stream, Message::Text(text(&bookmark))).await {
                    Ok(()) => send(stream, Message::Ping(Bytes::new())).await,
                    error => error,
                }
            }
            () = peer.timed_out() => match stream.next().now_or_never() {
                // The message arrived during a long send.
                Some(message) => match end(message) {
                    Some(reason) => return reason,
                    None => {
                        peer.active();
                        Ok(())
                    }
                },
                None => return CloseReason::PeerLeft,
            },
            () = stop.cancelled() => return CloseReason::GoingAway,
        };
        match sent {
            Ok(()) => {}
            Err(SendError::TimedOut) => return CloseReason::TooSlow,
            Err(SendError::Broken) => return CloseReason::PeerLeft,
        }
    }
}

/// Whether this message, or its absence, ends the socket. Other messages of a
/// subscriber are ignored.
fn end(message: Option<Result<Message, WsError>>) -> Option<CloseReason> {
    match message {
        Some(Ok(Message::Close(_))) => Some(CloseReason::PeerClosed),
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.into()),
        None => Some(CloseReason::PeerLeft),
    }
}

async fn send_events(stream: &mut Stream, batch: EventBatch) -> Result<(), SendError> {
    // It is kept until they are sent.
    let EventBatch { frames, replay: _replay } = batch;
    send_frames(stream, frames).await
}

async fn send_frames(stream: &mut Stream, frames: Vec<Bytes>) -> Result<(), SendError> {
    // A pong may be on its way.
    flush(stream).await?;
    stream.get_mut().send(frames);
    flush(stream).await
}

async fn send(stream: &mut Stream, message: Message) -> Result<(), SendError> {
    write(stream, message).await?;
    flush(stream).await
}

fn text(message: &EventMessage) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

/// What is sent live only, as far as it was asked for.
struct Live {
    renewals: Option<Receiver<Arc<Segment>>>,
    wait_graph_updates: Option<WaitGraphUpdates>,
}

enum LiveItem {
    Renewed(Arc<Segment>),
    WaitGraph(String),
}

impl Live {
    /// Waits for the next item; forever if there is none. A subscriber that can't keep up misses some.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn next(&mut self) -> LiveItem {
        tokio::select! {
            renewed = next_renewal(&mut self.renewals) => LiveItem::Renewed(renewed),
            message = next_wait_graph(&mut self.wait_graph_updates) => LiveItem::WaitGraph(message),
        }
    }
}

async fn next_renewal(renewals: &mut Option<Receiver<Arc<Segment>>>) -> Arc<Segment> {
    let Some(receiver) = renewals else { return std::future::pending().await };
    loop {
        match receiver.recv().await {
            Ok(renewed) => return renewed,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

async fn next_wait_graph(wait_graph_updates: &mut Option<WaitGraphUpdates>) -> String {
    let Some(messages) = wait_graph_updates else { return std::future::pending().await };
    match messages.next().await {
        Some(message) => message,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_subscriber_takes_little_memory() {
        fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
            size_of::<F>()
        }
        type Arguments = (EventSocket, HyperWebsocketStream, CancellationToken);
        let size = size(|(socket, stream, stop): Arguments| socket.run(stream, stop));
        assert!(size <= 4096, "{size} bytes");
    }
}
