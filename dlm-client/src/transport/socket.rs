//! Opens WebSockets to a server.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::address::ServerAddress;
use super::dial;
use crate::request_error::Cause;

/// Opening takes a few round trips. If it takes longer, a packet was lost.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest message to accept. The reply to a renewal of a thousand leases fits.
const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

/// A TCP connection, with or without TLS.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub(crate) type WebSocketConnection = WebSocketStream<Box<dyn ByteStream>>;

/// Why a WebSocket could not be opened.
#[derive(Debug)]
pub(crate) enum UpgradeError {
    /// Something replied but did not upgrade the connection, such as a proxy that
    /// does not allow upgrades. Carries the HTTP status, if there was one.
    Rejected(Option<u16>),
    /// No server replied.
    Failed(Cause),
}

/// Opens a WebSocket at `path` with the given subprotocol.
pub(crate) async fn open(
    address: &ServerAddress,
    tls: &ClientConfig,
    path: &str,
    protocol: &'static str,
) -> Result<WebSocketConnection, UpgradeError> {
    let opening = tokio::time::timeout(OPEN_TIMEOUT, try_open(address, tls, path, protocol));
    opening.await.unwrap_or_else(|elapsed| Err(failed(elapsed)))
}

async fn try_open(
    address: &ServerAddress,
    tls: &ClientConfig,
    path: &str,
    protocol: &'static str,
) -> Result<WebSocketConnection, UpgradeError> {
    let (host, port) = address.host_and_port();
    let tcp = dial::connect(&host, port).await.map_err(failed)?;
    // Frames are small and latency matters.
    tcp.set_nodelay(true).map_err(failed)?;
    let connection: Box<dyn ByteStream> = if address.is_tls() {
        let name = ServerName::try_from(host).map_err(failed)?;
        let connector = TlsConnector::from(Arc::new(tls.clone()));
        Box::new(connector.connect(name, tcp).await.map_err(failed)?)
    } else {
        Box::new(tcp)
    };
    let mut request = address.websocket_url(path).into_client_request().map_err(failed)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    let config = WebSocketConfig::default()
        .read_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_MESSAGE_SIZE))
        .max_frame_size(Some(MAX_MESSAGE_SIZE));
    let opened = tokio_tungstenite::client_async_with_config(request, connection, Some(config)).await;
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => Err(UpgradeError::Rejected(Some(response.status().as_u16()))),
        // The connection ended before a response arrived, so nothing was rejected.
        Err(error @ WsError::Protocol(ProtocolError::HandshakeIncomplete)) => Err(failed(error)),
        Err(WsError::Protocol(_)) => Err(UpgradeError::Rejected(None)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(cause: impl Into<Cause>) -> UpgradeError {
    UpgradeError::Failed(cause.into())
}
