//! Accepts connections, and ends them at the shutdown.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::caller::Access;
use super::connection::Endpoint;
use super::listener::{ListenSocket, Listener};
use super::places::{ConnectionLimits, Place, Places};
use super::stream::SocketStream;

/// How long requests in flight and WebSockets may take to end at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// How long probes may take to end after that.
const PROBE_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
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
/// requests in flight to end. Meanwhile listeners for probes still answer.
pub(crate) async fn serve(
    listeners: Vec<Listener>,
    app: App,
    options: ServeOptions,
    stop: CancellationToken,
    draining: impl FnOnce(),
) {
    let (for_probes, listeners): (Vec<_>, Vec<_>) =
        listeners.into_iter().partition(|listener| listener.probes_only);
    let connections = Connections::new(&app, options.limits, stop);
    let drained = CancellationToken::new();
    let probes = Connections::new(&app, ConnectionLimits::PROBES, drained.clone());
    let accept = async |connections: &Connections, listeners: Vec<Listener>| {
        join_all(listeners.into_iter().map(|listener| connections.accept(listener, &app, options))).await;
    };
    let serving = async {
        accept(&connections, listeners).await;
        draining();
        let ended = async { tokio::join!(app.sockets().close(), connections.ended()) };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            let (pending, sockets) = (connections.tracker.len(), app.sockets().len());
            tracing::warn!(pending, sockets, "connections missed the shutdown deadline");
            connections.abort().await;
        }
        drained.cancel();
    };
    let probing = async {
        accept(&probes, for_probes).await;
        if tokio::time::timeout(PROBE_DRAIN_TIMEOUT, probes.ended()).await.is_err() {
            probes.abort().await;
        }
    };
    tokio::join!(serving, probing);
}

/// Connections that share places and end together.
struct Connections {
    places: Places,
    tracker: TaskTracker,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Connections {
    fn new(app: &App, limits: ConnectionLimits, stop: CancellationToken) -> Self {
        let places = Places::new(limits, app.metrics());
        Self { places, tracker: TaskTracker::new(), stop, abort: CancellationToken::new() }
    }

    /// Accepts connections until `stop` is cancelled, and closes the listener.
    async fn accept(&self, listener: Listener, app: &App, options: ServeOptions) {
        let Listener { socket, tls, probes_only } = listener;
        let access = if probes_only { Access::Probes } else { Access::Everything };
        let endpoint = Endpoint { app: app.clone(), tls, access, keep_alive: options.keep_alive };
        loop {
            let accepted = tokio::select! {
                accepted = self.accept_one(&socket, app) => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok(Some((stream, address, place))) => {
                    let (endpoint, stop, abort) = (endpoint.clone(), self.stop.clone(), self.abort.clone());
                    self.tracker.spawn(async move {
                        tokio::select! {
                            () = endpoint.serve(stream, address, place, stop) => {}
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
    }

    /// Accepts a connection; `None` if there is no place for it.
    async fn accept_one(
        &self,
        socket: &ListenSocket,
        app: &App,
    ) -> io::Result<Option<(SocketStream, IpAddr, Place)>> {
        let (stream, address) = socket.accept().await?;
        let place = self.places.take(address, app.proxies().contains(address)).await;
        Ok(place.map(|place| (stream, address, place)))
    }

    /// Waits until all have ended.
    async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends all, whatever they do.
    async fn abort(&self) {
        self.abort.cancel();
        self.ended().await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
