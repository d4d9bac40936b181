//! Who waits at this server to be woken.

use std::collections::HashMap;

use dlm_engine::{ClaimKey, Micros};

use super::job::{Caller, RequestId};
use crate::store::Name;

/// One request that is held open.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) caller: Caller,
    pub(super) first_now: Micros,
}

/// The requests held open, by the claim they wait for. Several requests with
/// one key wait together.
#[derive(Debug, Default)]
pub(super) struct Parked(HashMap<(Name, ClaimKey), Vec<Waiting>>);

impl Parked {
    pub(super) fn park(&mut self, name: &Name, key: &ClaimKey, waiting: Waiting) {
        self.0.entry((Name::clone(name), key.clone())).or_default().push(waiting);
    }

    /// Takes all that wait for a claim.
    pub(super) fn take(&mut self, name: &Name, key: &ClaimKey) -> Vec<Waiting> {
        self.0.remove(&(Name::clone(name), key.clone())).unwrap_or_default()
    }

    /// Takes one request.
    pub(super) fn take_one(&mut self, name: &Name, key: &ClaimKey, request: RequestId) -> Option<Waiting> {
        let place = (Name::clone(name), key.clone());
        let waiting = self.0.get_mut(&place)?;
        let index = waiting.iter().position(|waiting| waiting.caller.request == request)?;
        let taken = waiting.swap_remove(index);
        if waiting.is_empty() {
            self.0.remove(&place);
        }
        Some(taken)
    }

    pub(super) fn requests(&self, name: &Name, key: &ClaimKey) -> impl Iterator<Item = RequestId> {
        self.0
            .get(&(Name::clone(name), key.clone()))
            .into_iter()
            .flatten()
            .map(|waiting| waiting.caller.request)
    }
}
