//! How WebSockets are opened.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::address::Address;
use super::failure::Cause;

/// Opening takes a few round trips: what takes longer has been lost.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest message that is read: the answer to a renewal of a thousand leases.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A connection, with or without TLS.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Connection>>;

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Something answered, but does not open sockets: a proxy that forbids
    /// upgrades, or a server that knows of none. With the status, if it is one.
    Refused(Option<u16>),
    /// No server answered.
    Failed(Cause),
}

/// Opens a socket at a path of the server, with its subprotocol.
pub(crate) async fn open(
    address: &Address,
    tls: &ClientConfig,
    path: &str,
    protocol: &'static str,
) -> Result<Socket, OpenError> {
    let opening = tokio::time::timeout(OPEN_TIMEOUT, try_open(address, tls, path, protocol));
    opening.await.unwrap_or_else(|elapsed| Err(failed(elapsed)))
}

async fn try_open(
    address: &Address,
    tls: &ClientConfig,
    path: &str,
    protocol: &'static str,
) -> Result<Socket, OpenError> {
    let (host, port) = address.host_and_port();
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
    // What is not sent at once is not worth waiting for.
    tcp.set_nodelay(true).map_err(failed)?;
    let connection: Box<dyn Connection> = if address.is_tls() {
        let name = ServerName::try_from(host).map_err(failed)?;
        let connector = TlsConnector::from(Arc::new(tls.clone()));
        Box::new(connector.connect(name, tcp).await.map_err(failed)?)
    } else {
        Box::new(tcp)
    };
    let mut request = address.socket(path).into_client_request().map_err(failed)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    let config = WebSocketConfig::default()
        .read_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let opened = tokio_tungstenite::client_async_with_config(request, connection, Some(config)).await;
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => Err(OpenError::Refused(Some(answer.status().as_u16()))),
        // The connection ended before the answer: nothing was refused.
        Err(error @ WsError::Protocol(ProtocolError::HandshakeIncomplete)) => Err(failed(error)),
        Err(WsError::Protocol(_)) => Err(OpenError::Refused(None)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(cause: impl Into<Cause>) -> OpenError {
    OpenError::Failed(cause.into())
}
