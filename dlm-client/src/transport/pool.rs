//! The HTTP connection pool of one server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect;

use super::address::ServerAddress;
use super::tls::TlsConfig;
use crate::error::Error;

/// Connecting takes a round trip or two. If it takes longer, a packet was lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// An idle connection, such as one with a waiting acquire, is probed by the kernel
/// after this time and as often, and is broken after this many probes without an
/// answer: within the ten seconds for which a waiter keeps its place.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_PROBES: u32 = 3;

/// A connection pool that can be replaced as a whole.
///
/// When the network drops packets silently, every idle connection of the pool is
/// dead without knowing it. Therefore a request that times out replaces the whole
/// pool.
#[derive(Debug)]
pub(crate) struct ConnectionPool {
    address: ServerAddress,
    tls: TlsConfig,
    /// Sent with every request.
    headers: HeaderMap,
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
    pub(crate) fn new(address: &ServerAddress, tls: TlsConfig, headers: HeaderMap) -> Result<Self, Error> {
        let connections = connect(address, &tls, headers.clone())
            .map_err(|why| Error::setup("could not set up HTTP", why))?;
        let current = Mutex::new(Generation { number: 0, connections });
        Ok(Self { address: address.clone(), tls, headers, current })
    }

    /// The TLS configuration, for WebSockets.
    pub(crate) fn tls(&self) -> &TlsConfig {
        &self.tls
    }

    /// The headers that are sent with every request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
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
        match connect(&self.address, &self.tls, self.headers.clone()) {
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
/// - No redirects: requests contain tokens and lease ids.
/// - No HTTP/2: each waiting acquire occupies a stream, and a connection has few.
///   Renewals would queue behind acquires that wait for locks. Other crates of the program may
///   have turned it on in the library.
fn connect(
    address: &ServerAddress,
    tls: &TlsConfig,
    headers: HeaderMap,
) -> Result<reqwest::Client, reqwest::Error> {
    over_socket(address, tls.apply_to(reqwest::Client::builder()))
        .default_headers(headers)
        .no_proxy()
        .http1_only()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(KEEPALIVE_PROBES)
        .build()
}

/// Connects to the Unix socket of the server, if it has one.
#[cfg(unix)]
fn over_socket(address: &ServerAddress, http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    match address.socket() {
        Some(path) => http.unix_socket(path),
        None => http,
    }
}

#[cfg(not(unix))]
fn over_socket(_: &ServerAddress, http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    http
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[cfg(feature = "tls")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::tls::unused_config;

    /// The kernel's timer of a connection between these ports, and when it fires.
    fn timer(from: u16, to: u16) -> Option<(u8, Duration)> {
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ports = [format!(":{from:04X}"), format!(":{to:04X}")];
        let line = connections.lines().find(|line| {
            let mut addresses = line.split_whitespace().skip(1);
            ports.iter().all(|port| addresses.next().is_some_and(|address| address.ends_with(port)))
        })?;
        let (timer, ticks) = line.split_whitespace().nth(5)?.split_once(':')?;
        let hundredths = u64::from_str_radix(ticks, 16).ok()?;
        Some((timer.parse().ok()?, Duration::from_millis(10 * hundredths)))
    }

    #[tokio::test]
    async fn kernel_probes_a_connection_that_waits_for_a_reply() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{to}/");
        let address = ServerAddress::parse(&url).unwrap();
        let pool = ConnectionPool::new(&address, unused_config().unwrap(), HeaderMap::new()).unwrap();
        let request = pool.client().client.get(url).send();
        let accepted = async {
            let (_connection, peer) = listener.accept().await.unwrap();
            // At first the timer of the request's retransmission may run.
            loop {
                match timer(peer.port(), to) {
                    Some((2, until)) => return until,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let until = tokio::select! {
            until = accepted => until,
            _ = request => unreachable!("nothing replies"),
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("no keepalive timer"),
        };
        assert!(until <= KEEPALIVE, "{until:?}");
        assert!(KEEPALIVE * (1 + KEEPALIVE_PROBES) < Duration::from_secs(10));
    }
}
