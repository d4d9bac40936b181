//! Which of the replicas that share the store are dead.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use dlm_engine::Replicas;

use crate::store::{Cluster, StoreError};

/// The replicas as of this replica's last heartbeat.
pub(crate) struct Membership(RwLock<Arc<Replicas>>);

impl Membership {
    /// Sends the first heartbeat of this replica. Blocks.
    pub(crate) fn join(cluster: &dyn Cluster) -> Result<Self, StoreError> {
        Ok(Self(RwLock::new(Arc::new(cluster.heartbeat()?.replicas))))
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
