//! One connection, from its first bytes to its end.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, Interest};
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::caller::{Access, Caller};
use super::exchange::Exchanges;
use super::peer::Peer;
use super::places::Place;
use super::reply_body::UnsentReplies;
use super::stream::{Connection, HeadDeadlines, Http1Stream, SharedStream, SocketStream, Transport};
use crate::tls::{ClientCertificate, Tls, client_certificate};

/// Time from accepting a connection until its TLS handshake is complete.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from then until the protocol is known.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from the first byte of a request to the end of its headers; HTTP/1.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may last that may only probe the server.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the rest of a request or a handshake that can't be parsed is read. Closing a
/// connection with unread data resets it, and the response may be lost.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum size of the headers of a request.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The connection preface of HTTP/2. A connection that begins otherwise is HTTP/1, unless
/// the client chose HTTP/2 in the TLS handshake (ALPN).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the connections of a listener have in common. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) app: App,
    /// What encrypts the connections; without it they are plain HTTP.
    pub(super) tls: Option<Tls>,
    pub(super) access: Access,
    /// How long an HTTP/1 connection may be idle between two requests.
    pub(super) keep_alive: Duration,
}

/// A connection whose protocol is known.
struct Opened {
    transport: Transport,
    protocol: Protocol,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Endpoint {
    /// Serves a connection until it ends; after `stop`, until the requests in flight
    /// are answered.
    pub(super) async fn serve(
        self,
        stream: SocketStream,
        address: IpAddr,
        place: Place,
        stop: CancellationToken,
    ) {
        if let Err(error) = stream.set_nodelay() {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let refused = place.refused();
        let access = refused.map_or(self.access, |why| self.access.refused(why));
        let served = async {
            let shared = SharedStream::new(Arc::new(Connection::new(stream, place)), STALL_TIMEOUT);
            let peer = shared.peer();
            let opened = tokio::select! {
                opened = self.open(shared, &peer) => opened,
                () = stop.cancelled() => return,
            };
            let Some(Opened { transport, protocol, certificate }) = opened else { return };
            let over_tls = self.tls.is_some();
            let caller = |peer| Caller { address, over_tls, certificate, peer, access };
            match protocol {
                Protocol::Http1 => {
                    let caller = caller(Some(peer.clone()));
                    self.http1(transport, caller, peer, refused.is_some(), stop).await;
                }
                Protocol::Http2 => self.http2(transport, caller(None), refused.is_some(), stop).await,
            }
        };
        match refused {
            Some(_) => drop(tokio::time::timeout(PROBE_TIMEOUT, served).await),
            None => served.await,
        }
    }

    /// Completes the TLS handshake, if the listener encrypts, and waits until the protocol
    /// is known. `None` if the client is too slow, gone, or not acceptable.
    async fn open(&self, stream: SharedStream, peer: &Peer) -> Option<Opened> {
        let Some(tls) = &self.tls else {
            let protocol = tokio::time::timeout(FIRST_BYTES_TIMEOUT, first_bytes(stream.as_stream()))
                .await
                .ok()?
                .ok()?;
            return Some(Opened { transport: Transport::Plain(stream), protocol, certificate: None });
        };
        let mut stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                peer.close(LINGER).await;
                return None;
            }
            Err(_) => {
                tracing::debug!("TLS handshake timed out");
                return None;
            }
        };
        let certificate = match client_certificate(&stream) {
            Ok(certificate) => certificate.map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "client certificate refused");
                return None;
            }
        };
        let first = tokio::time::timeout(FIRST_BYTES_TIMEOUT, stream.fill_buf()).await.ok()?.ok()?;
        if first.is_empty() {
            return None;
        }
        let begins_http2 = first.starts_with(PREFACE);
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            None if begins_http2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Some(Opened { transport: Transport::Tls(Box::new(stream)), protocol, certificate })
    }

    /// Serves HTTP/1. A connection is closed after one response if it is `refused`.
    async fn http1(
        &self,
        transport: Transport,
        caller: Caller,
        peer: Peer,
        refused: bool,
        stop: CancellationToken,
    ) {
        let exchanges = Exchanges::default();
        let deadlines = HeadDeadlines { head: HEAD_TIMEOUT, idle: self.keep_alive };
        let stream = Http1Stream::new(transport, deadlines, exchanges.clone());
        let service = {
            let app = self.app.clone();
            service_fn(move |request| {
                let exchange = exchanges.begin();
                let (app, caller, exchanges) = (app.clone(), caller.clone(), exchanges.clone());
                async move {
                    let response = app.handle(request, &caller).await;
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        exchanges.upgrade();
                    }
                    Ok::<_, Infallible>(response.map(|body| body.ending(exchange)))
                }
            })
        };
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // The stream has deadlines for the head and between requests.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(64)
            .keep_alive(!refused && !self.keep_alive.is_zero())
            // A client that is done sending still gets its response; `peer` notices
            // one that is gone.
            .half_close(true);
        let served = async {
            let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            let is_malformed = ended.as_ref().is_err_and(hyper::Error::is_parse);
            log_end(ended);
            is_malformed
        };
        tokio::select! {
            is_malformed = served => if is_malformed {
                peer.close(LINGER).await;
            },
            // Drops the requests in service: their callers hung up.
            () = peer.gone() => tracing::debug!("connection reset"),
        }
        for waiter in peer.unreached().await {
            self.app.abandon(&waiter);
        }
    }

    /// Serves HTTP/2. A connection is closed after one response if it is `refused`.
    async fn http2(&self, transport: Transport, caller: Caller, refused: bool, stop: CancellationToken) {
        let (unsent, answered) = (UnsentReplies::default(), CancellationToken::new());
        let service = {
            let (app, unsent) = (self.app.clone(), unsent.clone());
            let answered = answered.clone();
            service_fn(move |request| {
                let (app, caller) = (app.clone(), caller.clone());
                let (unsent, answered) = (unsent.clone(), answered.clone());
                async move {
                    let response = app.handle(request, &caller).await;
                    if refused {
                        answered.cancel();
                    }
                    Ok::<_, Infallible>(response.map(|body| body.watched_by(&unsent)))
                }
            })
        };
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .max_header_list_size(MAX_HEADER_BYTES as u32);
        let connection = builder.serve_connection(TokioIo::new(transport), service);
        tokio::pin!(connection);
        let ending = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = answered.cancelled() => {}
            }
        };
        let served = async {
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = ending => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            log_end(ended);
        };
        tokio::select! {
            () = served => {}
            () = unsent.stalled(STALL_TIMEOUT) => tracing::debug!("connection closed: the client takes no response"),
        }
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection failed");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Waits until enough bytes have arrived to tell the protocol.
async fn first_bytes(stream: &SocketStream) -> io::Result<Protocol> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&bytes[..read]) {
            return Ok(Protocol::Http1);
        }
        if read == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        if stream.ready(Interest::READABLE).await?.is_read_closed() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // A peek returns at once as long as there are any bytes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    use super::*;

    /// A connection of each kind, and its client.
    async fn connections() -> [(SocketStream, Box<dyn AsyncWrite + Unpin>); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (unix_stream, unix_client) = UnixStream::pair().unwrap();
        [
            (SocketStream::Tcp(stream), Box::new(client)),
            (SocketStream::Unix(unix_stream), Box::new(unix_client)),
        ]
    }

    #[tokio::test]
    async fn client_that_ends_within_the_preface_is_not_waited_for() {
        for (stream, mut client) in connections().await {
            client.write_all(&PREFACE[..5]).await.unwrap();
            let waiting = tokio::time::timeout(Duration::from_millis(50), first_bytes(&stream)).await;
            assert!(waiting.is_err(), "the rest can still come");
            client.shutdown().await.unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(60), first_bytes(&stream)).await;
            assert_eq!(ended.expect("it is noticed").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn protocol_is_told_by_bytes_that_are_left_unread() {
        for (first, expected) in [(&b"GET / HTTP/1.1"[..], Protocol::Http1), (PREFACE, Protocol::Http2)] {
            for (stream, mut client) in connections().await {
                client.write_all(first).await.unwrap();
                assert_eq!(first_bytes(&stream).await.unwrap(), expected);
                let mut bytes = Vec::new();
                stream.ready(Interest::READABLE).await.unwrap();
                stream.try_read_buf(&mut bytes).unwrap();
                assert_eq!(bytes, first);
            }
        }
    }
}
