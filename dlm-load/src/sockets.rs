//! Connections to servers without the client library.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use crate::BoxError;
use crate::servers::Servers;

/// How many connections are opened at the same time.
const OPENING: usize = 64;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens connections for WebSockets. Clones share a limit of how many are being opened.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    authorization: Option<String>,
    pub(crate) opening: Arc<Semaphore>,
}

impl Connector {
    pub(crate) fn new(servers: &Servers) -> Result<Self, BoxError> {
        Ok(Self {
            tls: TlsConnector::from(Arc::new(servers.tls()?)),
            authorization: servers.access().authorization()?,
            opening: Arc::new(Semaphore::new(OPENING)),
        })
    }

    /// Connects to the server with this URL. Returns the connection, and the request that
    /// makes it a WebSocket.
    pub(crate) async fn connect(
        &self,
        url: &str,
        path: &str,
        protocol: &'static str,
    ) -> Result<(Box<dyn ByteStream>, Request), BoxError> {
        let (scheme, authority) = url.split_once("://").ok_or("the URL has no scheme")?;
        let authority = authority.trim_end_matches('/');
        let mut request = format!("ws://{authority}{path}").into_client_request()?;
        let uri = request.uri();
        let host = uri.host().ok_or("the URL has no host")?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse()?);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert("authorization", authorization.parse()?);
        }
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        let stream: Box<dyn ByteStream> = match scheme {
            "https" => Box::new(self.tls.connect(ServerName::try_from(host)?, tcp).await?),
            _ => Box::new(tcp),
        };
        Ok((stream, request))
    }
}
