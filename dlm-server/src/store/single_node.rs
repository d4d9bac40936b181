//! The cluster of a store that belongs to one process.

use dlm_engine::{ClaimKey, Micros, Replicas};

use super::{Cluster, Heartbeat, Name, PeerMessage, StoreError, new_replica_id};

/// A cluster without peers: any other replica named in the store is dead.
pub(super) struct SingleNode(Replicas);

impl SingleNode {
    pub(super) fn new(ready_at: Micros) -> Self {
        Self(Replicas::single_node(new_replica_id(), ready_at))
    }
}

impl Cluster for SingleNode {
    fn heartbeat(&self, _load: u64) -> Result<Heartbeat, StoreError> {
        Ok(Heartbeat { replicas: self.0.clone(), declared_dead: false, open_peers: false, load_of_peers: 0 })
    }

    fn assign_positions(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn leave(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn rank(&self) -> u32 {
        0
    }

    fn announce(&self, _messages: Vec<PeerMessage>) {}

    fn send_announced(&self) {}

    fn receive(&self) -> Vec<PeerMessage> {
        Vec::new()
    }

    fn ended_waits(&self, _parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError> {
        Ok(Vec::new())
    }

    fn is_shared(&self) -> bool {
        false
    }
}
