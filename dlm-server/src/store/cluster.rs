//! The replicas that share a store, and the messages between them.

use dlm_engine::{ClaimKey, Micros, ReplicaId, Replicas};
use dlm_protocol::EndReason;

use super::{Name, StoreError};

/// The replicas that share a store.
pub(crate) trait Cluster: Send + Sync {
    /// Records that this replica is alive and executes so many operations per second, and reads
    /// which replicas are dead.
    fn heartbeat(&self, load: u64) -> Result<Heartbeat, StoreError>;

    /// Assigns committed batches their positions in the event log. Readers of
    /// the log do this too; it is needed while nobody reads.
    fn assign_positions(&self) -> Result<(), StoreError>;

    /// Marks this replica as dead, at shutdown.
    fn leave(&self) -> Result<(), StoreError>;

    /// How many live replicas precede this one. Background work is divided by
    /// rank.
    fn rank(&self) -> u32;

    /// Enqueues messages to the other replicas. Delivery is not guaranteed.
    fn announce(&self, messages: Vec<PeerMessage>);

    /// Sends the messages that are enqueued. Blocks until there are any, and returns
    /// after a timeout when there are none.
    fn send_announced(&self);

    /// Receives messages from other replicas. Blocks until there are any, and
    /// returns an empty list after a timeout.
    fn receive(&self) -> Vec<PeerMessage>;

    /// Returns those of these waits that have ended, or whose claim names no
    /// replica. Covers lost messages.
    fn ended_waits(&self, parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError>;

    /// Whether other replicas may share the store at all.
    fn is_shared(&self) -> bool;
}

/// The result of a heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) replicas: Replicas,
    /// Peers had declared this replica dead, and passed over its waiters.
    pub(crate) declared_dead: bool,
    /// Whether a live peer has no authentication.
    pub(crate) open_peers: bool,
    /// How many operations the live peers execute per second, all together.
    pub(crate) load_of_peers: u64,
}

/// Identifies a wait to the replicas of one database. Every role that can connect
/// to the database can receive the messages, so they contain no idempotency key,
/// and nothing that a guessed key could be checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct WaitId(pub(crate) [u8; 16]);

/// A message from one replica to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerMessage {
    /// A wait whose request is parked at `replica` has ended. Only that replica
    /// receives the message.
    WaitEnded { replica: ReplicaId, wait: WaitId },
    /// A lease has expired or was force-released.
    LeaseEnded { name: Name, token: u64, reason: EndReason },
    /// A lease was renewed. Sent only while a replica sends
    /// [`Self::RenewalsSubscribed`].
    Renewed { name: Name, token: u64, expires_at: Micros },
    /// The sender has subscribers to renewals.
    RenewalsSubscribed,
    /// Someone is asked to let go of a lease. The request is read from the database.
    ReleaseRequested,
}
