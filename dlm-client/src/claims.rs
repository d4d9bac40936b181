//! Which leases and keys have a guard in this process: each at most one.
//!
//! The leases of a server are told apart by their unguessable ids; the keys of
//! two servers are not, so a key's claim names the server.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use dlm_protocol::{IdempotencyKey, LeaseId, ResourceName};

static CLAIMED: LazyLock<Mutex<HashSet<Claimed>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Claimed {
    Lease(LeaseId),
    Key(Arc<str>, ResourceName, IdempotencyKey),
}

/// The right of one guard to its lease or key; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim(Claimed);

impl Claim {
    /// Claims a lease; `None` when another guard has it, or when its release is
    /// still under way.
    pub(crate) fn lease(lease_id: &LeaseId) -> Option<Self> {
        Self::new(Claimed::Lease(lease_id.clone()))
    }

    /// Claims a key that the caller chose.
    pub(crate) fn key(server: &Arc<str>, resource: &ResourceName, key: &IdempotencyKey) -> Option<Self> {
        Self::new(Claimed::Key(Arc::clone(server), resource.clone(), key.clone()))
    }

    fn new(claimed: Claimed) -> Option<Self> {
        // Not `then_some`: a claim that was refused must not be dropped as one.
        claims().insert(claimed.clone()).then(|| Self(claimed))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claims().remove(&self.0);
    }
}

fn claims() -> MutexGuard<'static, HashSet<Claimed>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_claimed_once_until_the_claim_ends() {
        let id = LeaseId::try_from("a-lease-of-this-test").unwrap();
        let claim = Claim::lease(&id).unwrap();
        assert!(Claim::lease(&id).is_none());
        drop(claim);
        assert!(Claim::lease(&id).is_some());
    }

    #[test]
    fn a_key_is_claimed_for_one_server_and_one_resource() {
        let (here, there) = (Arc::from("http://here"), Arc::from("http://there"));
        let (a, b) = (ResourceName::try_from("a").unwrap(), ResourceName::try_from("b").unwrap());
        let key = IdempotencyKey::try_from("job-7").unwrap();
        let _claim = Claim::key(&here, &a, &key).unwrap();
        assert!(Claim::key(&here, &a, &key).is_none());
        assert!(Claim::key(&here, &b, &key).is_some());
        assert!(Claim::key(&there, &a, &key).is_some());
    }
}
