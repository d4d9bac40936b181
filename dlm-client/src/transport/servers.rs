//! The servers that a client may use, and which one it uses now.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dlm_protocol::{ProblemCode, RenewResult};

use super::address::ServerAddress;
use super::http::HttpClient;
use super::options::TransportOptions;
use crate::credentials::Authenticator;
use crate::error::Error;

/// The servers of one service. The client uses one of them at a time and fails
/// over to the next.
///
/// Each client has its own random order, unless configured. So the clients of a
/// service spread over its servers, and those of a server that fails spread over the
/// others.
#[derive(Debug)]
pub(crate) struct ServerList {
    clients: Vec<HttpClient>,
    authenticator: Authenticator,
    name: Arc<str>,
    current: AtomicUsize,
}

impl ServerList {
    /// `name` uses the order of the addresses in any case.
    pub(crate) fn new(mut addresses: Vec<ServerAddress>, options: &TransportOptions) -> Result<Self, Error> {
        if addresses.is_empty() {
            return Err(Error::invalid("a client needs at least one server address"));
        }
        let texts: Vec<&str> = addresses.iter().map(|address| &**address.text()).collect();
        let name = texts.join(",").into();
        if !options.keep_address_order {
            shuffle(&mut addresses);
        }
        let credentials = &options.credentials;
        let client =
            |address| HttpClient::new(address, &options.tls, &credentials.headers, options.clock.clone());
        let clients = addresses.into_iter().map(client).collect::<Result<Vec<_>, _>>()?;
        let authenticator = Authenticator::new(credentials.token.clone(), options.clock.clone());
        Ok(Self { clients, authenticator, name, current: AtomicUsize::new(0) })
    }

    /// Identifies the service within this process: the addresses of its servers.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Supplies requests to any of the servers with a token.
    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    pub(crate) fn count(&self) -> usize {
        self.clients.len()
    }

    /// The server in use, with its index.
    pub(crate) fn current(&self) -> (usize, &HttpClient) {
        let index = self.current.load(Ordering::Relaxed);
        (index, &self.clients[index])
    }

    /// Switches from the server with index `from` to the next one, unless another
    /// task has switched already.
    pub(crate) fn fail_over(&self, from: usize) {
        let next = (from + 1) % self.clients.len();
        // A failed exchange means that another task has switched.
        let _ = self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Shuffles by Fisher and Yates.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        // `RandomState` is the standard library's only source of randomness.
        let random = RandomState::new().build_hasher().finish();
        let other = random % (last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

/// Whether the server could not renew some of the leases for lack of its
/// database, so that another server might.
pub(super) fn any_unavailable(results: &[RenewResult]) -> bool {
    results.iter().any(|result| match result {
        RenewResult::Problem(problem) => problem.code == ProblemCode::Unavailable,
        RenewResult::Lease(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const SERVERS: usize = 4;

    fn servers(keep_address_order: bool) -> ServerList {
        let addresses =
            (0..SERVERS).map(|server| ServerAddress::parse(&format!("http://server-{server}")).unwrap());
        let options = TransportOptions { keep_address_order, ..TransportOptions::default() };
        ServerList::new(addresses.collect(), &options).unwrap()
    }

    fn current(servers: &ServerList) -> String {
        servers.current().1.address().text().to_string()
    }

    #[test]
    fn clients_start_at_random_servers_and_scatter_when_one_fails() {
        let mut first = HashSet::new();
        let mut second: HashMap<String, HashSet<String>> = HashMap::new();
        for _ in 0..200 {
            let servers = servers(false);
            assert_eq!(&**servers.name(), "http://server-0,http://server-1,http://server-2,http://server-3");
            let start = current(&servers);
            servers.fail_over(servers.current().0);
            second.entry(start.clone()).or_default().insert(current(&servers));
            first.insert(start);
        }
        // The chance that one of 200 clients is missing at some server is below 1e-20
        // for the first, and below 1e-6 for the second server.
        assert_eq!(first.len(), SERVERS, "{first:?}");
        assert!(second.values().all(|others| others.len() == SERVERS - 1), "{second:?}");
    }

    #[test]
    fn order_of_the_addresses_is_kept_on_request() {
        let servers = servers(true);
        for server in [0, 1, 2, 3, 0] {
            assert_eq!(current(&servers), format!("http://server-{server}"));
            servers.fail_over(servers.current().0);
        }
    }
}
