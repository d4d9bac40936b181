//! Connections: their number, their timeouts and their shutdown.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::peer::SharedStream;

/// Maximum open connections. A waiter over HTTP occupies one.
const MAX_CONNECTIONS: usize = 20_000;
/// Time from accepting a connection until its protocol is known.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from there, or from the previous response, to the end of a request's
/// headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(75);
/// How long requests in flight and WebSockets may take to end at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The connection preface of HTTP/2. A connection that begins otherwise is
/// HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves connections until `stop` is cancelled, calls `draining`, and waits for
/// requests in flight to end.
pub(crate) async fn serve(listener: TcpListener, app: App, stop: CancellationToken, draining: impl FnOnce()) {
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => {
                let Ok(permit) = permit else { break };
                tokio::select! {
                    accepted = listener.accept() => accepted.map(|(stream, _)| (stream, permit)),
                    () = stop.cancelled() => break,
                }
            }
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (app, stop, abort) = (app.clone(), stop.clone(), abort.clone());
                connections.spawn(async move {
                    app.metrics().connection_opened();
                    tokio::select! {
                        () = connection(stream, app.clone(), stop) => {}
                        () = abort.cancelled() => {}
                    }
                    app.metrics().connection_closed();
                    drop(permit);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    draining();
    connections.close();
    let ended = async { tokio::join!(app.sockets().close(), connections.wait()) };
    if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
        let (pending, sockets) = (connections.len(), app.sockets().len());
        tracing::warn!(pending, sockets, "connections missed the shutdown deadline");
        abort.cancel();
        connections.wait().await;
    }
}

async fn connection(stream: TcpStream, app: App, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let known = tokio::select! {
        // hyper's timeout for headers starts only once it knows the protocol.
        known = tokio::time::timeout(FIRST_BYTES_TIMEOUT, first_bytes(&stream)) => known,
        () = stop.cancelled() => return,
    };
    let Ok(Ok(protocol)) = known else { return };
    let stream = SharedStream::new(stream);
    // HTTP/2 reads while it serves, and a client that closes its direction has
    // given up the connection.
    let peer = (protocol == Protocol::Http1).then(|| stream.peer());
    let service = {
        let (app, peer) = (app.clone(), peer.clone());
        service_fn(move |request| {
            let (app, peer) = (app.clone(), peer.clone());
            async move { Ok::<_, Infallible>(app.handle(request, peer).await) }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_headers(64)
        // A client that is done sending still gets its response; `peer` notices
        // one that is gone.
        .half_close(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
    let served = async {
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection failed");
        }
    };
    let Some(peer) = peer else { return served.await };
    tokio::select! {
        () = served => {}
        // Drops the requests in service: their callers hung up.
        () = peer.gone() => tracing::debug!("connection reset"),
    }
    for waiter in peer.unreached().await {
        app.abandon(&waiter);
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

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
