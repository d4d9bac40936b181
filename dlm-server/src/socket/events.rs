//! The event stream.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{EventMessage, close as code};
use futures_util::{FutureExt, StreamExt};
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::{PING, Peer, Socket, Unsent, close, flush, write};
use crate::feed::{LiveEvent, RenewalMessage};
use crate::metrics::{Metrics, SocketProtocol};
use crate::service::{Error, Subscription, SubscriptionEnd, SubscriptionItem};

/// A peer that gave no sign of life for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// One reader of the event log.
pub(crate) struct EventSocket {
    /// `Err` where the cursor can't be read from: that is told by the close.
    pub(crate) subscription: Result<Subscription, Error>,
    pub(crate) renewals: Option<Receiver<RenewalMessage>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Why a stream ends.
enum End {
    GoingAway,
    Ended(SubscriptionEnd),
    Unsent(Unsent),
    PeerLeft,
}

impl From<Unsent> for End {
    fn from(unsent: Unsent) -> Self {
        Self::Unsent(unsent)
    }
}

impl From<SubscriptionEnd> for End {
    fn from(ended: SubscriptionEnd) -> Self {
        Self::Ended(ended)
    }
}

impl Socket for EventSocket {
    fn protocol(&self) -> SocketProtocol {
        SocketProtocol::Events
    }

    async fn run(self, mut stream: HyperWebsocketStream, stop: CancellationToken) {
        let end = match self.subscription {
            Ok(subscription) => serve(&mut stream, subscription, self.renewals, &stop).await,
            Err(error) => End::Ended(SubscriptionEnd::Failed(error)),
        };
        let (number, reason) = match end {
            End::PeerLeft | End::Unsent(Unsent::Broken) => return,
            End::GoingAway => (code::GOING_AWAY, "the server goes away"),
            End::Ended(SubscriptionEnd::TooSlow) | End::Unsent(Unsent::Stuck) => (code::TOO_SLOW, "too slow"),
            End::Ended(SubscriptionEnd::Failed(Error::InvalidCursor)) => {
                (code::INVALID_CURSOR, "not a cursor of this log")
            }
            End::Ended(SubscriptionEnd::Failed(Error::CursorExpired)) => {
                (code::CURSOR_EXPIRED, "older than the log")
            }
            End::Ended(SubscriptionEnd::Failed(_)) => (code::GOING_AWAY, "the log can't be read now"),
        };
        if number == code::TOO_SLOW {
            self.metrics.subscriber_evicted();
        }
        close(stream, number, reason).await;
    }
}

async fn serve(
    stream: &mut HyperWebsocketStream,
    mut subscription: Subscription,
    mut renewals: Option<Receiver<RenewalMessage>>,
    stop: &CancellationToken,
) -> End {
    let mut peer = Peer::new();
    let mut synced = false;
    let mut tick = interval(PING);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        let sent = tokio::select! {
            next = subscription.next() => {
                match next {
                    Ok(SubscriptionItem::Events(events)) => send_events(stream, events).await,
                    Ok(SubscriptionItem::Synced) => {
                        synced = true;
                        let message = EventMessage::Synced { cursor: subscription.cursor() };
                        send(stream, Message::Text(text(&message))).await
                    }
                    Err(ended) => return ended.into(),
                }
            }
            // They are live only: one who still reads what is stored is not.
            renewed = next_renewal(&mut renewals), if synced => {
                if subscription.matches(&renewed.resource) {
                    send(stream, Message::Text(renewed.text)).await
                } else {
                    Ok(())
                }
            }
            message = stream.next() => {
                if has_left(message.as_ref()) {
                    return End::PeerLeft;
                }
                peer.heard();
                Ok(())
            }
            _ = tick.tick() => {
                // With every ping, also where events flow: none of them may be wanted.
                let bookmark = EventMessage::Bookmark { cursor: subscription.cursor() };
                match write(stream, Message::Text(text(&bookmark))).await {
                    Ok(()) => send(stream, Message::Ping(Bytes::new())).await,
                    unsent => unsent,
                }
            }
            () = peer.silent(SILENCE) => match stream.next().now_or_never() {
                // It came while much was sent.
                Some(message) if !has_left(message.as_ref()) => {
                    peer.heard();
                    Ok(())
                }
                _ => return End::PeerLeft,
            },
            () = stop.cancelled() => return End::GoingAway,
        };
        if let Err(unsent) = sent {
            return unsent.into();
        }
    }
}

fn has_left(message: Option<&Result<Message, WsError>>) -> bool {
    matches!(message, Some(Ok(Message::Close(_)) | Err(_)) | None)
}

async fn send_events(stream: &mut HyperWebsocketStream, events: Vec<Arc<LiveEvent>>) -> Result<(), Unsent> {
    for event in events {
        write(stream, Message::Text(event.text.clone())).await?;
    }
    flush(stream).await
}

async fn send(stream: &mut HyperWebsocketStream, message: Message) -> Result<(), Unsent> {
    write(stream, message).await?;
    flush(stream).await
}

fn text(message: &EventMessage) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

/// The next renewal, where they are wanted. One who can't keep up misses some.
async fn next_renewal(renewals: &mut Option<Receiver<RenewalMessage>>) -> RenewalMessage {
    let Some(receiver) = renewals else { return std::future::pending().await };
    loop {
        match receiver.recv().await {
            Ok(renewed) => return renewed,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
