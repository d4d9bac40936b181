//! The servers that a client may use, and which one it uses now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dlm_protocol::{ProblemCode, RenewResult};

use super::address::ServerAddress;
use super::http::HttpClient;
use crate::error::Error;

/// The servers of one service. The client uses one of them at a time and fails
/// over to the next.
#[derive(Debug)]
pub(crate) struct ServerList {
    clients: Vec<HttpClient>,
    name: Arc<str>,
    current: AtomicUsize,
}

impl ServerList {
    pub(crate) fn new(addresses: Vec<ServerAddress>) -> Result<Self, Error> {
        if addresses.is_empty() {
            return Err(Error::invalid("a client needs at least one server address"));
        }
        let texts: Vec<&str> = addresses.iter().map(|address| &**address.text()).collect();
        let name = texts.join(",").into();
        let clients = addresses.into_iter().map(HttpClient::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { clients, name, current: AtomicUsize::new(0) })
    }

    /// Identifies the service within this process: the addresses of its servers.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
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

/// Whether the server could not renew some of the leases for lack of its
/// database, so that another server might.
pub(super) fn any_unavailable(results: &[RenewResult]) -> bool {
    results.iter().any(|result| match result {
        RenewResult::Problem(problem) => problem.code == ProblemCode::Unavailable,
        RenewResult::Lease(_) => false,
    })
}
