//! Who waits at this server to be woken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_engine::{ClaimKey, Micros, Request};

use super::job::{Caller, Leave, RequestId};
use crate::store::Name;

/// One request that is held open.
#[derive(Debug)]
pub(super) struct ParkedRequest {
    pub(super) caller: Caller,
    pub(super) first_now: Micros,
}

#[derive(Debug)]
struct ParkedClaim {
    asked: Arc<Request>,
    held_open: Vec<ParkedRequest>,
}

/// The requests held open, by the claim they wait for. Several requests with
/// one key wait together. Shared by the writers and by those who hear of waits
/// that ended elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Parked(Mutex<HashMap<(Name, ClaimKey), ParkedClaim>>);

impl Parked {
    pub(super) fn park(&self, name: &Name, key: &ClaimKey, asked: &Arc<Request>, waiting: ParkedRequest) {
        let new = || ParkedClaim { asked: Arc::clone(asked), held_open: Vec::new() };
        let mut waits = self.lock();
        waits.entry((Name::clone(name), key.clone())).or_insert_with(new).held_open.push(waiting);
    }

    /// Takes all that wait for a claim.
    pub(super) fn take(&self, name: &Name, key: &ClaimKey) -> Vec<ParkedRequest> {
        self.lock().remove(&(Name::clone(name), key.clone())).map(|wait| wait.held_open).unwrap_or_default()
    }

    /// Takes the request that leaves.
    pub(super) fn take_one(&self, leave: &Leave) -> Option<ParkedRequest> {
        let place = (Name::clone(&leave.name), leave.key.clone());
        let mut waits = self.lock();
        let wait = waits.get_mut(&place)?;
        let index =
            wait.held_open.iter().position(|waiting| Some(waiting.caller.request) == leave.request)?;
        let taken = wait.held_open.swap_remove(index);
        if wait.held_open.is_empty() {
            waits.remove(&place);
        }
        Some(taken)
    }

    pub(super) fn requests(&self, name: &Name, key: &ClaimKey) -> Vec<RequestId> {
        let waits = self.lock();
        let wait = waits.get(&(Name::clone(name), key.clone()));
        wait.into_iter().flat_map(|wait| &wait.held_open).map(|waiting| waiting.caller.request).collect()
    }

    /// What those who wait for a claim asked.
    pub(super) fn asked(&self, name: &Name, key: &ClaimKey) -> Option<Arc<Request>> {
        self.lock().get(&(Name::clone(name), key.clone())).map(|wait| Arc::clone(&wait.asked))
    }

    /// All that is waited for.
    pub(crate) fn all(&self) -> Vec<(Name, ClaimKey)> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Name, ClaimKey), ParkedClaim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
