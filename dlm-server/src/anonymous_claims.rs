//! Whether the store may have claims of the anonymous principal.
//!
//! On a server with authentication they are what was acquired before it was turned on.
//! While there may be any, each key of an acquire or a cancel is looked up among them too,
//! so the server finds out when none are left. Servers without authentication make new
//! ones: none may run meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of the claims of the anonymous principal.
#[derive(Debug)]
pub(crate) struct AnonymousClaims {
    may_exist: AtomicBool,
    search: Mutex<Search>,
}

#[derive(Debug)]
struct Search {
    /// Whether a live peer has no authentication.
    open_peers: bool,
    /// Whether there has been no such peer since the search began.
    under_way: bool,
}

/// What the search for a claim has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchStep {
    /// Nothing: it is over, or would be in vain.
    Pause,
    /// Begin at the first claim of the store.
    Begin,
    /// Go on.
    Continue,
}

impl AnonymousClaims {
    /// `open_peers` is whether a live peer has no authentication.
    pub(crate) fn new(open_peers: bool) -> Self {
        let search = Mutex::new(Search { open_peers, under_way: false });
        Self { may_exist: AtomicBool::new(true), search }
    }

    /// Whether there may be any.
    pub(crate) fn may_exist(&self) -> bool {
        self.may_exist.load(Ordering::Acquire)
    }

    /// Records whether a live peer has no authentication.
    pub(crate) fn record_peers(&self, open: bool) {
        let mut search = self.search();
        search.open_peers = open;
        if open {
            search.under_way = false;
            self.may_exist.store(true, Ordering::Release);
        }
    }

    /// What the search has to do next.
    pub(crate) fn next_step(&self) -> SearchStep {
        let mut search = self.search();
        if search.open_peers || !self.may_exist() {
            return SearchStep::Pause;
        }
        match std::mem::replace(&mut search.under_way, true) {
            true => SearchStep::Continue,
            false => SearchStep::Begin,
        }
    }

    /// The search has come to the last claim of the store without finding any. Returns
    /// whether none can have been added behind its back.
    pub(crate) fn found_none(&self) -> bool {
        let mut search = self.search();
        let none = std::mem::take(&mut search.under_way);
        if none {
            self.may_exist.store(false, Ordering::Release);
        }
        none
    }

    fn search(&self) -> MutexGuard<'_, Search> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_may_exist_after_a_search_that_found_none() {
        let claims = AnonymousClaims::new(false);
        assert!(claims.may_exist());
        assert_eq!(claims.next_step(), SearchStep::Begin);
        assert_eq!(claims.next_step(), SearchStep::Continue);
        assert!(claims.found_none());
        assert!(!claims.may_exist());
        assert_eq!(claims.next_step(), SearchStep::Pause);
    }

    #[test]
    fn no_search_begins_while_a_peer_has_no_authentication() {
        let claims = AnonymousClaims::new(true);
        assert_eq!(claims.next_step(), SearchStep::Pause);
        claims.record_peers(false);
        assert_eq!(claims.next_step(), SearchStep::Begin);
    }

    #[test]
    fn a_peer_without_authentication_makes_a_search_void() {
        let claims = AnonymousClaims::new(false);
        assert_eq!(claims.next_step(), SearchStep::Begin);
        claims.record_peers(true);
        claims.record_peers(false);
        assert!(!claims.found_none());
        assert!(claims.may_exist());
        assert_eq!(claims.next_step(), SearchStep::Begin);
    }

    #[test]
    fn a_peer_without_authentication_may_add_some_later() {
        let claims = AnonymousClaims::new(false);
        claims.next_step();
        claims.found_none();
        claims.record_peers(true);
        assert!(claims.may_exist());
        assert_eq!(claims.next_step(), SearchStep::Pause);
    }
}
