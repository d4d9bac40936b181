//! A TLS client without an HTTP library: it hangs up when and how a test says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::{Authority, Identity};

/// Whom a client trusts, what it presents and what it speaks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    protocols: Vec<&'static str>,
    version: Option<ProtocolVersion>,
}

impl Trust {
    /// Trusts these authorities, with TLS 1.3 and HTTP/1.1 by ALPN.
    pub(crate) fn new(authorities: &[&Authority]) -> Self {
        let roots = authorities.iter().map(|authority| authority.certificate()).collect();
        Self { roots, identity: None, protocols: vec!["http/1.1"], version: None }
    }

    pub(crate) fn presenting(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Presents nothing.
    pub(crate) fn anonymous(mut self) -> Self {
        self.identity = None;
        self
    }

    pub(crate) fn speaking(mut self, protocols: &[&'static str]) -> Self {
        self.protocols = protocols.to_vec();
        self
    }

    pub(crate) fn over(mut self, version: ProtocolVersion) -> Self {
        self.version = Some(version);
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.roots.iter().cloned());
        let versions = match self.version {
            Some(ProtocolVersion::TLSv1_2) => vec![&TLS12],
            _ => vec![&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions)
            .expect("a supported version")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain(), identity.private_key())
                .expect("a client certificate"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

/// One TLS connection.
pub(crate) struct TlsClient {
    stream: TlsStream<TcpStream>,
}

impl TlsClient {
    pub(crate) async fn connect(url: &str, trust: &Trust) -> Self {
        Self::try_connect(url, trust).await.expect("a TLS connection")
    }

    pub(crate) async fn try_connect(url: &str, trust: &Trust) -> io::Result<Self> {
        let stream = TcpStream::connect(host(url)).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, trust).await
    }

    /// Connects with a small receive buffer, so that the server is soon blocked while
    /// the test does not read.
    pub(crate) async fn slow_reader(url: &str, trust: &Trust) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let stream = socket.connect(host(url).parse().expect("an address")).await.expect("a connection");
        Self::over(stream, trust).await.expect("a TLS connection")
    }

    async fn over(stream: TcpStream, trust: &Trust) -> io::Result<Self> {
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connector = TlsConnector::from(Arc::new(trust.config()));
        Ok(Self { stream: connector.connect(name, stream).await? })
    }

    /// The certificate that the server presented.
    pub(crate) fn server_certificate(&self) -> CertificateDer<'static> {
        let presented = self.stream.get_ref().1.peer_certificates().expect("a certificate");
        presented[0].clone().into_owned()
    }

    pub(crate) fn version(&self) -> Option<ProtocolVersion> {
        self.stream.get_ref().1.protocol_version()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the bytes are sent");
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads until this many bytes have arrived.
    pub(crate) async fn read(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).await?;
        Ok(buffer)
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<String> {
        let mut received = String::new();
        let read = self.stream.read_to_string(&mut received);
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("the server closes")?;
        Ok(received)
    }

    /// Closes the sending direction: TLS's own notice, and the end of the TCP stream.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("the sending direction is closed");
    }

    /// Ends the TCP stream without a notice of TLS, and still reads.
    pub(crate) fn end_tcp_stream(&self) {
        rustix::net::shutdown(self.stream.get_ref().0, Shutdown::Write).expect("the stream is ended");
    }

    /// Reads until the server closes the connection or resets it.
    pub(crate) async fn read_what_comes(&mut self) -> String {
        let mut received = Vec::new();
        let read = self.stream.read_to_end(&mut received);
        // How it ends is not of interest.
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("the server closes").ok();
        String::from_utf8(received).expect("text")
    }

    pub(crate) fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }

    /// The TCP connection below, without a notice of TLS.
    pub(crate) fn into_tcp(self) -> TcpStream {
        self.stream.into_inner().0
    }
}

fn host(url: &str) -> &str {
    url.trim_start_matches("https://")
}
