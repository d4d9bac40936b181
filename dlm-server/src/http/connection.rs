//! One connection, from its first bytes to its end.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::app::{App, Caller};
use super::exchange::Exchanges;
use super::places::Place;
use super::reply_body::UnsentReplies;
use super::stream::{Connection, HeadDeadlines, Http1Stream, SharedTcp};

/// Time from accepting a connection until its protocol is known.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from the first byte of a request to the end of its headers; HTTP/1.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may last that may only probe the server.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the rest of a request that can't be parsed is read. Closing a
/// connection with unread data resets it, and the response may be lost.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum size of the headers of a request.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The connection preface of HTTP/2. A connection that begins otherwise is
/// HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection until it ends; after `stop`, until the requests in flight are
/// answered. `keep_alive` is how long an HTTP/1 connection may be idle.
pub(super) async fn connection(
    stream: TcpStream,
    place: Place,
    app: App,
    keep_alive: Duration,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let refused = place.refused();
    let served = async {
        let known = tokio::select! {
            known = tokio::time::timeout(FIRST_BYTES_TIMEOUT, first_bytes(&stream)) => known,
            () = stop.cancelled() => return,
        };
        let connection = Arc::new(Connection { stream, place });
        match known {
            Ok(Ok(Protocol::Http1)) => http1(connection, app, keep_alive, stop).await,
            Ok(Ok(Protocol::Http2)) => http2(connection, app, stop).await,
            Ok(Err(_)) | Err(_) => {}
        }
    };
    match refused {
        Some(_) => drop(tokio::time::timeout(PROBE_TIMEOUT, served).await),
        None => served.await,
    }
}

async fn http1(connection: Arc<Connection>, app: App, keep_alive: Duration, stop: CancellationToken) {
    let refused = connection.place.refused();
    let exchanges = Exchanges::default();
    let stream = SharedTcp::new(connection, STALL_TIMEOUT);
    let peer = stream.peer();
    let deadlines = HeadDeadlines { head: HEAD_TIMEOUT, idle: keep_alive };
    let stream = Http1Stream::new(stream, deadlines, exchanges.clone());
    let service = {
        let (app, caller) = (app.clone(), Caller { peer: Some(peer.clone()), refused });
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
        .keep_alive(refused.is_none() && !keep_alive.is_zero())
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
        let refused = ended.as_ref().is_err_and(hyper::Error::is_parse);
        log_end(ended);
        refused
    };
    tokio::select! {
        refused = served => if refused {
            peer.discard_rest(LINGER).await;
        },
        // Drops the requests in service: their callers hung up.
        () = peer.gone() => tracing::debug!("connection reset"),
    }
    for waiter in peer.unreached().await {
        app.abandon(&waiter);
    }
}

async fn http2(connection: Arc<Connection>, app: App, stop: CancellationToken) {
    let refused = connection.place.refused();
    let stream = SharedTcp::new(connection, STALL_TIMEOUT);
    let (unsent, answered) = (UnsentReplies::default(), CancellationToken::new());
    let service = {
        let (caller, unsent) = (Caller { peer: None, refused }, unsent.clone());
        let answered = answered.clone();
        service_fn(move |request| {
            let (app, caller) = (app.clone(), caller.clone());
            let (unsent, answered) = (unsent.clone(), answered.clone());
            async move {
                let response = app.handle(request, &caller).await;
                if caller.refused.is_some() {
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
    let connection = builder.serve_connection(TokioIo::new(stream), service);
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
async fn first_bytes(stream: &TcpStream) -> io::Result<Protocol> {
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
        // A peek returns at once as long as there are any bytes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
