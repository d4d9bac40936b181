//! The process-wide registry that admits one guard per lease and per idempotency
//! key.
//!
//! Lease ids are unguessable and therefore unique across servers. Keys are not,
//! so the reservation of a key includes the server.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use dlm_protocol::{IdempotencyKey, LeaseId, ResourceName};

static RESERVED: LazyLock<Mutex<HashSet<ReservationKey>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ReservationKey {
    Lease(LeaseId),
    Key(Arc<str>, ResourceName, IdempotencyKey),
}

/// The exclusive right of one guard to a lease or key within this process. Ends
/// when dropped.
#[derive(Debug)]
pub(crate) struct Reservation(ReservationKey);

impl Reservation {
    /// Reserves a lease. Returns `None` if another guard has it, or if its
    /// release is still pending.
    pub(crate) fn lease(lease_id: &LeaseId) -> Option<Self> {
        Self::new(ReservationKey::Lease(lease_id.clone()))
    }

    /// Reserves a key that the caller chose.
    pub(crate) fn key(server: &Arc<str>, resource: &ResourceName, key: &IdempotencyKey) -> Option<Self> {
        Self::new(ReservationKey::Key(Arc::clone(server), resource.clone(), key.clone()))
    }

    fn new(key: ReservationKey) -> Option<Self> {
        // Not `then_some`: that would construct, and drop, a reservation that was
        // refused, and dropping it would end the existing one.
        reserved().insert(key.clone()).then(|| Self(key))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        reserved().remove(&self.0);
    }
}

fn reserved() -> MutexGuard<'static, HashSet<ReservationKey>> {
    RESERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_reserved_once_until_the_reservation_is_dropped() {
        let id = LeaseId::try_from("a-lease-of-this-test").unwrap();
        let reservation = Reservation::lease(&id).unwrap();
        assert!(Reservation::lease(&id).is_none());
        drop(reservation);
        assert!(Reservation::lease(&id).is_some());
    }

    #[test]
    fn key_is_reserved_per_server_and_resource() {
        let (here, there) = (Arc::from("http://here"), Arc::from("http://there"));
        let (a, b) = (ResourceName::try_from("a").unwrap(), ResourceName::try_from("b").unwrap());
        let key = IdempotencyKey::try_from("job-7").unwrap();
        let _reservation = Reservation::key(&here, &a, &key).unwrap();
        assert!(Reservation::key(&here, &a, &key).is_none());
        assert!(Reservation::key(&here, &b, &key).is_some());
        assert!(Reservation::key(&there, &a, &key).is_some());
    }
}
