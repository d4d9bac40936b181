//! A complete server: its options, its listener and its shutdown.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::since_boot;
use crate::http::{self, App, ConnectionLimits, Hosts, ServeOptions};
use crate::metrics::Metrics;
use crate::service::{OpenError, Service, ServiceOptions};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listen address is not valid.
    #[error("the listen address {0} is not a valid host and port")]
    Address(String),
    /// The address is reachable from other machines, and no authentication is
    /// configured.
    #[error(
        "{0} is reachable from other machines and no authentication is configured: anyone could acquire and release \
         every lock. Listen on a loopback address, or pass --insecure-no-auth to allow this"
    )]
    NotLoopback(SocketAddr),
    /// The server could not listen on the address.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// An allowed host is not a host that a request can have.
    #[error(
        "--allowed-host {0:?} can never match: give a host name or an IP address, without a scheme, path or wildcard"
    )]
    AllowedHost(String),
    /// A signal handler could not be installed.
    #[error("could not install a signal handler: {0}")]
    Signals(io::Error),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// Why a server stopped other than by a complete shutdown.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A vital part of the server ended although the server was not stopping. The
    /// rest was shut down.
    #[error("{part} {}: the server can't go on without it", if *panicked { "panicked" } else { "ended" })]
    PartEnded {
        /// The name of the part, such as `sweeper` or `writer-0`.
        part: String,
        /// Whether it ended with a panic.
        panicked: bool,
    },
    /// Not all commits were finished before the shutdown deadline.
    #[error("not all commits were finished before the shutdown deadline")]
    Unfinished,
}

/// Time limit of a shutdown. It leaves the process a second to exit.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(9);
/// The default number of Postgres writers.
const DEFAULT_WRITERS: usize = 2;
/// The default limit of connections.
const DEFAULT_CONNECTIONS: usize = 20_000;
/// The default time for which an HTTP/1 connection may be idle.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Configures and starts a [`Server`].
///
/// # Examples
///
/// ```no_run
/// use dlm_server::Server;
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().listen("127.0.0.1:0").database_url("sqlite://dlm.db").bind().await?;
/// println!("listening on http://{}", server.local_addr());
/// let stop = CancellationToken::new();
/// server.run(stop).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    listen: String,
    insecure_no_auth: bool,
    allowed_hosts: Vec<String>,
    max_connections: usize,
    max_connections_per_address: Option<usize>,
    keep_alive: Duration,
    service: ServiceOptions,
}

impl ServerBuilder {
    /// The address to listen on, `host:port`. Port 0 picks a free port. The
    /// default is `127.0.0.1:7420`.
    pub fn listen(mut self, listen: impl Into<String>) -> Self {
        self.listen = listen.into();
        self
    }

    /// The database, `sqlite://path` or `postgres://…`. The default is
    /// `sqlite://dlm.db`.
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.service.database_url = url.into();
        self
    }

    /// The number of Postgres connections that write, each for a share of the
    /// resource names; clamped to 1 to 64. The default is 2. SQLite has a single
    /// writer.
    pub fn writers(mut self, writers: usize) -> Self {
        self.service.writers = writers;
        self
    }

    /// How long an idle resource is kept. Its fencing tokens keep growing after
    /// it was deleted. The default is one day.
    pub fn idle_retention(mut self, retention: Duration) -> Self {
        self.service.idle_retention = retention;
        self
    }

    /// The maximum age of events in the log. The default is seven days.
    pub fn event_retention(mut self, retention: Duration) -> Self {
        self.service.event_retention = retention;
        self
    }

    /// The maximum number of events in the log. The default is ten million.
    pub fn event_limit(mut self, events: u64) -> Self {
        self.service.event_limit = events;
        self
    }

    /// A file with the secret that signs lease ids, at least 32 bytes. By
    /// default a random secret is generated and stored in the database.
    pub fn secret_file(mut self, path: Option<PathBuf>) -> Self {
        self.service.secret_file = path;
        self
    }

    /// Allows a listen address that is reachable from other machines, without
    /// authentication. The default is `false`.
    pub fn insecure_no_auth(mut self, insecure: bool) -> Self {
        self.insecure_no_auth = insecure;
        self
    }

    /// Host names, without a port, that requests may use besides loopback names
    /// and the listen address: for example the names of the server in DNS or
    /// behind a proxy.
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.allowed_hosts = hosts.into_iter().collect();
        self
    }

    /// Maximum open connections, WebSockets included. The default is 20,000. The
    /// limit of open files of the process may allow fewer.
    ///
    /// A few more are accepted while so many are open: they may only probe the
    /// server (`/livez`, `/readyz`, `/metrics`), and get 503 otherwise.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Maximum open connections from one IP address, or from one IPv6 network of
    /// 64 bits. The default is four fifths of all connections. Behind a proxy all
    /// clients have the address of the proxy.
    pub fn max_connections_per_address(mut self, connections: Option<usize>) -> Self {
        self.max_connections_per_address = connections;
        self
    }

    /// How long an HTTP/1 connection may be idle between two requests. The
    /// default is 75 s. With zero, each connection is closed after one response.
    pub fn keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = idle;
        self
    }

    /// Makes a database from a backup safe to serve, instead of serving it. See
    /// [`restore`](crate::restore).
    ///
    /// # Errors
    ///
    /// Returns an error that tells the operator what to change.
    pub async fn restore(self, raise_tokens: u32) -> Result<crate::Restored, StartError> {
        Ok(crate::restore(self.service, raise_tokens).await?)
    }

    /// Opens the store and starts to listen. Connections are accepted once
    /// [`Server::run`] is called.
    ///
    /// # Errors
    ///
    /// Returns an error that tells the operator what to change.
    pub async fn bind(self) -> Result<Server, StartError> {
        let address = resolve(&self.listen)?;
        if !address.ip().is_loopback() && !self.insecure_no_auth {
            return Err(StartError::NotLoopback(address));
        }
        // Before anything is opened: a mistake is reported at once.
        Hosts::new(&self.listen, address, &self.allowed_hosts).map_err(StartError::AllowedHost)?;
        let failed = |source| StartError::Listen { address: self.listen.clone(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let metrics = Metrics::new();
        let service = Service::open(self.service, metrics.clone()).await?;
        let hosts =
            Hosts::new(&self.listen, local_addr, &self.allowed_hosts).map_err(StartError::AllowedHost)?;
        let app = App::new(service.clone(), hosts, metrics);
        let open_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limits =
            ConnectionLimits::new(self.max_connections, self.max_connections_per_address, open_files);
        let options = ServeOptions { limits, keep_alive: self.keep_alive };
        Ok(Server { listener, local_addr, service, app, options })
    }
}

fn resolve(listen: &str) -> Result<SocketAddr, StartError> {
    let invalid = || StartError::Address(listen.to_owned());
    listen.to_socket_addrs().map_err(|_| invalid())?.next().ok_or_else(invalid)
}

/// A server that listens and is ready to [`run`](Server::run). It must run within
/// a tokio runtime.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: Service,
    app: App,
    options: ServeOptions,
}

impl Server {
    /// Returns a builder with the default options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            listen: "127.0.0.1:7420".into(),
            insecure_no_auth: false,
            allowed_hosts: Vec::new(),
            max_connections: DEFAULT_CONNECTIONS,
            max_connections_per_address: None,
            keep_alive: DEFAULT_KEEP_ALIVE,
            service: ServiceOptions {
                database_url: "sqlite://dlm.db".into(),
                writers: DEFAULT_WRITERS,
                idle_retention: Duration::from_secs(86_400),
                event_retention: Duration::from_secs(7 * 86_400),
                event_limit: 10_000_000,
                secret_file: None,
            },
        }
    }

    /// The address that the server listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The service behind the transports, for use within this process.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Serves until `stop` is cancelled, and then drains: waiters get a response
    /// that they are still queued, WebSockets are closed with 1012, requests in
    /// flight and commits are finished. Draining takes at most ten seconds.
    ///
    /// # Errors
    ///
    /// Returns an error if a vital part of the server ended unasked: it drains then as
    /// if `stop` had been cancelled. Also if not all commits were finished.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future abandons connections and skips the
    /// drain. Cancel `stop` instead.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let Self { listener, service, app, options, .. } = self;
        // The caller's token is not cancelled when this server fails.
        let stop = stop.child_token();
        let mut draining_since = since_boot();
        let draining = || {
            draining_since = since_boot();
            service.drain();
        };
        let serving = http::serve(listener, app, options, stop.clone(), draining);
        let stop_on_failure = async {
            service.part_ended().await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serving => {}
            () = stop_on_failure => {}
        }
        let drained = since_boot().saturating_sub(draining_since);
        let finished = service.close_within(SHUTDOWN_WITHIN.saturating_sub(drained)).await;
        match service.ended_part() {
            Some(ended) => Err(RunError::PartEnded { part: ended.part.clone(), panicked: ended.panicked }),
            None if finished => Ok(()),
            None => Err(RunError::Unfinished),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server(directory: &tempfile::TempDir) -> Server {
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Server::builder().listen("127.0.0.1:0").database_url(url).bind().await.unwrap()
    }

    #[tokio::test]
    async fn b53_run_returns_the_vital_part_that_ended() {
        let directory = tempfile::tempdir().unwrap();
        let server = server(&directory).await;
        let service = server.service().clone();
        assert_eq!((service.alive(), service.ready().await), (Ok(()), Ok(())));
        service.background().spawn("doomed", async { panic!("expected") }).unwrap();
        let stop = CancellationToken::new();
        match server.run(stop.clone()).await {
            Err(RunError::PartEnded { part, panicked: true }) => assert_eq!(part, "doomed"),
            other => panic!("{other:?}"),
        }
        assert!(service.alive().is_err() && service.ready().await.is_err());
        assert!(!stop.is_cancelled());
    }

    #[tokio::test]
    async fn b53_run_returns_a_writer_that_panicked() {
        let directory = tempfile::tempdir().unwrap();
        let server = server(&directory).await;
        let service = server.service().clone();
        let running = server.run(CancellationToken::new());
        let break_writer = service.break_writer();
        let (ran, broken) = tokio::join!(running, break_writer);
        assert!(broken.is_err());
        assert_eq!(ran.unwrap_err().to_string(), "writer-0 panicked: the server can't go on without it");
    }

    #[tokio::test]
    async fn a_server_that_is_stopped_runs_without_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        server(&directory).await.run(stop).await.unwrap();
    }
}
