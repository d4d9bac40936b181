//! The options of a server.

use std::path::PathBuf;
use std::time::Duration;

use crate::audit::AuditOptions;
use crate::service::{ServiceOptions, TroubleThresholds};
use crate::tls::TlsFiles;
use crate::webhook::WebhookOptions;

/// The default number of Postgres writers.
const DEFAULT_WRITERS: usize = 2;
/// The default limit of connections.
const DEFAULT_CONNECTIONS: usize = 20_000;
/// The default limits of sockets of one principal.
const DEFAULT_SESSIONS: usize = 10_000;
const DEFAULT_SUBSCRIBERS: usize = 1_000;
/// The default time for which an HTTP/1 connection may be idle.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Configures and starts a [`Server`](crate::Server).
///
/// # Examples
///
/// ```no_run
/// use dlm_server::Server;
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().listen("127.0.0.1:0").database_url("sqlite://dlm.db").bind().await?;
/// println!("listening on {}", server.urls()[0]);
/// let stop = CancellationToken::new();
/// server.run(stop).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    pub(super) listen: Vec<String>,
    pub(super) probe_listen: Option<String>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) auth_file: Option<PathBuf>,
    pub(super) insecure_no_auth: bool,
    pub(super) insecure_plaintext: bool,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) max_connections: usize,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) keep_alive: Duration,
    pub(super) audit: Option<AuditOptions>,
    pub(super) webhook: Option<WebhookOptions>,
    pub(super) service: ServiceOptions,
}

impl ServerBuilder {
    /// Listens on this address too: `host:port`, `http://host:port` or
    /// `https://host:port`. Without a scheme it is `https` if there is a certificate
    /// ([`tls`](Self::tls)), otherwise `http`. Port 0 picks a free port. The default is
    /// `127.0.0.1:7420` alone.
    ///
    /// Or it is `unix:` and the absolute path of a Unix socket, such as `unix:/run/dlm/dlm.sock`.
    /// Its user and group may connect (mode 0660). It replaces the socket of a server that has died,
    /// and is removed when the server stops. Its clients count as clients on loopback, and
    /// connections are not encrypted.
    pub fn listen(mut self, listen: impl Into<String>) -> Self {
        self.listen.push(listen.into());
        self
    }

    /// Listens on this address, `host:port`, for probes alone: `/livez`, `/readyz` and
    /// `/metrics`, over plain HTTP. Other machines may reach it. Until the drain is
    /// over, it answers that the server is not ready.
    pub fn probe_listen(mut self, listen: Option<String>) -> Self {
        self.probe_listen = listen;
        self
    }

    /// The certificate of the server with the chain to its authority, and its private
    /// key, as PEM files. They are read again when they change, and with
    /// [`Server::reload`](crate::Server::reload).
    ///
    /// TLS 1.2 and 1.3 are spoken, and HTTP/1.1 and HTTP/2.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let client_ca = self.tls.and_then(|files| files.client_ca);
        self.tls = Some(TlsFiles { certificate: certificate.into(), key: key.into(), client_ca });
        self
    }

    /// The authorities of client certificates, as a PEM file that is read again like
    /// the certificate. A certificate that a client presents must be from one of them; a
    /// client without one may connect as well.
    ///
    /// Without [`tls`](Self::tls) before it this has no effect.
    pub fn tls_client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        if let Some(files) = &mut self.tls {
            files.client_ca = Some(path.into());
        }
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

    /// A file with principals, their credentials and their rules, in TOML. It is read
    /// again when it has changed, and with [`Server::reload`](crate::Server::reload); with a mistake, the
    /// policy before stays in force. Without a file everyone may do everything.
    pub fn auth_file(mut self, path: Option<PathBuf>) -> Self {
        self.auth_file = path;
        self
    }

    /// Allows a listen address that is reachable from other machines, without
    /// authentication. The default is `false`.
    pub fn insecure_no_auth(mut self, insecure: bool) -> Self {
        self.insecure_no_auth = insecure;
        self
    }

    /// Allows plain HTTP on an address that is reachable from other machines although
    /// there is a certificate, for example between the server and a proxy. The default
    /// is `false`. Without a certificate, [`auth_file`](Self::auth_file) and
    /// [`insecure_no_auth`](Self::insecure_no_auth) allow it.
    pub fn insecure_plaintext(mut self, insecure: bool) -> Self {
        self.insecure_plaintext = insecure;
        self
    }

    /// The networks of proxies (`10.1.0.0/16`, or an address) whose `X-Forwarded-For`
    /// and `X-Forwarded-Proto` are believed: for the address of the client in the log,
    /// and for the scheme that an `Origin` must have. Connections from them are not
    /// limited by
    /// [`max_connections_per_address`](Self::max_connections_per_address).
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = String>) -> Self {
        self.trusted_proxies = networks.into_iter().collect();
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
    /// clients have the address of the proxy: see
    /// [`trusted_proxies`](Self::trusted_proxies).
    pub fn max_connections_per_address(mut self, connections: Option<usize>) -> Self {
        self.max_connections_per_address = connections;
        self
    }

    /// Maximum open sessions of one principal at this server. The default is 10,000.
    /// Without an [`auth_file`](Self::auth_file) there is no limit.
    pub fn max_sessions_per_principal(mut self, sessions: usize) -> Self {
        self.service.max_sessions_per_principal = sessions;
        self
    }

    /// Maximum open event streams of one principal at this server. The default is 1,000.
    /// Without an [`auth_file`](Self::auth_file) there is no limit.
    pub fn max_subscribers_per_principal(mut self, subscribers: usize) -> Self {
        self.service.max_subscribers_per_principal = subscribers;
        self
    }

    /// How long an HTTP/1 connection may be idle between two requests. The
    /// default is 75 s. With zero, each connection is closed after one response.
    pub fn keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = idle;
        self
    }

    /// Writes an audit log. Without one, nothing is recorded. The default is `None`.
    pub fn audit(mut self, options: Option<AuditOptions>) -> Self {
        self.audit = options;
        self
    }

    /// From when on a wait or a hold is a trouble.
    pub fn troubles(mut self, thresholds: TroubleThresholds) -> Self {
        self.service.troubles = thresholds;
        self
    }

    /// Reports troubles to a URL: locks that are waited for or held too long, and possible
    /// deadlocks. The default is `None`.
    pub fn webhook(mut self, options: Option<WebhookOptions>) -> Self {
        self.webhook = options;
        self
    }
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            probe_listen: None,
            tls: None,
            auth_file: None,
            insecure_no_auth: false,
            insecure_plaintext: false,
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            max_connections: DEFAULT_CONNECTIONS,
            max_connections_per_address: None,
            keep_alive: DEFAULT_KEEP_ALIVE,
            audit: None,
            webhook: None,
            service: ServiceOptions {
                database_url: "sqlite://dlm.db".into(),
                writers: DEFAULT_WRITERS,
                idle_retention: Duration::from_secs(86_400),
                event_retention: Duration::from_secs(7 * 86_400),
                event_limit: 10_000_000,
                secret_file: None,
                max_sessions_per_principal: DEFAULT_SESSIONS,
                max_subscribers_per_principal: DEFAULT_SUBSCRIBERS,
                troubles: TroubleThresholds::default(),
            },
        }
    }
}
