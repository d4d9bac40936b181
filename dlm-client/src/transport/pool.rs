//! The pool of connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::redirect;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::Error;

/// Connecting takes a round trip or two: what takes longer has been lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections to the server, and the means to begin with new ones.
///
/// When the network drops packets silently, every idle connection of the pool
/// is dead and none of them knows. So an attempt that got no answer has the
/// whole pool replaced.
#[derive(Debug)]
pub(crate) struct Pool {
    tls: ClientConfig,
    current: Mutex<Generation>,
}

#[derive(Debug, Clone)]
struct Generation {
    number: u64,
    connections: reqwest::Client,
}

/// A pool as it was at some instant.
pub(crate) struct Connections {
    pub(crate) client: reqwest::Client,
    generation: u64,
}

impl Pool {
    pub(crate) fn new(tls: bool) -> Result<Self, Error> {
        Self::with(tls_config(tls).map_err(|why| Error::setup("TLS can't be set up", why))?)
    }

    /// One that shares nothing with this but the trust in certificates.
    pub(crate) fn another(&self) -> Result<Self, Error> {
        Self::with(self.tls.clone())
    }

    fn with(tls: ClientConfig) -> Result<Self, Error> {
        let connections = connect(tls.clone()).map_err(|why| Error::setup("HTTP can't be set up", why))?;
        Ok(Self { tls, current: Mutex::new(Generation { number: 0, connections }) })
    }

    /// How TLS is done, for sockets.
    pub(crate) fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    pub(crate) fn connections(&self) -> Connections {
        let current = self.lock();
        Connections { client: current.connections.clone(), generation: current.number }
    }

    /// Replaces the connections, unless somebody has done so already.
    pub(crate) fn give_up(&self, dead: &Connections) {
        let mut current = self.lock();
        if current.number != dead.generation {
            return;
        }
        match connect(self.tls.clone()) {
            Ok(connections) => *current = Generation { number: current.number + 1, connections },
            Err(why) => tracing::warn!(%why, "the connections can't be replaced"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generation> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No proxy, whatever the environment says: what stands there is meant for the
/// web, and a lock server on the loopback or in the same network is not there.
/// No redirects: the body carries a lease id. No HTTP/2: a waiting acquire
/// occupies one of the few streams that a connection has, and what comes after
/// the last one would wait behind locks that nobody releases.
fn connect(tls: ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .http1_only()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
}

/// TLS for `https`, verified as the platform does it. For `http` one that
/// trusts nobody: reqwest wants one, and a machine without certificates has no
/// other.
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
