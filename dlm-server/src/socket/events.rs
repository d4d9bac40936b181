//! The event stream.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{EventMessage, close as code};
use futures_util::StreamExt;
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::{PING, Socket, Unsent, close, flush, write};
use crate::clock::since_boot;
use crate::feed::Renewed;
use crate::metrics::{Metrics, SocketKind};
use crate::service::{Ended, Error, Next, Subscription};

/// Without an event a bookmark comes after so long.
const BOOKMARK: Duration = Duration::from_secs(8);
/// A peer that gave no sign of life for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// One reader of the event log.
pub(crate) struct EventSocket {
    /// `Err` where the cursor can't be read from: that is told by the close.
    pub(crate) subscription: Result<Subscription, Error>,
    pub(crate) renewals: Option<Receiver<Renewed>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Why a stream ends.
enum End {
    GoingAway,
    Ended(Ended),
    Unsent(Unsent),
    PeerLeft,
}

impl From<Unsent> for End {
    fn from(unsent: Unsent) -> Self {
        Self::Unsent(unsent)
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Socket for EventSocket {
    fn kind(&self) -> SocketKind {
        SocketKind::Events
    }

    async fn run(self, mut stream: HyperWebsocketStream, stop: CancellationToken) {
        let end = match self.subscription {
            Ok(subscription) => serve(&mut stream, subscription, self.renewals, &stop).await,
            Err(error) => End::Ended(Ended::Failed(error)),
        };
        let (number, reason) = match end {
            End::PeerLeft | End::Unsent(Unsent::Broken) => return,
            End::GoingAway => (code::GOING_AWAY, "the server goes away"),
            End::Ended(Ended::TooSlow) | End::Unsent(Unsent::Stuck) => (code::TOO_SLOW, "too slow"),
            End::Ended(Ended::Failed(Error::InvalidCursor)) => {
                (code::INVALID_CURSOR, "not a cursor of this log")
            }
            End::Ended(Ended::Failed(Error::CursorExpired)) => (code::CURSOR_EXPIRED, "older than the log"),
            End::Ended(Ended::Failed(_)) => (code::GOING_AWAY, "the log can't be read now"),
        };
        if number == code::TOO_SLOW {
            self.metrics.reader_cut_off();
        }
        close(stream, number, reason).await;
    }
}

async fn serve(
    stream: &mut HyperWebsocketStream,
    mut subscription: Subscription,
    mut renewals: Option<Receiver<Renewed>>,
    stop: &CancellationToken,
) -> End {
    let mut heard_at = since_boot();
    let mut sent_at = since_boot();
    let mut tick = interval(PING);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let sent = tokio::select! {
            next = subscription.next() => {
                let next = match next {
                    Ok(next) => next,
                    Err(ended) => return ended.into(),
                };
                sent_at = since_boot();
                send_next(stream, next, &subscription).await
            }
            renewed = next_renewal(&mut renewals) => {
                if subscription.wants(&renewed.resource) {
                    send(stream, renewed.text).await
                } else {
                    Ok(())
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::PeerLeft,
                Some(Ok(_)) => {
                    heard_at = since_boot();
                    Ok(())
                }
            },
            _ = tick.tick() => {
                if since_boot().saturating_sub(heard_at) > SILENCE {
                    return End::PeerLeft;
                }
                if since_boot().saturating_sub(sent_at) > BOOKMARK - PING {
                    sent_at = since_boot();
                    let bookmark = EventMessage::Bookmark { cursor: subscription.cursor() };
                    if let Err(unsent) = send(stream, text(&bookmark)).await {
                        return unsent.into();
                    }
                }
                match write(stream, Message::Ping(Bytes::new())).await {
                    Ok(()) => flush(stream).await,
                    unsent => unsent,
                }
            }
            () = stop.cancelled() => return End::GoingAway,
        };
        if let Err(unsent) = sent {
            return unsent.into();
        }
    }
}

async fn send_next(
    stream: &mut HyperWebsocketStream,
    next: Next,
    subscription: &Subscription,
) -> Result<(), Unsent> {
    match next {
        Next::Events(events) => {
            for event in events {
                write(stream, Message::Text(event.text.clone())).await?;
            }
            flush(stream).await
        }
        Next::Synced => {
            let synced = EventMessage::Synced { cursor: subscription.cursor() };
            send(stream, text(&synced)).await
        }
    }
}

async fn send(stream: &mut HyperWebsocketStream, text: Utf8Bytes) -> Result<(), Unsent> {
    write(stream, Message::Text(text)).await?;
    flush(stream).await
}

fn text(message: &EventMessage) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

/// The next renewal, where they are wanted. One who can't keep up misses some.
async fn next_renewal(renewals: &mut Option<Receiver<Renewed>>) -> Renewed {
    let Some(receiver) = renewals else { return std::future::pending().await };
    loop {
        match receiver.recv().await {
            Ok(renewed) => return renewed,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
