//! Opens WebSockets to a server.

use std::time::Duration;

use dlm_protocol::{Problem, ProblemCode};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::dial;
use super::handshake::{HandshakeError, upgrade};
use super::http::HttpClient;
use crate::credentials::{Authenticator, Credential};
use crate::request_error::{Cause, RequestError};

/// Opening takes a few round trips. If it takes longer, a packet was lost.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest message to accept. The reply to a renewal of a thousand leases fits.
const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

/// A connection: TCP with or without TLS, or a Unix socket.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub(crate) type WebSocketConnection = WebSocketStream<Box<dyn ByteStream>>;

/// A WebSocket, and what it was opened with.
pub(crate) struct OpenedSocket {
    pub(crate) socket: WebSocketConnection,
    /// `None` if the client has no tokens.
    pub(crate) credential: Option<Credential>,
}

/// Why a WebSocket could not be opened.
#[derive(Debug)]
pub(crate) enum UpgradeError {
    /// Something replied but did not upgrade the connection, such as a proxy that
    /// does not allow upgrades. Carries the HTTP status, if there was one.
    Rejected(Option<u16>),
    /// The server refused the client's credential, or does not give it the right, or
    /// there is no token.
    Denied(RequestError),
    /// No server replied.
    Failed(Cause),
}

/// Opens a WebSocket at `path` with the given subprotocol. If the server refuses the
/// client's token, it is tried once more with another one.
pub(crate) async fn open(
    server: &HttpClient,
    authenticator: &Authenticator,
    path: &str,
    protocol: &'static str,
) -> Result<OpenedSocket, UpgradeError> {
    let mut credential = authenticator.credential(OPEN_TIMEOUT).await.map_err(UpgradeError::Denied)?;
    let mut opened = open_with(server, credential.as_ref(), path, protocol).await;
    if let Err(UpgradeError::Denied(error)) = &opened
        && error.is_unauthenticated()
        && let Some(refused) = &credential
        && let Some(other) = authenticator.replacement(refused, OPEN_TIMEOUT).await
    {
        opened = open_with(server, Some(&other), path, protocol).await;
        credential = Some(other);
    }
    Ok(OpenedSocket { socket: opened?, credential })
}

async fn open_with(
    server: &HttpClient,
    credential: Option<&Credential>,
    path: &str,
    protocol: &'static str,
) -> Result<WebSocketConnection, UpgradeError> {
    let opening = tokio::time::timeout(OPEN_TIMEOUT, try_open(server, credential, path, protocol));
    opening.await.unwrap_or_else(|elapsed| Err(failed(elapsed)))
}

async fn try_open(
    server: &HttpClient,
    credential: Option<&Credential>,
    path: &str,
    protocol: &'static str,
) -> Result<WebSocketConnection, UpgradeError> {
    let address = server.address();
    let connection = connect(server).await.map_err(|cause| failed(address.connect_failed(cause)))?;
    let mut headers = server.headers().clone();
    if let Some(credential) = credential {
        headers.insert(AUTHORIZATION, credential.header().clone());
    }
    let host = HeaderValue::from_str(&address.authority()).map_err(failed)?;
    let path = address.path_and_query(path);
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_message_size(Some(MAX_MESSAGE_SIZE))
        .max_frame_size(Some(MAX_MESSAGE_SIZE));
    upgrade(connection, (host, &path), protocol, headers, config).await.map_err(|error| match error {
        HandshakeError::Rejected(response) => rejected(response.status.as_u16(), response.error()),
        HandshakeError::Invalid => UpgradeError::Rejected(None),
        HandshakeError::Failed(cause) => failed(cause),
    })
}

async fn connect(server: &HttpClient) -> Result<Box<dyn ByteStream>, Cause> {
    let address = server.address();
    #[cfg(unix)]
    if let Some(path) = address.socket() {
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let (host, port) = address.host_and_port();
    let tcp = dial::connect(&host, port).await?;
    // Frames are small and latency matters.
    tcp.set_nodelay(true)?;
    Ok(if address.is_tls() { Box::new(server.tls().connect(host, tcp).await?) } else { Box::new(tcp) })
}

/// A proxy may reject upgrades with any status. So only a 401, which is about the
/// credential whoever sends it, and a problem that says so are denials.
fn rejected(status: u16, error: RequestError) -> UpgradeError {
    match error {
        error if error.code() == Some(ProblemCode::Forbidden) => UpgradeError::Denied(error),
        error if error.is_unauthenticated() && error.code().is_some() => UpgradeError::Denied(error),
        error if error.is_unauthenticated() => {
            let problem = Problem::new(ProblemCode::Unauthenticated, status, error.without_cause());
            UpgradeError::Denied(RequestError::from_http_problem(Box::new(problem), None))
        }
        _ => UpgradeError::Rejected(Some(status)),
    }
}

fn failed(cause: impl Into<Cause>) -> UpgradeError {
    UpgradeError::Failed(cause.into())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::clock::Clock;
    use crate::credentials::TokenSource;
    use crate::transport::address::ServerAddress;
    use crate::transport::tls::TlsOptions;

    #[tokio::test]
    async fn error_names_the_unix_socket() {
        let address = ServerAddress::parse("unix:/nowhere/dlm.sock").unwrap();
        let server = HttpClient::new(address, &TlsOptions::default(), &HeaderMap::new(), Clock::System);
        let authenticator = Authenticator::new(TokenSource::None, Clock::System);
        match open(&server.unwrap(), &authenticator, "/v1/session", "dlm.session.v1").await {
            Err(UpgradeError::Failed(cause)) => {
                let expected = "the socket `/nowhere/dlm.sock`: No such file or directory (os error 2)";
                assert_eq!(cause.to_string(), expected);
            }
            _ => panic!("nobody listens there"),
        }
    }
}
