//! Why a socket is closed, and how.

use std::time::Duration;

use dlm_protocol::close as code;
use futures_util::StreamExt;
use hyper_tungstenite::HyperWebsocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::service::{Error, SubscriptionEnd};

/// How long a close handshake may take, including everything written before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The code of RFC 6455 for a message that is too big.
const MESSAGE_TOO_BIG: u16 = 1009;

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The connection is broken, or the peer has closed it.
    PeerLeft,
    GoingAway,
    FrameTooLarge,
    /// A subscriber reads too slowly.
    TooSlow,
    InvalidCursor,
    CursorExpired,
    LogUnavailable,
}

impl CloseReason {
    /// The code and the reason of the close frame; `None` without a peer.
    const fn frame(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::PeerLeft => return None,
            Self::GoingAway => (code::GOING_AWAY, "the server is shutting down"),
            Self::FrameTooLarge => (MESSAGE_TOO_BIG, "a frame must be at most 1 MiB"),
            Self::TooSlow => (code::TOO_SLOW, "the subscriber is too slow"),
            Self::InvalidCursor => (code::INVALID_CURSOR, "the cursor was not issued for this log"),
            Self::CursorExpired => (code::CURSOR_EXPIRED, "the cursor is older than the log"),
            Self::LogUnavailable => (code::GOING_AWAY, "the log is not available"),
        })
    }
}

impl From<SubscriptionEnd> for CloseReason {
    fn from(end: SubscriptionEnd) -> Self {
        match end {
            SubscriptionEnd::TooSlow => Self::TooSlow,
            SubscriptionEnd::Failed(Error::InvalidCursor) => Self::InvalidCursor,
            SubscriptionEnd::Failed(Error::CursorExpired) => Self::CursorExpired,
            SubscriptionEnd::Failed(_) => Self::LogUnavailable,
        }
    }
}

/// Closes a socket with the frame of its reason.
pub(super) async fn close(mut stream: HyperWebsocketStream, reason: CloseReason) {
    let Some((code, reason)) = reason.frame() else { return };
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let closing = async {
        stream.close(Some(frame)).await.ok();
        // Read until the peer has answered. Closing a connection with unread
        // data resets it, and the frame may be lost.
        while let Some(Ok(_)) = stream.next().await {}
    };
    tokio::time::timeout(CLOSE_TIMEOUT, closing).await.ok();
}
