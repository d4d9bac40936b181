//! The queue of one resource: its length, and as much of its front as is
//! loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Claim;

/// A new waiter is kept in memory only while fewer than this many are loaded.
/// Waiters behind them are loaded on demand. Small in tests, so that loading is
/// exercised.
const MAX_FRONT: usize = if cfg!(test) { 3 } else { 512 };

#[derive(Debug)]
pub(crate) struct Queue {
    len: u64,
    /// The first waiters by ticket, without gaps.
    front: BTreeMap<u64, Arc<Claim>>,
    /// All waiters up to this ticket are loaded; `None` if all waiters are.
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

    /// The ticket behind which there may be waiters that are not loaded.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.unwrap_or(u64::MAX)
    }

    /// The loaded waiters in FIFO order.
    pub(crate) fn front(&self) -> impl DoubleEndedIterator<Item = &Arc<Claim>> {
        self.front.values()
    }

    /// The loaded waiters from this ticket on, in FIFO order.
    pub(crate) fn front_from(&self, ticket: u64) -> impl Iterator<Item = &Arc<Claim>> {
        self.front.range(ticket..).map(|(_, claim)| claim)
    }

    pub(crate) fn get(&self, ticket: u64) -> Option<&Arc<Claim>> {
        self.front.get(&ticket)
    }

    /// Appends a new waiter. Returns whether it is kept in memory.
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

    /// Adds loaded waiters. All waiters up to `horizon` are loaded afterwards,
    /// or all there are if it is `None`.
    pub(crate) fn load(&mut self, waiters: BTreeMap<u64, Arc<Claim>>, horizon: Option<u64>) {
        self.front.extend(waiters);
        self.horizon = horizon;
    }

    /// Replaces a waiter, if it is loaded.
    pub(crate) fn replace(&mut self, ticket: u64, claim: &Arc<Claim>) {
        if let Some(slot) = self.front.get_mut(&ticket) {
            *slot = Arc::clone(claim);
        }
    }

    /// Removes a waiter, whether it is loaded or not.
    pub(crate) fn remove(&mut self, ticket: u64) {
        self.front.remove(&ticket);
        self.len -= 1;
    }
}
