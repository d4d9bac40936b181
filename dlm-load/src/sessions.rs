//! Sessions that only exist, without the client library: what they cost the server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::BoxError;
use crate::run::{PhaseWatch, RunPhase};
use crate::servers::Servers;
use crate::worker::{WorkerStats, now};

/// How many sessions are opened at the same time.
const OPENING: usize = 64;
/// The default of 128 KiB for each session would be more than the server's memory.
const READ_BUFFER: usize = 1024;

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

type Session = WebSocketStream<Box<dyn ByteStream>>;

/// Opens sessions.
#[derive(Clone)]
pub(crate) struct SessionOpener {
    tls: TlsConnector,
    authorization: Option<String>,
    opening: Arc<Semaphore>,
}

impl SessionOpener {
    pub(crate) fn new(servers: &Servers) -> Result<Self, BoxError> {
        Ok(Self {
            tls: TlsConnector::from(Arc::new(servers.tls()?)),
            authorization: servers.access().authorization()?,
            opening: Arc::new(Semaphore::new(OPENING)),
        })
    }

    /// Opens a session at the server with this URL, and keeps it open until the end of the
    /// run. It answers the server's pings. The latency is the time that opening took.
    pub(crate) async fn idle(self, url: String, phase: Arc<PhaseWatch>) -> Result<WorkerStats, BoxError> {
        let permit = self.opening.acquire().await?;
        let started = now();
        let mut session = self.open(&url).await?;
        let latency = started.elapsed();
        drop(permit);
        let lost = tokio::select! {
            () = phase.finished() => false,
            // Nothing is said in an idle session. Pings are answered by reading.
            _ = async { while let Some(Ok(_)) = session.next().await {} } => !phase.is(RunPhase::Finished),
        };
        let acquire_micros = vec![u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)];
        Ok(WorkerStats { cycles: u64::from(!lost), lost: u64::from(lost), acquire_micros })
    }

    async fn open(&self, url: &str) -> Result<Session, BoxError> {
        let (scheme, authority) = url.split_once("://").ok_or("the URL has no scheme")?;
        let authority = authority.trim_end_matches('/');
        let mut request = format!("ws://{authority}/v1/session").into_client_request()?;
        let uri = request.uri();
        let host = uri.host().ok_or("the URL has no host")?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        request.headers_mut().insert("sec-websocket-protocol", "dlm.session.v1".parse()?);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert("authorization", authorization.parse()?);
        }
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        let stream: Box<dyn ByteStream> = match scheme {
            "https" => Box::new(self.tls.connect(ServerName::try_from(host)?, tcp).await?),
            _ => Box::new(tcp),
        };
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let opening = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (session, _) = tokio::time::timeout(Duration::from_secs(30), opening).await??;
        Ok(session)
    }
}
