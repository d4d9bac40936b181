//! The one place where operations are done, whatever transport they came by.
//!
//! A transport decodes into an [`Operation`], calls [`Service::call`] and
//! encodes the [`Outcome`] or [`Error`]. Here an operation is authorised, sent
//! to the writer or read, and its answer put into the terms of the wire.
//!
//! - `open`: how it begins; `close`: how it ends
//! - `operation`, `error`, `principal`: what is asked, by whom, and answered
//! - `acquire`: an acquire and its wait; `mutate`: the other operations of a
//!   writer
//! - `read`: status and lists; `events`: pages of the log; `subscribe`: its live
//!   end; `overview`: all locks at a glance
//! - `restore`: a database that comes from a backup
//! - `lease_id`, `cursor`, `wire`: engine terms as the wire has them

mod acquire;
mod close;
pub(crate) mod cursor;
mod error;
pub(crate) mod events;
mod lease_id;
mod mutate;
mod open;
mod operation;
mod overview;
mod principal;
mod read;
mod restore;
mod subscribe;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use dlm_engine::{ClaimKey, Context, KeyLookup, Limits, Micros, Op, Replicas};
use dlm_protocol::{AcquireRequest, IdempotencyKey, Lease, ResourceName};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ended::{Holders, Told};
use crate::feed::Feed;
use crate::members::Members;
use crate::store::{Cluster, Name, Reader, StoreError};
use crate::writer::{EnqueueError, OperationResult, Writers};
use lease_id::LeaseIds;
use overview::Overviews;

pub use crate::store::{ListQuery, OpenError};
pub use error::Error;
pub use open::ServiceOptions;
pub use operation::{EventsQuery, Operation, Outcome};
pub use principal::Principal;
pub use restore::{Restored, restore};
pub(crate) use subscribe::{Ended, Next, Subscription, Wanted};

/// The lock service over one store. A clone is the same service.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    writers: Writers,
    reader: Arc<dyn Reader>,
    ids: LeaseIds,
    log_id: u64,
    cluster: Arc<dyn Cluster>,
    members: Arc<Members>,
    holders: Arc<Holders>,
    feed: Feed,
    overviews: Overviews,
    limits: Arc<Limits>,
    draining: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Does one operation for a principal.
    ///
    /// # Errors
    ///
    /// With a refusal of the operation, or what kept the server from doing it.
    ///
    /// # Cancel safety
    ///
    /// What was handed to the writer is done whether or not the future lives.
    /// Dropping an acquire says that its caller hung up: a waiter is away from
    /// then on, or, when its caller was never told its key, gone.
    pub async fn call(&self, principal: &Principal, operation: Operation) -> Result<Outcome, Error> {
        authorise(principal, &operation)?;
        match operation {
            Operation::Acquire { resource, key, request } => {
                self.acquire(principal, resource, key, request, Hold::Briefly).await
            }
            Operation::Cancel { resource, key } => self.cancel(principal, &resource, &key).await,
            Operation::Renew { resource, request } => {
                let lease = self.renew(&resource, &request.lease_id, request.ttl_ms).await?;
                Ok(Outcome::Lease(Box::new(lease)))
            }
            Operation::RenewMany { leases } => self.renew_many(leases).await,
            Operation::Release { resource, request } => self.release(&resource, &request.lease_id).await,
            Operation::ForceRelease { resource, request } => self.force_release(&resource, request).await,
            Operation::Check { resource, request } => self.check(&resource, request.fencing_token).await,
            Operation::Status { resource } => self.status(resource).await,
            Operation::List(query) => self.list(query).await,
            Operation::Events(query) => self.events(query).await,
            Operation::Overview { seconds } => self.overview(seconds).await,
        }
    }

    /// Takes a lock for a caller that waits for one answer however long it
    /// takes: it is never told that it is still queued.
    ///
    /// # Errors
    ///
    /// Those of [`Self::call`].
    ///
    /// # Cancel safety
    ///
    /// As of [`Self::call`].
    pub async fn acquire_throughout(
        &self,
        principal: &Principal,
        resource: ResourceName,
        key: IdempotencyKey,
        request: AcquireRequest,
    ) -> Result<Lease, Error> {
        match self.acquire(principal, resource, Some(key), request, Hold::Throughout).await? {
            Outcome::Lease(lease) => Ok(*lease),
            _ => Err(Error::Internal),
        }
    }

    /// Waits until everything that was asked of a resource before is done.
    pub(crate) fn settled(&self, resource: &ResourceName) -> impl Future<Output = Result<(), Error>> + use<> {
        let settled = self.sweep(resource.to_shared(), Vec::new());
        async move { settled.await.map(drop) }
    }

    /// From now on `told` is told when the lease ends without its holder's
    /// doing.
    pub(crate) fn watch(&self, lease: &Lease, told: &Told) {
        self.0.holders.add(lease, told);
    }

    /// Whether the store can be reached and the service is not draining.
    ///
    /// # Errors
    ///
    /// With why it is not ready.
    pub async fn ready(&self) -> Result<(), Error> {
        if self.0.draining.is_cancelled() {
            return Err(unavailable("the server is shutting down"));
        }
        let nobody = Name::from("");
        self.execute(nobody, Op::Sweep { waiters: Vec::new() }).await?;
        self.read(|reader| reader.log(i64::MAX, 1)).await.map(drop)
    }

    /// Has what is overdue of a resource ended.
    pub(crate) fn sweep(
        &self,
        name: Name,
        waiters: Vec<ClaimKey>,
    ) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        self.execute(name, Op::Sweep { waiters })
    }

    /// Hands an operation to the writer, at once; the future waits for its
    /// answer.
    fn execute(&self, name: Name, op: Op) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        let executed = self.0.writers.execute(name, op);
        async move { executed.await.map_err(not_enqueued) }
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let reader = Arc::clone(&self.0.reader);
        let result = tokio::task::spawn_blocking(move || read(&*reader)).await;
        match result {
            Ok(read) => Ok(read?),
            Err(error) => {
                tracing::error!(%error, "a read ended in a panic");
                Err(Error::Internal)
            }
        }
    }

    /// The world as those who read see it.
    fn context<'a>(&'a self, now: Micros, replicas: &'a Replicas) -> Context<'a> {
        Context { now, replicas, limits: &self.0.limits, key_lookup: KeyLookup::Required }
    }
}

/// For how long one request of a waiter is held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// For the server's share of the wait; then it is told that it is queued.
    Briefly,
    /// Until the wait has ended.
    Throughout,
}

/// Who may do what: the one place for all transports. While nobody is asked
/// who they are, everyone may do everything; renewal and release ask for the
/// lease id in any case.
fn authorise(_principal: &Principal, _operation: &Operation) -> Result<(), Error> {
    Ok(())
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a read failed");
        match error {
            StoreError::Unavailable(_) | StoreError::NotCommitted => {
                unavailable("the database is not available")
            }
            _ => Self::Internal,
        }
    }
}

fn unavailable(why: &'static str) -> Error {
    Error::Unavailable { why, retry_after: Duration::from_secs(1) }
}

fn not_enqueued(error: EnqueueError) -> Error {
    match error {
        EnqueueError::QueueFull => unavailable("too many operations are waiting"),
        EnqueueError::Stopped => unavailable("the server is shutting down"),
    }
}
