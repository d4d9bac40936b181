//! The requests that wait at this server for a lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_engine::{ClaimKey, Micros, Request};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::inherited::anonymous_key;
use super::job::{Caller, Leave, RequestId};
use crate::store::{Name, WaitId};

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

type Place = (Name, ClaimKey);

#[derive(Debug, Default)]
struct Claims {
    parked: HashMap<Place, ParkedClaim>,
    /// The parked claims by what peers call them.
    by_id: HashMap<WaitId, Place>,
}

/// The parked requests, by claim. Several requests with one key wait for the
/// same claim. Shared by the writers and by the tasks that learn of waits that
/// ended at a peer.
#[derive(Default)]
pub(crate) struct Parked {
    claims: Mutex<Claims>,
    /// Makes ids of waits; `None` without peers.
    mac: Option<Hmac<Sha256>>,
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").finish_non_exhaustive()
    }
}

impl Parked {
    /// For a server with peers. All servers of a database have its secret.
    pub(crate) fn with_peers(secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("an HMAC takes a key of any length");
        Self { mac: Some(mac), ..Self::default() }
    }

    /// What peers call this wait; `None` without peers.
    pub(super) fn wait_id(&self, name: &Name, key: &ClaimKey) -> Option<WaitId> {
        let mut mac = self.mac.clone()?;
        mac.update(b"dlm wait");
        for part in [&**name, &*key.principal, &*key.key] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let full = mac.finalize().into_bytes();
        Some(WaitId(std::array::from_fn(|index| full[index])))
    }

    /// The parked claim that a peer calls by this id.
    pub(crate) fn claim(&self, wait: WaitId) -> Option<(Name, ClaimKey)> {
        self.lock().by_id.get(&wait).cloned()
    }

    pub(super) fn park(&self, name: &Name, key: &ClaimKey, request: &Arc<Request>, parked: ParkedRequest) {
        let new = || ParkedClaim { request: Arc::clone(request), held_open: Vec::new() };
        let place = (Name::clone(name), key.clone());
        let wait = self.wait_id(name, key);
        let mut claims = self.lock();
        if let Some(wait) = wait {
            claims.by_id.insert(wait, place.clone());
        }
        claims.parked.entry(place).or_insert_with(new).held_open.push(parked);
    }

    /// Takes all requests that wait for a claim.
    pub(super) fn take(&self, name: &Name, key: &ClaimKey) -> Vec<ParkedRequest> {
        self.remove(&mut self.lock(), name, key).map(|claim| claim.held_open).unwrap_or_default()
    }

    /// Takes the request that leaves, and the key of the claim that it waits for.
    pub(super) fn take_request(&self, leave: &Leave) -> Option<(ClaimKey, ParkedRequest)> {
        let mut claims = self.lock();
        let keys = [Some(leave.key.clone()), anonymous_key(&leave.key)];
        keys.into_iter().flatten().find_map(|key| {
            let claim = claims.parked.get_mut(&(Name::clone(&leave.name), key.clone()))?;
            let is_leaving = |parked: &ParkedRequest| Some(parked.caller.request) == leave.request;
            let index = claim.held_open.iter().position(is_leaving)?;
            let taken = claim.held_open.swap_remove(index);
            if claim.held_open.is_empty() {
                self.remove(&mut claims, &leave.name, &key);
            }
            Some((key, taken))
        })
    }

    /// Whether a request is parked at the claim that its key stands for.
    pub(super) fn contains(&self, name: &Name, key: &ClaimKey, request: RequestId) -> bool {
        self.requests(name, key).contains(&request)
            || anonymous_key(key).is_some_and(|key| self.requests(name, &key).contains(&request))
    }

    fn remove(&self, claims: &mut Claims, name: &Name, key: &ClaimKey) -> Option<ParkedClaim> {
        let removed = claims.parked.remove(&(Name::clone(name), key.clone()))?;
        if let Some(wait) = self.wait_id(name, key) {
            claims.by_id.remove(&wait);
        }
        Some(removed)
    }

    /// The requests that wait for a claim.
    pub(super) fn requests(&self, name: &Name, key: &ClaimKey) -> Vec<RequestId> {
        let claims = self.lock();
        let claim = claims.parked.get(&(Name::clone(name), key.clone()));
        claim.into_iter().flat_map(|claim| &claim.held_open).map(|parked| parked.caller.request).collect()
    }

    /// What a parked claim requested.
    pub(super) fn request_of(&self, name: &Name, key: &ClaimKey) -> Option<Arc<Request>> {
        self.lock().parked.get(&(Name::clone(name), key.clone())).map(|claim| Arc::clone(&claim.request))
    }

    /// All parked claims.
    pub(crate) fn all(&self) -> Vec<(Name, ClaimKey)> {
        self.lock().parked.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use dlm_engine::{KnowsKey, Mode};

    use super::*;
    use crate::writer::job::Unexecuted;
    use crate::writer::replies::ReplyTo;

    #[test]
    fn a_request_is_found_by_its_own_key_at_the_claim_that_it_inherits() {
        let (parked, name) = (Parked::default(), Name::from("a"));
        let (own, inherited) = (ClaimKey::new("p", "job-7"), ClaimKey::new("", "job-7"));
        let request =
            Request { mode: Mode::Exclusive, ttl_ms: 1, wait_ms: 1, owner: "".into(), metadata: "{}".into() };
        let (reply, _answer) = tokio::sync::oneshot::channel();
        let caller = Caller { request: RequestId(1), reply: ReplyTo::Future(reply) };
        parked.park(&name, &inherited, &Arc::new(request), ParkedRequest { caller, first_now: Micros(0) });
        assert!(parked.contains(&name, &own, RequestId(1)));
        assert!(!parked.contains(&name, &ClaimKey::new("p", "job-8"), RequestId(1)));
        assert!(!parked.contains(&name, &own, RequestId(2)));
        let leave = |request| Leave {
            sender: "p".into(),
            name: Name::clone(&name),
            key: own.clone(),
            request: Some(RequestId(request)),
            knows_key: KnowsKey::Yes,
            unexecuted: Unexecuted::Withdraw,
        };
        assert!(parked.take_request(&leave(2)).is_none());
        assert_eq!(parked.take_request(&leave(1)).unwrap().0, inherited);
        assert!(parked.all().is_empty());
    }

    #[test]
    fn peers_agree_on_the_id_of_a_wait_and_others_can_not_make_it() {
        let key = ClaimKey::new("", "job-7");
        let (name, other) = (Name::from("a"), Name::from("b"));
        let wait = Parked::with_peers(b"secret").wait_id(&name, &key);
        assert!(wait.is_some());
        assert_eq!(Parked::with_peers(b"secret").wait_id(&name, &key), wait);
        assert_ne!(Parked::with_peers(b"secret").wait_id(&other, &key), wait);
        assert_ne!(Parked::with_peers(b"guess").wait_id(&name, &key), wait);
        assert_eq!(Parked::default().wait_id(&name, &key), None, "there are no peers");
    }
}
