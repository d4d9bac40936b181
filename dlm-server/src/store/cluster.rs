//! The replicas that share a store.

use dlm_engine::{ClaimKey, Micros, ReplicaId, Replicas};
use dlm_protocol::EndReason;

use super::{Name, StoreError};

/// The replicas that share a store.
pub(crate) trait Cluster: Send + Sync {
    /// Says that this replica is alive, and learns which are not.
    fn beat(&self) -> Result<Beat, StoreError>;

    /// Gives the batches that are visible their places in the event log, also
    /// where nobody reads it.
    fn place(&self) -> Result<(), StoreError>;

    /// This replica is about to end.
    fn leave(&self) -> Result<(), StoreError>;

    /// How many of the replicas that are alive come before this one: it is what
    /// they share work by.
    fn rank(&self) -> u32;

    /// Tells the other replicas what concerns them. It may be lost.
    fn announce(&self, words: Vec<Word>);

    /// What other replicas told this one, once there is anything; nothing after
    /// a while.
    fn heard(&self) -> Vec<Heard>;

    /// Those of these waits that are over, or that nobody is known to hold
    /// open. For a message that was lost.
    fn missed(&self, parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError>;

    /// Whether there may be other replicas at all.
    fn is_shared(&self) -> bool;
}

/// What a replica learnt at a sign of life.
#[derive(Debug)]
pub(crate) struct Beat {
    pub(crate) replicas: Replicas,
    /// The others took this replica for gone, and passed over who waits at it.
    pub(crate) was_missed: bool,
}

/// What one replica tells others.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// A wait has ended that the replica holds open.
    WaitEnded { replica: ReplicaId, name: Name, key: ClaimKey },
    /// A lease has ended without its holder's doing.
    LeaseEnded { name: Name, token: u64, reason: EndReason },
    /// A lease began a new term; only said while a replica says the next.
    Renewed { name: Name, token: u64, expires_at: Micros },
    /// Somebody follows renewals here.
    RenewalsFollowed,
}

/// What a replica was told.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    WaitEnded(Name, ClaimKey),
    LeaseEnded(Name, u64, EndReason),
    Renewed(Name, u64, Micros),
    RenewalsFollowed,
}
