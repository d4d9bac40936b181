//! The requests to let go of a lease, in memory.
//!
//! Each replica has all of them, so that the renewal of a lease and a read of its lock need not
//! look into the database. While there are none, a look-up is one load of a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_protocol::{PendingRelease, Timestamp};
use tokio::sync::Notify;

use crate::store::{Name, ReleaseRequest};

/// The requests that a replica knows.
#[derive(Debug, Default)]
pub(crate) struct ReleaseRequests {
    any: AtomicBool,
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<Name, Vec<Entry>>,
    /// How many were added by [`ReleaseRequests::add`].
    added: u64,
}

#[derive(Debug)]
struct Entry {
    request: Arc<ReleaseRequest>,
    /// The value of [`Known::added`] afterwards; 0 if it was read from the database.
    added: u64,
}

/// Which requests were added before a read of the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeforeRead(u64);

impl ReleaseRequests {
    /// The request to let go of the lease with this token.
    pub(crate) fn of(&self, name: &str, token: u64) -> Option<Arc<ReleaseRequest>> {
        if !self.any() {
            return None;
        }
        let known = self.lock();
        let entry = known.by_name.get(name)?.iter().find(|entry| entry.request.token == token)?;
        Some(Arc::clone(&entry.request))
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Adds a request that was stored. Returns it if it was not known.
    pub(crate) fn add(&self, request: ReleaseRequest) -> Option<Arc<ReleaseRequest>> {
        let mut known = self.lock();
        known.added += 1;
        let added = known.added;
        let new = known.insert(request, added);
        self.set_any(&known);
        drop(known);
        self.changed.notify_one();
        new
    }

    /// To be called before the requests are read for [`Self::read`].
    pub(crate) fn before_read(&self) -> BeforeRead {
        BeforeRead(self.lock().added)
    }

    /// Takes over what was read from the database. Keeps what was added meanwhile, which the
    /// read may not have seen. Returns the requests that were not known.
    pub(crate) fn read(&self, stored: Vec<ReleaseRequest>, before: BeforeRead) -> Vec<Arc<ReleaseRequest>> {
        let mut known = self.lock();
        let known = &mut *known;
        let mut previous = std::mem::take(&mut known.by_name);
        let mut new = Vec::new();
        for request in stored {
            let entries = previous.get_mut(&request.name);
            let same = |entry: &Entry| entry.request.token == request.token;
            let place = entries.as_ref().and_then(|entries| entries.iter().position(same));
            match (entries, place) {
                (Some(entries), Some(place)) => {
                    let Entry { request, added } = entries.swap_remove(place);
                    known
                        .by_name
                        .entry(Name::clone(&request.name))
                        .or_default()
                        .push(Entry { request, added });
                }
                _ => new.extend(known.insert(request, 0)),
            }
        }
        for entry in previous.into_values().flatten().filter(|entry| entry.added > before.0) {
            known.by_name.entry(Name::clone(&entry.request.name)).or_default().push(entry);
        }
        self.set_any(known);
        new
    }

    /// Forgets the request with this token.
    pub(crate) fn remove(&self, name: &Name, token: u64) {
        let mut known = self.lock();
        if let Some(entries) = known.by_name.get_mut(name) {
            entries.retain(|entry| entry.request.token != token);
            if entries.is_empty() {
                known.by_name.remove(name);
            }
        }
        self.set_any(&known);
    }

    /// All requests.
    pub(crate) fn all(&self) -> Vec<Arc<ReleaseRequest>> {
        self.lock().by_name.values().flatten().map(|entry| Arc::clone(&entry.request)).collect()
    }

    /// Reports that the database may have others.
    pub(crate) fn changed_elsewhere(&self) {
        self.changed.notify_one();
    }

    /// Waits until a request was added, or the database may have others.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Called with the lock held, so that the flag is that of the last change.
    fn set_any(&self, known: &Known) {
        self.any.store(!known.by_name.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Returns the request if it is new.
    fn insert(&mut self, request: ReleaseRequest, added: u64) -> Option<Arc<ReleaseRequest>> {
        let entries = self.by_name.entry(Name::clone(&request.name)).or_default();
        if entries.iter().any(|entry| entry.request.token == request.token) {
            return None;
        }
        let request = Arc::new(request);
        entries.push(Entry { request: Arc::clone(&request), added });
        Some(request)
    }
}

/// A request in wire terms.
pub(crate) fn pending_release(request: &ReleaseRequest) -> PendingRelease {
    PendingRelease {
        reason: request.reason.to_string(),
        requested_by: request.requested_by.as_deref().map(str::to_owned),
        requested_at: Timestamp::from_micros(request.requested_at.0),
        deadline: Timestamp::from_micros(request.deadline.0),
        force: request.force,
    }
}

#[cfg(test)]
mod tests {
    use dlm_engine::Micros;

    use super::*;

    fn request(name: &str, token: u64) -> ReleaseRequest {
        ReleaseRequest {
            name: name.into(),
            token,
            reason: "deploy".into(),
            requested_by: None,
            requested_at: Micros(0),
            deadline: Micros(1),
            force: false,
        }
    }

    fn tokens(requests: &[Arc<ReleaseRequest>]) -> Vec<u64> {
        let mut tokens: Vec<_> = requests.iter().map(|request| request.token).collect();
        tokens.sort_unstable();
        tokens
    }

    #[test]
    fn a_request_is_found_by_name_and_token_until_it_is_removed() {
        let requests = ReleaseRequests::default();
        assert!(requests.of("a", 1).is_none());
        assert!(requests.add(request("a", 1)).is_some());
        assert!(requests.add(request("a", 1)).is_none(), "it is known");
        assert!(requests.of("a", 1).is_some());
        assert!(requests.of("a", 2).is_none() && requests.of("b", 1).is_none());
        requests.remove(&"a".into(), 1);
        assert!(requests.of("a", 1).is_none() && !requests.any());
    }

    #[test]
    fn what_is_read_replaces_what_was_known_before_the_read() {
        let requests = ReleaseRequests::default();
        requests.add(request("a", 1));
        requests.add(request("a", 2));
        let before = requests.before_read();
        requests.add(request("b", 3));
        let new = requests.read(vec![request("a", 2), request("a", 4)], before);
        assert_eq!(tokens(&new), [4]);
        assert_eq!(tokens(&requests.all()), [2, 3, 4], "1 is gone, 3 was added meanwhile");
        let before = requests.before_read();
        assert!(requests.read(Vec::new(), before).is_empty());
        assert!(!requests.any());
    }
}
