//! The HTTP connection pool of one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::redirect;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::Error;

/// Connecting takes a round trip or two. If it takes longer, a packet was lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection pool that can be replaced as a whole.
///
/// When the network drops packets silently, every idle connection of the pool is
/// dead without knowing it. Therefore a request that times out replaces the whole
/// pool.
#[derive(Debug)]
pub(crate) struct ConnectionPool {
    tls: ClientConfig,
    current: Mutex<Generation>,
}

#[derive(Debug, Clone)]
struct Generation {
    number: u64,
    connections: reqwest::Client,
}

/// The connections of one generation of the pool.
pub(crate) struct PooledClient {
    pub(crate) client: reqwest::Client,
    generation: u64,
}

impl ConnectionPool {
    pub(crate) fn new(tls: bool) -> Result<Self, Error> {
        Self::with(tls_config(tls).map_err(|why| Error::setup("could not set up TLS", why))?)
    }

    /// A separate pool with the same TLS configuration.
    pub(crate) fn separate(&self) -> Result<Self, Error> {
        Self::with(self.tls.clone())
    }

    fn with(tls: ClientConfig) -> Result<Self, Error> {
        let connections = connect(tls.clone()).map_err(|why| Error::setup("could not set up HTTP", why))?;
        Ok(Self { tls, current: Mutex::new(Generation { number: 0, connections }) })
    }

    /// The TLS configuration, for WebSockets.
    pub(crate) fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    /// The current connections.
    pub(crate) fn client(&self) -> PooledClient {
        let current = self.lock();
        PooledClient { client: current.connections.clone(), generation: current.number }
    }

    /// Replaces the connections, unless `dead` was replaced already.
    pub(crate) fn replace(&self, dead: &PooledClient) {
        let mut current = self.lock();
        if current.number != dead.generation {
            return;
        }
        match connect(self.tls.clone()) {
            Ok(connections) => *current = Generation { number: current.number + 1, connections },
            Err(why) => tracing::warn!(%why, "connection pool replacement failed"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generation> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a pool with the restrictions that a lock client needs.
///
/// - No proxy: proxies in the environment are meant for the web, not for a lock
///   server on loopback or in the local network.
/// - No redirects: request bodies contain lease ids.
/// - No HTTP/2: each waiting acquire occupies a stream, and a connection has few.
///   Renewals would queue behind acquires that wait for locks.
fn connect(tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .http1_only()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
}

/// The TLS configuration: the platform's verifier for `https`, an empty root store
/// for `http`. reqwest needs a configuration even for `http`, and the platform
/// verifier fails on machines without certificates.
fn tls_config(verified: bool) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = if verified {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
