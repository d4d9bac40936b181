//! Which of the replicas that share the store are dead.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use dlm_engine::Replicas;

/// The replicas as of this replica's last heartbeat.
pub(crate) struct Membership(RwLock<Arc<Replicas>>);

impl Membership {
    pub(crate) fn new(replicas: Replicas) -> Self {
        Self(RwLock::new(Arc::new(replicas)))
    }

    pub(crate) fn current(&self) -> Arc<Replicas> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, replicas: Replicas) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(replicas);
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Membership").field(&*self.current()).finish()
    }
}
