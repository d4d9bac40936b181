//! The cluster of a store that belongs to one process.

use dlm_engine::{ClaimKey, Micros, Replicas};

use super::{Beat, Cluster, Heard, Name, StoreError, Word, new_replica_id};

/// Nobody else: whatever other replica is named in the store has gone.
pub(super) struct Alone(Replicas);

impl Alone {
    pub(super) fn new(ready_at: Micros) -> Self {
        Self(Replicas::single_node(new_replica_id(), ready_at))
    }
}

impl Cluster for Alone {
    fn beat(&self) -> Result<Beat, StoreError> {
        Ok(Beat { replicas: self.0.clone(), was_missed: false })
    }

    fn place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn leave(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn rank(&self) -> u32 {
        0
    }

    fn announce(&self, _words: Vec<Word>) {}

    fn heard(&self) -> Vec<Heard> {
        Vec::new()
    }

    fn missed(&self, _parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError> {
        Ok(Vec::new())
    }

    fn is_shared(&self) -> bool {
        false
    }
}
