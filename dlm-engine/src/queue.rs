//! The queue of one resource: its length, and as much of its front as was
//! needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Claim;

/// Most waiters that are kept loaded by joining the queue; those behind are
/// loaded when their turn comes. In tests so few that it happens.
const MAX_FRONT: usize = if cfg!(test) { 3 } else { 512 };

#[derive(Debug)]
pub(crate) struct Queue {
    len: u64,
    /// Always the first waiters, by ticket, without a gap.
    front: BTreeMap<u64, Arc<Claim>>,
    /// All waiters up to this ticket are loaded; `None` when all are.
    horizon: Option<u64>,
}

impl Queue {
    pub(crate) fn of_len(len: u64) -> Self {
        Self { len, front: BTreeMap::new(), horizon: (len > 0).then_some(0) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether every waiter is loaded.
    pub(crate) fn is_complete(&self) -> bool {
        self.horizon.is_none() || self.front.len() as u64 == self.len
    }

    /// Behind which ticket waiters may not be loaded.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.unwrap_or(u64::MAX)
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
        if loaded {
            self.horizon = None;
            self.front.insert(ticket, claim);
        } else if self.is_complete() {
            self.horizon = Some(ticket - 1);
        }
        self.len += 1;
        loaded
    }

    /// All waiters up to a ticket are loaded now, or all there are.
    pub(crate) fn load(&mut self, waiters: BTreeMap<u64, Arc<Claim>>, horizon: Option<u64>) {
        self.front.extend(waiters);
        self.horizon = horizon;
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
