//! The requests that wait at this server for a lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_engine::{ClaimKey, Micros, Request};
use dlm_protocol::SessionQueued;
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
    /// The position in the queue that its caller was told last.
    pub(super) told: Option<u64>,
}

impl ParkedRequest {
    pub(super) fn new(caller: Caller, first_now: Micros) -> Self {
        Self { caller, first_now, told: None }
    }
}

/// A claim, and the requests that wait for it.
#[derive(Debug)]
struct ParkedClaim {
    request: Arc<Request>,
    held_open: Vec<ParkedRequest>,
}

type Place = (Name, ClaimKey);

/// How many places are told at a time.
const PLACES_AT_ONCE: usize = 256;

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

    /// The resources that sessions wait for, and whether one of them was not told its place yet.
    pub(crate) fn waited_for_by_sessions(&self) -> HashMap<Name, bool> {
        let mut waited_for = HashMap::new();
        for ((name, _), claim) in &self.lock().parked {
            let mut told = claim.held_open.iter().filter(|parked| parked.caller.reply.takes_places());
            if let Some(first) = told.next() {
                let untold = first.told.is_none() || told.any(|parked| parked.told.is_none());
                *waited_for.entry(Name::clone(name)).or_default() |= untold;
            }
        }
        waited_for
    }

    /// Tells sessions the places of their waiters: of those whose position is another than they
    /// were told. `queue` has the keys of all waiters of the resource, in order.
    pub(crate) fn tell_places(&self, name: &Name, queue: &[ClaimKey]) {
        let queue_len = queue.len() as u64;
        let positions: Vec<_> = (1..).zip(queue).collect();
        // Writers need the lock too.
        for part in positions.chunks(PLACES_AT_ONCE) {
            let mut claims = self.lock();
            for &(position, key) in part {
                let Some(claim) = claims.parked.get_mut(&(Name::clone(name), key.clone())) else { continue };
                for parked in claim.held_open.iter_mut().filter(|parked| parked.told != Some(position)) {
                    parked.told = Some(position);
                    parked.caller.reply.place(SessionQueued { position, queue_len });
                }
            }
        }
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
    use crate::writer::job::OperationResult;
    use crate::writer::job::Unexecuted;
    use crate::writer::replies::{ReplyTo, ResultSink, SessionReply};

    #[test]
    fn a_request_is_found_by_its_own_key_at_the_claim_that_it_inherits() {
        let (parked, name) = (Parked::default(), Name::from("a"));
        let (own, inherited) = (ClaimKey::new("p", "job-7"), ClaimKey::new("", "job-7"));
        let request =
            Request { mode: Mode::Exclusive, ttl_ms: 1, wait_ms: 1, owner: "".into(), metadata: "{}".into() };
        let (reply, _answer) = tokio::sync::oneshot::channel();
        let caller = Caller { request: RequestId(1), reply: ReplyTo::Future(reply) };
        parked.park(&name, &inherited, &Arc::new(request), ParkedRequest::new(caller, Micros(0)));
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

    #[derive(Default)]
    struct Told(Mutex<Vec<(u64, SessionQueued)>>);

    impl ResultSink for Told {
        fn put(&self, _: u64, _: Option<OperationResult>) -> bool {
            false
        }
        fn place(&self, number: u64, place: SessionQueued) {
            self.0.lock().unwrap().push((number, place));
        }
        fn notify(&self, _: bool) {}
    }

    #[test]
    fn only_waiters_of_sessions_are_told_places_and_only_those_that_have_moved() {
        let (parked, name, told) = (Parked::default(), Name::from("a"), Arc::<Told>::default());
        let request =
            Request { mode: Mode::Exclusive, ttl_ms: 1, wait_ms: 1, owner: "".into(), metadata: "{}".into() };
        let request = Arc::new(request);
        let park = |key: &ClaimKey, number, reply| {
            let caller = Caller { request: RequestId(number), reply };
            parked.park(&name, key, &request, ParkedRequest::new(caller, Micros(0)));
        };
        let session =
            |number| ReplyTo::Session(SessionReply::new(Arc::clone(&told) as Arc<dyn ResultSink>, number));
        let keys: Vec<_> = ["1", "2", "3"].map(|key| ClaimKey::new("", key)).into();
        let (reply, _answer) = tokio::sync::oneshot::channel();
        park(&keys[0], 1, ReplyTo::Future(reply));
        assert!(parked.waited_for_by_sessions().is_empty());
        park(&keys[1], 2, session(2));
        assert_eq!(parked.waited_for_by_sessions().get(&name), Some(&true));
        let take = || std::mem::take(&mut *told.0.lock().unwrap());
        let place = |position, queue_len| SessionQueued { position, queue_len };

        parked.tell_places(&name, &keys[..2]);
        assert_eq!(take(), [(2, place(2, 2))]);
        assert_eq!(parked.waited_for_by_sessions().get(&name), Some(&false));
        park(&keys[2], 3, session(3));
        assert_eq!(parked.waited_for_by_sessions().get(&name), Some(&true));
        parked.tell_places(&name, &keys);
        assert_eq!(take(), [(3, place(3, 3))], "the other one has not moved");
        drop(parked.take(&name, &keys[0]));
        parked.tell_places(&name, &keys[1..]);
        assert_eq!(take(), [(2, place(1, 2)), (3, place(2, 2))]);
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
