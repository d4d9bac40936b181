//! The one place where operations are done, whatever transport they came by.
//!
//! A transport decodes into an [`Operation`], calls [`Service::call`] and
//! encodes the [`Outcome`] or [`Error`]. Here an operation is authorised, sent
//! to the writer or read, and its answer put into the terms of the wire.
//!
//! - `operation`, `error`, `principal`: what is asked, by whom, and answered
//! - `acquire`: an acquire and its wait; `mutate`: the other operations of a
//!   writer
//! - `read`: status and lists; `events`: pages of the log
//! - `lease_id`, `cursor`, `wire`: engine terms as the wire has them

mod acquire;
mod cursor;
mod error;
mod events;
mod lease_id;
mod mutate;
mod operation;
mod principal;
mod read;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dlm_engine::{ClaimKey, Context, Limits, Micros, NewKeys, Op, Replicas};
use dlm_protocol::limits::{AWAY_GRACE_MS, MAX_HOLDERS_SHOWN};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::forgetter;
use crate::metrics::Metrics;
use crate::store::{self, Name, Reader, StoreError};
use crate::sweeper::{self, Alarm};
use crate::writer::{self, Answer, Caller, Execute, Job, NotTaken, RequestId, Writer};
use lease_id::LeaseIds;

pub use crate::store::OpenError;
pub use error::Error;
pub use operation::{EventsQuery, ListQuery, Operation, Outcome};
pub use principal::Principal;

/// What a service is opened with.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// `sqlite://path`.
    pub database_url: String,
    /// How long a resource that nobody uses is remembered.
    pub idle_retention: Duration,
    /// Holds the secret of the lease ids; the database keeps one of its own
    /// when absent.
    pub secret_file: Option<PathBuf>,
}

/// The lock service over one store. A clone is the same service.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    writer: Writer,
    reader: Arc<dyn Reader>,
    ids: LeaseIds,
    log_id: u64,
    replicas: Arc<Replicas>,
    limits: Arc<Limits>,
    requests: AtomicU64,
    draining: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
    writer_thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Opens the store, brings it to this version and starts to serve it.
    ///
    /// # Errors
    ///
    /// With what the operator has to change.
    pub async fn open(options: ServiceOptions, metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(&options, metrics));
        let (service, alarm) = opening.await.map_err(|error| OpenError::Stopped(error.to_string()))??;
        let inner = &service.0;
        let reader = || Arc::clone(&inner.reader);
        let sweeper = sweeper::run(service.clone(), reader(), alarm, inner.stop.clone());
        inner.tasks.spawn(sweeper);
        inner.tasks.spawn(forgetter::run(inner.writer.clone(), reader(), inner.stop.clone()));
        inner.tasks.close();
        Ok(service)
    }

    fn open_blocking(
        options: &ServiceOptions,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Arc<Alarm>), OpenError> {
        let secret = options.secret_file.as_deref().map(read_secret).transpose()?;
        let mut opened = store::open(&options.database_url)?;
        let limits = Arc::new(Limits {
            away_grace_ms: AWAY_GRACE_MS,
            idle_retention_ms: u64::try_from(options.idle_retention.as_millis()).unwrap_or(u64::MAX),
            holders_shown: MAX_HOLDERS_SHOWN,
        });
        let failed = |error: StoreError| OpenError::Stopped(error.to_string());
        let ready_at = opened.store.now().map_err(failed)?;
        let replicas = Arc::new(Replicas::alone(store::new_replica_id(), ready_at));
        // Nobody holds a request open at a server that has just started.
        opened.store.all_away(ready_at.plus_ms(AWAY_GRACE_MS)).map_err(failed)?;
        let alarm = Arc::new(Alarm::new());
        let setup = writer::Setup {
            store: opened.store,
            replicas: Arc::clone(&replicas),
            limits: Arc::clone(&limits),
            metrics,
            alarm: Arc::clone(&alarm),
        };
        let (writer, thread) = writer::start(setup).map_err(|error| OpenError::Stopped(error.to_string()))?;
        let service = Self(Arc::new(Inner {
            writer,
            reader: opened.reader,
            ids: LeaseIds::new(secret.as_deref().unwrap_or(&opened.identity.secret)),
            log_id: opened.identity.log_id,
            replicas,
            limits,
            requests: AtomicU64::new(0),
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            writer_thread: Mutex::new(Some(thread)),
        }));
        Ok((service, alarm))
    }

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
                self.acquire(principal, resource, key, request).await
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
        }
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

    /// From now on no request is held open: those that wait are answered that
    /// they are still queued.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Finishes what was handed in and closes the store.
    pub async fn close(&self) {
        self.drain();
        self.0.stop.cancel();
        self.0.tasks.wait().await;
        self.0.writer.send(Job::Stop).ok();
        let thread = self.0.writer_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the writer ended in a panic");
            }
        }
    }

    /// Has what is overdue of a resource ended.
    pub(crate) fn sweep(
        &self,
        name: Name,
        waiters: Vec<ClaimKey>,
    ) -> impl Future<Output = Result<Answer, Error>> + use<> {
        self.execute(name, Op::Sweep { waiters })
    }

    /// Hands an operation to the writer, at once; the future waits for its
    /// answer.
    fn execute(&self, name: Name, op: Op) -> impl Future<Output = Result<Answer, Error>> + use<> {
        let (answer, answered) = oneshot::channel();
        let caller = Caller { request: self.next_request(), answer };
        let taken = self.0.writer.execute(Execute { name, op, caller });
        async move {
            taken.map_err(not_taken)?;
            answered.await.map_err(|_| unavailable("the writer has stopped"))
        }
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let reader = Arc::clone(&self.0.reader);
        let result = tokio::task::spawn_blocking(move || read(&*reader)).await;
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error @ StoreError::Unavailable(_))) => {
                tracing::error!(%error, "a read failed");
                Err(unavailable("the database is not available"))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a read failed");
                Err(Error::Internal)
            }
            Err(error) => {
                tracing::error!(%error, "a read ended in a panic");
                Err(Error::Internal)
            }
        }
    }

    fn next_request(&self) -> RequestId {
        RequestId(self.0.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The world as those who read see it.
    fn context(&self, now: Micros) -> Context<'_> {
        Context { now, replicas: &self.0.replicas, limits: &self.0.limits, new_keys: NewKeys::Ask }
    }
}

/// Who may do what: the one place for all transports. While nobody is asked
/// who they are, everyone may do everything; renewal and release ask for the
/// lease id in any case.
fn authorise(_principal: &Principal, _operation: &Operation) -> Result<(), Error> {
    Ok(())
}

fn unavailable(why: &'static str) -> Error {
    Error::Unavailable { why, retry_after: Duration::from_secs(1) }
}

fn not_taken(error: NotTaken) -> Error {
    match error {
        NotTaken::Busy => unavailable("too many operations are waiting"),
        NotTaken::Stopped => unavailable("the server is shutting down"),
    }
}

fn read_secret(path: &std::path::Path) -> Result<Vec<u8>, OpenError> {
    let shown = || path.display().to_string();
    let secret = std::fs::read(path).map_err(|source| OpenError::File { path: shown(), source })?;
    if secret.len() < 32 {
        return Err(OpenError::ShortSecret { path: shown() });
    }
    Ok(secret)
}
