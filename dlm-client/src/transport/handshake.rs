//! The opening handshake of a WebSocket.
//!
//! That of the WebSocket library logs the whole request, with its token, and does not
//! read the reason of a rejection.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::response::HttpResponse;
use crate::request_error::Cause;

/// The largest body of a rejection to read.
const MAX_REJECTION_BYTES: usize = 64 * 1024;
/// How long the body of a rejection may take.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a handshake failed.
pub(super) enum HandshakeError {
    /// The reply does not upgrade the connection.
    Rejected(HttpResponse<Bytes>),
    /// The reply is not that of a WebSocket server.
    Invalid,
    /// There was no reply.
    Failed(Cause),
}

/// Upgrades a connection. The path may have a query, and both are percent-encoded.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    (host, path): (HeaderValue, &str),
    protocol: &'static str,
    headers: HeaderMap,
    config: WebSocketConfig,
) -> Result<WebSocketStream<S>, HandshakeError> {
    let key = generate_key();
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().map_err(failed)?;
    *request.headers_mut() = headers;
    for (name, value) in [
        (HOST, host),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).map_err(failed)?),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
    ] {
        request.headers_mut().insert(name, value);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let exchange = async move {
        let response = sender.send_request(request).await;
        // The connection ends when the sender is dropped.
        match response {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Ok(response),
            Ok(response) => Err(HandshakeError::Rejected(rejection(response).await)),
            Err(error) if error.is_parse() => Err(HandshakeError::Invalid),
            Err(error) => Err(failed(error)),
        }
    };
    let (parts, response) = tokio::join!(connection.without_shutdown(), exchange);
    if !accepts(response?.headers(), &key, protocol) {
        return Err(HandshakeError::Invalid);
    }
    let parts = parts.map_err(failed)?;
    let (stream, received) = (parts.io.into_inner(), parts.read_buf.to_vec());
    Ok(WebSocketStream::from_partially_read(stream, received, Role::Client, Some(config)).await)
}

/// Whether the headers of a reply accept the WebSocket (RFC 6455, section 4.1).
fn accepts(headers: &HeaderMap, key: &str, protocol: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let upgrades = text(CONNECTION).split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    upgrades
        && text(UPGRADE).eq_ignore_ascii_case("websocket")
        && text(SEC_WEBSOCKET_ACCEPT) == derive_accept_key(key.as_bytes())
        && text(SEC_WEBSOCKET_PROTOCOL) == protocol
}

async fn rejection(response: Response<Incoming>) -> HttpResponse<Bytes> {
    let (head, body) = response.into_parts();
    let body = tokio::time::timeout(REJECTION_TIMEOUT, Limited::new(body, MAX_REJECTION_BYTES).collect());
    // The status says enough if the body cannot be read.
    let body = body.await.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    HttpResponse { status: head.status, headers: head.headers, body }
}

fn failed(cause: impl Into<Cause>) -> HandshakeError {
    HandshakeError::Failed(cause.into())
}
