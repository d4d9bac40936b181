//! A whole server: its store, its listener, and its end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::since_boot;
use crate::http::{self, Front, Hosts};
use crate::metrics::Metrics;
use crate::service::{OpenError, Service, ServiceOptions};

/// Why a server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listen address can't be understood.
    #[error("the listen address {0} is not a host and a port")]
    Address(String),
    /// Everyone on the network could take and free every lock.
    #[error(
        "{0} can be reached from other machines, and nobody is asked who they are: everyone could take and free every \
         lock. Listen on a loopback address, or say --insecure-no-auth if that is meant"
    )]
    NotLoopback(SocketAddr),
    /// The address can't be listened on.
    #[error("{address} can't be listened on: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// How long the end may take, with a second for the process to go.
const END_WITHIN: Duration = Duration::from_secs(9);
/// Writers on a Postgres that nothing else is said of.
const DEFAULT_WRITERS: usize = 2;

/// What a server is started with.
///
/// ```no_run
/// use dlm_server::Server;
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run() -> Result<(), dlm_server::StartError> {
/// let server = Server::builder().listen("127.0.0.1:0").database_url("sqlite://dlm.db").bind().await?;
/// println!("listening on http://{}", server.local_addr());
/// let stop = CancellationToken::new();
/// server.run(stop).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    listen: String,
    insecure_no_auth: bool,
    allowed_hosts: Vec<String>,
    service: ServiceOptions,
}

impl ServerBuilder {
    /// `host:port`; `127.0.0.1:7420` by default. Port 0 picks a free one.
    pub fn listen(mut self, listen: impl Into<String>) -> Self {
        self.listen = listen.into();
        self
    }

    /// `sqlite://path` or `postgres://…`; `sqlite://dlm.db` by default.
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.service.database_url = url.into();
        self
    }

    /// How many connections to Postgres write, each for its share of the
    /// names; 2 by default. SQLite has one writer.
    pub fn writers(mut self, writers: usize) -> Self {
        self.service.writers = writers;
        self
    }

    /// How long a resource that nobody uses is remembered; a day by default.
    /// Its tokens go on growing all the same.
    pub fn idle_retention(mut self, retention: Duration) -> Self {
        self.service.idle_retention = retention;
        self
    }

    /// How old events get; seven days by default.
    pub fn event_retention(mut self, retention: Duration) -> Self {
        self.service.event_retention = retention;
        self
    }

    /// How many events are kept; ten million by default.
    pub fn event_limit(mut self, events: u64) -> Self {
        self.service.event_limit = events;
        self
    }

    /// A file with at least 32 bytes: the secret that lease ids are signed
    /// with. By default the database keeps one of its own.
    pub fn secret_file(mut self, path: Option<PathBuf>) -> Self {
        self.service.secret_file = path;
        self
    }

    /// Allows addresses that other machines reach.
    pub fn insecure_no_auth(mut self, insecure: bool) -> Self {
        self.insecure_no_auth = insecure;
        self
    }

    /// Names, without a port, that the server answers to besides loopback names
    /// and the one it listens on: those it has behind a proxy, or in DNS.
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.allowed_hosts = hosts.into_iter().collect();
        self
    }

    /// Makes a database that comes from a backup safe to serve, instead of
    /// serving it; see [`restore`](crate::restore).
    ///
    /// # Errors
    ///
    /// With what the operator has to change.
    pub async fn restore(self, raise_tokens: u32) -> Result<crate::Restored, StartError> {
        Ok(crate::restore(self.service, raise_tokens).await?)
    }

    /// Opens the store and listens.
    ///
    /// # Errors
    ///
    /// With what the operator has to change.
    pub async fn bind(self) -> Result<Server, StartError> {
        let address = resolve(&self.listen)?;
        if !address.ip().is_loopback() && !self.insecure_no_auth {
            return Err(StartError::NotLoopback(address));
        }
        let failed = |source| StartError::Listen { address: self.listen.clone(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let metrics = Metrics::new();
        let service = Service::open(self.service, metrics.clone()).await?;
        let hosts = Hosts::new(&self.listen, local_addr, &self.allowed_hosts);
        let front = Front::new(service.clone(), hosts, metrics);
        Ok(Server { listener, local_addr, service, front })
    }
}

fn resolve(listen: &str) -> Result<SocketAddr, StartError> {
    let bad = || StartError::Address(listen.to_owned());
    listen.to_socket_addrs().map_err(|_| bad())?.next().ok_or_else(bad)
}

/// A server that listens and is ready to [`run`](Server::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: Service,
    front: Front,
}

impl Server {
    /// A server with the defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            listen: "127.0.0.1:7420".into(),
            insecure_no_auth: false,
            allowed_hosts: Vec::new(),
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

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The service behind it, for use in this process.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Serves until `stop` is cancelled, then drains: waiters are told that
    /// they are still queued, answers under way are sent, commits finished. That
    /// takes ten seconds at most; tells whether all commits were finished.
    pub async fn run(self, stop: CancellationToken) -> bool {
        let mut draining_since = since_boot();
        let draining = || {
            draining_since = since_boot();
            self.service.drain();
        };
        http::serve(self.listener, self.front, stop, draining).await;
        let drained = since_boot().saturating_sub(draining_since);
        self.service.close_within(END_WITHIN.saturating_sub(drained)).await
    }
}
