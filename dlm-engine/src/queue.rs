//! The queue of one resource: its length, and as much of its front as was
//! needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Claim;

/// Most waiters that are kept loaded by joining the queue; those behind are
/// loaded when their turn comes.
const MAX_FRONT: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    len: u64,
    /// Always the first waiters, by ticket, without a gap.
    front: BTreeMap<u64, Arc<Claim>>,
}

impl Queue {
    pub(crate) fn of_len(len: u64) -> Self {
        Self { len, front: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether every waiter is loaded.
    pub(crate) fn is_complete(&self) -> bool {
        self.front.len() as u64 == self.len
    }

    /// The last loaded ticket.
    pub(crate) fn last_loaded(&self) -> u64 {
        self.front.last_key_value().map_or(0, |(ticket, _)| *ticket)
    }

    /// The loaded waiters, in their order.
    pub(crate) fn front(&self) -> impl DoubleEndedIterator<Item = &Arc<Claim>> {
        self.front.values()
    }

    pub(crate) fn get(&self, ticket: u64) -> Option<&Arc<Claim>> {
        self.front.get(&ticket)
    }

    /// A new waiter joins at the end. Tells whether it is now loaded.
    pub(crate) fn push(&mut self, ticket: u64, claim: Arc<Claim>) -> bool {
        let loaded = self.is_complete() && self.front.len() < MAX_FRONT;
        self.len += 1;
        if loaded {
            self.front.insert(ticket, claim);
        }
        loaded
    }

    /// A waiter that was behind the front is loaded.
    pub(crate) fn load(&mut self, ticket: u64, claim: Arc<Claim>) {
        self.front.insert(ticket, claim);
    }

    /// A waiter that may be loaded has changed.
    pub(crate) fn replace(&mut self, ticket: u64, claim: &Arc<Claim>) {
        if let Some(place) = self.front.get_mut(&ticket) {
            *place = Arc::clone(claim);
        }
    }

    /// A waiter leaves, by a grant or without one.
    pub(crate) fn remove(&mut self, ticket: u64) {
        self.front.remove(&ticket);
        self.len -= 1;
    }
}
