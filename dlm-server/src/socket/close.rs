//! Why a socket is closed, and how.

use std::time::Duration;

use dlm_protocol::close as code;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::service::{Error, SubscriptionEnd};

/// How long a close handshake may take, including everything written before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the peer may take to close the connection after its last frame was
/// refused.
const LINGER: Duration = Duration::from_secs(1);
/// The codes of RFC 6455 for frames that can't be accepted.
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const MESSAGE_TOO_BIG: u16 = 1009;

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The connection is broken, or the peer is silent.
    PeerLeft,
    /// The peer has sent a close frame. The WebSocket library has queued the reply,
    /// with the code of the peer.
    PeerClosed,
    GoingAway,
    /// The credential has expired or was withdrawn.
    Unauthenticated,
    /// A right that the socket needs was taken away.
    Forbidden,
    ProtocolError,
    NotUtf8,
    MessageTooBig,
    /// A subscriber reads too slowly.
    TooSlow,
    InvalidCursor,
    CursorExpired,
    LogUnavailable,
}

impl CloseReason {
    /// The code and the reason of the close frame; `None` if there is none to send.
    const fn frame(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::PeerLeft | Self::PeerClosed => return None,
            Self::GoingAway => (code::GOING_AWAY, "the server is shutting down"),
            Self::Unauthenticated => (code::UNAUTHENTICATED, "the credential has expired or was withdrawn"),
            Self::Forbidden => (code::FORBIDDEN, "a right was taken away"),
            Self::ProtocolError => (PROTOCOL_ERROR, "the frame violates the WebSocket protocol"),
            Self::NotUtf8 => (NOT_UTF8, "the text is not UTF-8"),
            Self::MessageTooBig => (MESSAGE_TOO_BIG, "the message is too big"),
            Self::TooSlow => (code::TOO_SLOW, "the subscriber is too slow"),
            Self::InvalidCursor => (code::INVALID_CURSOR, "the cursor was not issued for this log"),
            Self::CursorExpired => (code::CURSOR_EXPIRED, "the cursor is older than the log"),
            Self::LogUnavailable => (code::GOING_AWAY, "the log is not available"),
        })
    }
}

impl From<WsError> for CloseReason {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => Self::MessageTooBig,
            // The peer has closed the connection instead of the socket.
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::PeerLeft,
            WsError::Protocol(_) | WsError::AttackAttempt => Self::ProtocolError,
            WsError::Utf8(_) => Self::NotUtf8,
            _ => Self::PeerLeft,
        }
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

/// Closes a socket with the frame of its reason, or with the reply to the close
/// frame of the peer.
pub(super) async fn close(
    stream: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    reason: CloseReason,
) {
    let frame = match (reason, reason.frame()) {
        (_, Some((code, text))) => Some(CloseFrame { code: CloseCode::from(code), reason: text.into() }),
        (CloseReason::PeerClosed, None) => None,
        (_, None) => return,
    };
    let closing = async {
        match frame {
            Some(frame) => stream.close(Some(frame)).await.ok(),
            None => stream.flush().await.ok(),
        };
        // Read until the peer has answered. Closing a connection with unread
        // data resets it, and the frame may be lost.
        while let Some(Ok(_)) = stream.next().await {}
    };
    let handshake = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    if handshake.is_ok()
        && matches!(reason, CloseReason::ProtocolError | CloseReason::NotUtf8 | CloseReason::MessageTooBig)
    {
        // What follows the refused frame can't be read as frames.
        let connection = stream.get_mut();
        let discarding = async {
            connection.shutdown().await.ok();
            let mut buffer = [0; 4096];
            while let Ok(1..) = connection.read(&mut buffer).await {}
        };
        tokio::time::timeout(LINGER, discarding).await.ok();
    }
}
