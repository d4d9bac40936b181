//! The options of a server, and its start.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::error::StartError;
use super::listeners::{Exposure, ListenAddress};
use crate::auth::{Authenticator, Policies, Policy, PolicyReloader};
use crate::http::{App, ConnectionLimits, Hosts, Listener, Scheme, ServeOptions, TrustedProxies};
use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::service::{Service, ServiceOptions};
use crate::tls::{TlsFiles, TlsReloader};

/// The default address.
const DEFAULT_LISTEN: &str = "127.0.0.1:7420";
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
/// println!("listening on {}", server.urls()[0]);
/// let stop = CancellationToken::new();
/// server.run(stop).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    listen: Vec<String>,
    probe_listen: Option<String>,
    tls: Option<TlsFiles>,
    auth_file: Option<PathBuf>,
    insecure_no_auth: bool,
    insecure_plaintext: bool,
    trusted_proxies: Vec<String>,
    allowed_hosts: Vec<String>,
    max_connections: usize,
    max_connections_per_address: Option<usize>,
    keep_alive: Duration,
    service: ServiceOptions,
}

impl ServerBuilder {
    /// Listens on this address too: `host:port`, `http://host:port` or
    /// `https://host:port`. Without a scheme it is `https` if there is a certificate
    /// ([`tls`](Self::tls)), otherwise `http`. Port 0 picks a free port. The default is
    /// `127.0.0.1:7420` alone.
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
    /// [`Server::reload`].
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
    /// again when it has changed, and with [`Server::reload`]; with a mistake, the
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
        // Before anything is opened: a mistake is reported at once.
        let metrics = Metrics::new();
        let tls =
            self.tls.clone().map(|files| TlsReloader::start(files, Arc::clone(&metrics))).transpose()?;
        let addresses = self.addresses()?;
        let auth = self
            .auth_file
            .clone()
            .map(|path| PolicyReloader::start(path, Arc::clone(&metrics)))
            .transpose()?;
        let policies = auth.as_ref().map_or_else(|| Policies::new(Policy::open()), PolicyReloader::policies);
        self.warn_of_exposure(&addresses, &metrics);
        let probes = self.probe_listen.as_deref().map(ListenAddress::for_probes).transpose()?;
        let listened = addresses.iter().chain(&probes);
        let listened = listened.map(|address| (address.authority.as_str(), address.resolved.ip()));
        let hosts = Hosts::new(listened, &self.allowed_hosts).map_err(StartError::AllowedHost)?;
        let proxies = TrustedProxies::parse(&self.trusted_proxies).map_err(StartError::TrustedProxy)?;

        let (mut listeners, mut urls, mut probe_url) = (Vec::new(), Vec::new(), None);
        for address in addresses {
            let (listener, address) = address.bind().await?;
            let tls = tls.as_ref().filter(|_| address.scheme == Scheme::Https).map(TlsReloader::tls);
            listeners.push(Listener { listener, tls, probes_only: false });
            urls.push(address.to_string());
        }
        if let Some(address) = probes {
            let (listener, address) = address.bind().await?;
            listeners.push(Listener { listener, tls: None, probes_only: true });
            probe_url = Some(address.to_string());
        }

        let authenticator = Authenticator::new(policies.clone(), Arc::clone(&metrics));
        let service = Service::open_with(self.service, policies, Arc::clone(&metrics)).await?;
        let reload = Reload::new();
        if let Err(error) = start_reloaders(&service, &reload, tls, auth) {
            service.close().await;
            return Err(StartError::Thread(error));
        }
        let app = App::new(service.clone(), authenticator, hosts, proxies, metrics);
        let open_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limits =
            ConnectionLimits::new(self.max_connections, self.max_connections_per_address, open_files);
        let options = ServeOptions { limits, keep_alive: self.keep_alive };
        Ok(Server { listeners, urls, probe_url, reload, service, app, options })
    }

    /// Tells the operator what other machines can do.
    fn warn_of_exposure(&self, addresses: &[ListenAddress], metrics: &Metrics) {
        if self.insecure_no_auth {
            tracing::warn!("no authentication: everyone who can reach the server may do everything");
            metrics.no_authentication();
        }
        // A trusted proxy is expected to encrypt the way to its clients.
        if self.auth_file.is_none() || !self.trusted_proxies.is_empty() {
            return;
        }
        for address in addresses.iter().filter(|address| address.is_readable_by_others()) {
            tracing::warn!(
                %address,
                "connections are not encrypted: whoever can listen on the network can read and use every token"
            );
        }
    }

    /// The addresses to listen on; at least one.
    fn addresses(&self) -> Result<Vec<ListenAddress>, StartError> {
        let scheme = if self.tls.is_some() { Scheme::Https } else { Scheme::Http };
        if self.auth_file.is_some() && self.insecure_no_auth {
            return Err(StartError::AuthContradiction);
        }
        let allowed = Exposure {
            reachable: self.auth_file.is_some() || self.insecure_no_auth,
            plaintext: self.tls.is_none() || self.insecure_plaintext,
        };
        let default = [DEFAULT_LISTEN.to_owned()];
        let listen = if self.listen.is_empty() { &default[..] } else { &self.listen };
        let parse = |listen: &String| {
            let address = ListenAddress::parse(listen, scheme)?;
            address.check(allowed)?;
            if address.scheme == Scheme::Https && self.tls.is_none() {
                return Err(StartError::NoCertificate(listen.clone()));
            }
            Ok(address)
        };
        listen.iter().map(parse).collect()
    }
}

/// Starts the threads that read files again.
fn start_reloaders(
    service: &Service,
    reload: &Reload,
    tls: Option<TlsReloader>,
    auth: Option<PolicyReloader>,
) -> io::Result<()> {
    let background = service.background();
    if let Some(tls) = tls {
        background.spawn("tls-reloader", tls.run(reload.requests(), background.stop_token()))?;
    }
    if let Some(auth) = auth {
        background.spawn("auth-reloader", auth.run(reload.requests(), background.stop_token()))?;
    }
    Ok(())
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
}
