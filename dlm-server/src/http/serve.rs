//! Connections: how many, how long they may take, and how they end.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::front::Front;

/// Most connections at a time. A waiter over HTTP keeps one.
const MAX_CONNECTIONS: usize = 20_000;
/// From accepting a connection to knowing which protocol it speaks.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// From there, or from the last answer, to the end of a request's headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(75);
/// How long answers and sockets that are under way at a shutdown may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// After the system could not give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What HTTP/2 begins with; everything else is taken for HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves connections until `stop`, then lets those under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    front: Front,
    stop: CancellationToken,
    draining: impl FnOnce(),
) {
    let connections = TaskTracker::new();
    let places = std::sync::Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            place = std::sync::Arc::clone(&places).acquire_owned() => {
                let Ok(place) = place else { break };
                tokio::select! {
                    accepted = listener.accept() => accepted.map(|(stream, _)| (stream, place)),
                    () = stop.cancelled() => break,
                }
            }
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let (front, stop, abort) = (front.clone(), stop.clone(), abort.clone());
                connections.spawn(async move {
                    front.metrics().connection_opened();
                    tokio::select! {
                        () = connection(stream, front.clone(), stop) => {}
                        () = abort.cancelled() => {}
                    }
                    front.metrics().connection_closed();
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    draining();
    connections.close();
    let ended = async { tokio::join!(front.sockets().close(), connections.wait()) };
    if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
        let (left, sockets) = (connections.len(), front.sockets().len());
        tracing::warn!(left, sockets, "connections were cut off");
        abort.cancel();
        connections.wait().await;
    }
}

async fn connection(stream: TcpStream, front: Front, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    tokio::select! {
        // hyper limits the time of a request's headers, but not the time
        // before it knows which protocol they are in.
        known = tokio::time::timeout(FIRST_BYTES_TIMEOUT, first_bytes(&stream)) => {
            if !matches!(known, Ok(Ok(()))) {
                return;
            }
        }
        () = stop.cancelled() => return,
    }
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT).max_headers(64);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
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
        tracing::debug!(%error, "a connection ended");
    }
}

/// Waits until the bytes that have come say which protocol this is.
async fn first_bytes(stream: &TcpStream) -> io::Result<()> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&bytes[..read]) || read == PREFACE.len() {
            return Ok(());
        }
        // A peek answers at once while it sees the same bytes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
