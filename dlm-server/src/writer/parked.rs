//! The requests that wait at this server for a lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_engine::{ClaimKey, Micros, Request};

use super::job::{Caller, Leave, RequestId};
use crate::store::Name;

/// A request that is held open.
#[derive(Debug)]
pub(super) struct ParkedRequest {
    pub(super) caller: Caller,
    /// The deciding clock in the transaction that queued the request.
    pub(super) first_now: Micros,
}

/// A claim, and the requests that wait for it.
#[derive(Debug)]
struct ParkedClaim {
    request: Arc<Request>,
    held_open: Vec<ParkedRequest>,
}

/// The parked requests, by claim. Several requests with one key wait for the
/// same claim. Shared by the writers and by the tasks that learn of waits that
/// ended at a peer.
#[derive(Debug, Default)]
pub(crate) struct Parked(Mutex<HashMap<(Name, ClaimKey), ParkedClaim>>);

impl Parked {
    pub(super) fn park(&self, name: &Name, key: &ClaimKey, request: &Arc<Request>, parked: ParkedRequest) {
        let new = || ParkedClaim { request: Arc::clone(request), held_open: Vec::new() };
        let mut claims = self.lock();
        claims.entry((Name::clone(name), key.clone())).or_insert_with(new).held_open.push(parked);
    }

    /// Takes all requests that wait for a claim.
    pub(super) fn take(&self, name: &Name, key: &ClaimKey) -> Vec<ParkedRequest> {
        self.lock().remove(&(Name::clone(name), key.clone())).map(|claim| claim.held_open).unwrap_or_default()
    }

    /// Takes the request that leaves.
    pub(super) fn take_request(&self, leave: &Leave) -> Option<ParkedRequest> {
        let claim_key = (Name::clone(&leave.name), leave.key.clone());
        let mut claims = self.lock();
        let claim = claims.get_mut(&claim_key)?;
        let index = claim.held_open.iter().position(|parked| Some(parked.caller.request) == leave.request)?;
        let taken = claim.held_open.swap_remove(index);
        if claim.held_open.is_empty() {
            claims.remove(&claim_key);
        }
        Some(taken)
    }

    /// The requests that wait for a claim.
    pub(super) fn requests(&self, name: &Name, key: &ClaimKey) -> Vec<RequestId> {
        let claims = self.lock();
        let claim = claims.get(&(Name::clone(name), key.clone()));
        claim.into_iter().flat_map(|claim| &claim.held_open).map(|parked| parked.caller.request).collect()
    }

    /// What a parked claim requested.
    pub(super) fn request_of(&self, name: &Name, key: &ClaimKey) -> Option<Arc<Request>> {
        self.lock().get(&(Name::clone(name), key.clone())).map(|claim| Arc::clone(&claim.request))
    }

    /// All parked claims.
    pub(crate) fn all(&self) -> Vec<(Name, ClaimKey)> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Name, ClaimKey), ParkedClaim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
