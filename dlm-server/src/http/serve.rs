//! Accepts connections, and ends them at the shutdown.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::connection::connection;
use super::places::{ConnectionLimits, Place, Places};

/// How long requests in flight and WebSockets may take to end at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServeOptions {
    pub(crate) limits: ConnectionLimits,
    /// How long an HTTP/1 connection may be idle between two requests.
    pub(crate) keep_alive: Duration,
}

/// Serves connections until `stop` is cancelled, calls `draining`, and waits for
/// requests in flight to end.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    options: ServeOptions,
    stop: CancellationToken,
    draining: impl FnOnce(),
) {
    let connections = TaskTracker::new();
    let places = Places::new(options.limits, app.metrics());
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok(Some((stream, place))) => {
                let (app, stop, abort) = (app.clone(), stop.clone(), abort.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, place, app, options.keep_alive, stop) => {}
                        () = abort.cancelled() => {}
                    }
                });
            }
            Ok(None) => {}
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

/// Accepts a connection; `None` if there is no place for it.
async fn accept(listener: &TcpListener, places: &Places) -> io::Result<Option<(TcpStream, Place)>> {
    let (stream, address): (TcpStream, SocketAddr) = listener.accept().await?;
    Ok(places.take(address.ip()).await.map(|place| (stream, place)))
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
