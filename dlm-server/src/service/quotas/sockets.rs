//! Sessions and subscribers of each principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::Principal;
use crate::metrics::SocketProtocol;

/// How many sockets a principal may have open at one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct SocketLimits {
    pub(in crate::service) sessions: usize,
    pub(in crate::service) subscribers: usize,
}

/// The open sockets of all principals that have any.
pub(super) struct SocketCounts {
    limits: SocketLimits,
    open: Arc<Open>,
}

type Open = Mutex<HashMap<(Arc<str>, SocketProtocol), usize>>;

/// The place of one socket. It is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct SocketPlace {
    _taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    open: Arc<Open>,
    socket: (Arc<str>, SocketProtocol),
}

impl SocketPlace {
    /// The place of a socket that no limit applies to.
    pub(in crate::service) const UNLIMITED: Self = Self { _taken: None };
}

impl SocketCounts {
    pub(super) fn new(limits: SocketLimits) -> Self {
        Self { limits, open: Arc::default() }
    }

    /// Takes a place; `None` if the principal has all that it may have.
    pub(super) fn take(&self, principal: &Principal, protocol: SocketProtocol) -> Option<SocketPlace> {
        let limit = match protocol {
            SocketProtocol::Session => self.limits.sessions,
            SocketProtocol::Events => self.limits.subscribers,
        };
        let socket = (Arc::clone(principal.name()), protocol);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A limit is at least 1, so an entry that is made here never stays empty.
        let taken = open.entry(socket.clone()).or_insert(0);
        if *taken >= limit {
            return None;
        }
        *taken += 1;
        Some(SocketPlace { _taken: Some(Taken { open: Arc::clone(&self.open), socket }) })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = open.get_mut(&self.socket) {
            *taken -= 1;
            if *taken == 0 {
                open.remove(&self.socket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_socket_closes() {
        let counts = SocketCounts::new(SocketLimits { sessions: 2, subscribers: 1 });
        let (a, b) = (Principal::named("a".into()), Principal::named("b".into()));
        let session = |principal| counts.take(principal, SocketProtocol::Session);
        let (first, second) = (session(&a), session(&a));
        assert!(first.is_some() && second.is_some() && session(&a).is_none());
        let subscriber = counts.take(&a, SocketProtocol::Events);
        assert!(subscriber.is_some() && counts.take(&a, SocketProtocol::Events).is_none());
        let of_other = session(&b);
        assert!(of_other.is_some());
        drop(first);
        assert!(session(&a).is_some());
        drop((second, subscriber, of_other));
        assert!(counts.open.lock().unwrap().is_empty(), "no entry stays behind");
    }
}
