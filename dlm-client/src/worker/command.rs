//! The commands that clients and guards send to the client thread.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::Ttl;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::reservation::Reservation;
use crate::transport::{FirstReply, SessionEvent};

pub(crate) enum WorkerCommand {
    /// Spawn a task that closing the client waits for.
    Spawn(BoxFuture<'static, ()>),
    /// Spawn a task that ends with the thread.
    SpawnDetached(BoxFuture<'static, ()>),
    /// Handle an event of the session.
    Session(SessionEvent),
    /// Start to renew the lease of a new guard and to watch its deadline.
    /// `socket` is the session socket that was up when the lease was granted.
    Watch { lease: Arc<HeldLease>, socket: Option<u64> },
    /// Stop to renew and watch a lease.
    Unwatch(Arc<HeldLease>),
    /// Stop to watch a lease and release it, or go on if its first request was submitted.
    Release(PendingRelease, Option<FirstReply>),
    /// Renew a lease now.
    Renew(Arc<HeldLease>, ManualRenewal),
    /// Reply when all spawned tasks have completed, or after `timeout`.
    Flush { timeout: Duration, done: oneshot::Sender<Result<(), Error>> },
}

/// A renewal that a caller waits for.
pub(crate) struct ManualRenewal {
    pub(crate) ttl: Ttl,
    pub(crate) done: oneshot::Sender<Result<(), Error>>,
}

/// A lease to release.
pub(crate) struct PendingRelease {
    pub(crate) lease: Arc<HeldLease>,
    /// Kept until the release is answered, so that no new guard adopts the lease
    /// meanwhile.
    pub(crate) reservations: Vec<Reservation>,
    /// Receives the result, if a caller waits for it.
    pub(crate) done: Option<oneshot::Sender<Result<(), Error>>>,
}
