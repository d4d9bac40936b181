//! The batching writers: threads that execute operations, each with its own
//! database connection.
//!
//! A writer takes the first job in its queue, drains the rest of the queue,
//! executes all of it in one transaction, and replies after the commit. One
//! commit pays for hundreds of operations; a single operation never waits for
//! others to arrive.
//!
//! - `job`: what a writer accepts, and its results
//! - `thread`: the loop of a writer's thread
//! - `batch`: one transaction, from its tasks to its commit
//! - `retry`: what happens when a transaction fails
//! - `delivery`: replies and wakes after the commit
//! - `parked`: the requests that wait here for a lock
//! - `open_requests`: which requests remain open, as a batch in progress sees it
//! - `deferred`: tasks that a batch leaves to a later one
//! - `cache`: the resources kept in memory between batches
//! - `progress`: whether a writer's thread makes progress, or hangs
//! - `next_check`: when the sweeper has to check the store
//!
//! **Architecture Invariant:** no reply, event or wake leaves before the commit.

mod batch;
mod cache;
mod deferred;
mod delivery;
mod job;
mod next_check;
mod open_requests;
mod parked;
mod progress;
mod retry;
mod thread;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Limits, Op};
use tokio::sync::oneshot;

use crate::background::Background;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{Cluster, Name, Store, StoreError};
use cache::Cache;
use deferred::DeferredTasks;
use job::Job;
use progress::Progress;
use thread::WriterState;

pub(crate) use job::{Caller, Completion, Execute, Leave, OperationError, OperationResult, RequestId};
pub(crate) use next_check::NextCheck;
pub(crate) use parked::Parked;

/// Operations beyond this queue length are rejected.
const MAX_QUEUED: usize = 50_000;

/// The queue of one writer.
#[derive(Debug)]
struct JobQueue {
    jobs: mpsc::Sender<Job>,
    length: Arc<AtomicUsize>,
    progress: Arc<Progress>,
}

/// Why a job was not enqueued, or has no result.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum EnqueueError {
    #[error("the writer's queue is full")]
    QueueFull,
    #[error("the writer has stopped")]
    Stopped,
    /// The database does not respond. A job that was enqueued may still be executed.
    #[error("the database does not respond")]
    NoAnswer,
}

impl From<EnqueueError> for StoreError {
    fn from(error: EnqueueError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl JobQueue {
    /// Fails if the writer is known to hang.
    fn responds(&self) -> Result<(), EnqueueError> {
        if self.progress.is_stalled() { Err(EnqueueError::NoAnswer) } else { Ok(()) }
    }

    fn send(&self, job: Job) -> Result<(), EnqueueError> {
        self.length.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| EnqueueError::Stopped)
    }
}

/// The queues of all writers. Jobs on one resource always go to the same writer.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queues: Box<[JobQueue]>,
    next_request: AtomicU64,
    parked: Arc<Parked>,
}

impl Writers {
    /// An id for a new request.
    pub(crate) fn next_request(&self) -> RequestId {
        RequestId(self.0.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// Enqueues an operation at once; the future waits for its result.
    pub(crate) fn execute(
        &self,
        name: Name,
        op: Op,
    ) -> impl Future<Output = Result<OperationResult, EnqueueError>> + use<> {
        let (reply, mut result) = oneshot::channel();
        let caller = Caller { request: self.next_request(), reply };
        let (since, progress) = (since_boot(), Arc::clone(&self.queue_of(&name).progress));
        let enqueued = self.enqueue(Execute { name, op, caller });
        async move {
            enqueued?;
            progress.answer(&mut result, since, || None).await
        }
    }

    /// Waits for the result of an operation that was enqueued at `since`, as long as
    /// the writer responds. A request that is parked waits on until its wait ends, at
    /// `parked_until`.
    ///
    /// # Errors
    ///
    /// If the writer has stopped or does not respond. The outcome is then unknown.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no result is lost.
    pub(crate) async fn answer(
        &self,
        name: &Name,
        result: &mut oneshot::Receiver<OperationResult>,
        since: Duration,
        parked_until: impl Fn() -> Option<Duration>,
    ) -> Result<OperationResult, EnqueueError> {
        self.queue_of(name).progress.answer(result, since, parked_until).await
    }

    /// Whether a request is held open until its wait ends.
    pub(crate) fn is_parked(&self, name: &Name, key: &ClaimKey, request: RequestId) -> bool {
        self.0.parked.requests(name, key).contains(&request)
    }

    /// Has every writer commit a transaction that writes its marker row alone.
    pub(crate) async fn probe_all(&self) -> Result<Vec<OperationResult>, EnqueueError> {
        let probe = |queue: &JobQueue| {
            let (reply, result) = oneshot::channel();
            let caller = Caller { request: self.next_request(), reply };
            let (name, op) = (Name::from(""), Op::Sweep { waiters: Vec::new() });
            queue.responds()?;
            queue.send(Job::Execute(Execute { name, op, caller }))?;
            Ok((Arc::clone(&queue.progress), result))
        };
        let since = since_boot();
        let probed: Vec<_> = self.0.queues.iter().map(probe).collect();
        let mut results = Vec::with_capacity(probed.len());
        for result in probed {
            let (progress, mut result): (Arc<Progress>, _) = result?;
            results.push(progress.answer(&mut result, since, || None).await?);
        }
        Ok(results)
    }

    /// Enqueues an operation; the result goes to its caller.
    pub(crate) fn enqueue(&self, execute: Execute) -> Result<(), EnqueueError> {
        let queue = self.queue_of(&execute.name);
        if queue.length.load(Ordering::Relaxed) >= MAX_QUEUED {
            return Err(EnqueueError::QueueFull);
        }
        queue.responds()?;
        queue.send(Job::Execute(execute))
    }

    /// Reports that a waiter's request is no longer open.
    pub(crate) fn leave(&self, leave: Leave) -> Result<(), EnqueueError> {
        self.queue_of(&leave.name).send(Job::Leave(leave))
    }

    /// Re-evaluates a parked waiter, whose wait may have ended at a peer.
    pub(crate) fn recheck(&self, name: Name, key: ClaimKey) -> Result<(), EnqueueError> {
        self.queue_of(&name).send(Job::Recheck(name, key))
    }

    /// Runs a maintenance task on a writer's connection, between two batches.
    pub(crate) async fn run_maintenance<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, mut result) = oneshot::channel();
        let job = Job::Maintenance(Box::new(move |store| {
            // The receiver is gone when the server is shutting down.
            reply.send(task(store)).ok();
        }));
        let queue = &self.0.queues[0];
        queue.responds()?;
        queue.send(job)?;
        queue.progress.answer(&mut result, since_boot(), || None).await?
    }

    /// Stops all writers once they have finished the jobs enqueued so far.
    pub(crate) fn stop(&self) {
        for queue in &self.0.queues {
            // An error means that the writer has stopped already.
            queue.send(Job::Stop).ok();
        }
    }

    fn queue_of(&self, name: &Name) -> &JobQueue {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let queues = &self.0.queues;
        &queues[(hasher.finish() % queues.len() as u64) as usize]
    }
}

/// What the writers share with the rest of the server.
pub(crate) struct Dependencies {
    pub(crate) membership: Arc<Membership>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) lease_watchers: Arc<LeaseWatchers>,
    pub(crate) feed: Feed,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) next_check: Arc<NextCheck>,
}

/// Starts one writer per store. Their threads end after [`Writers::stop`], once
/// the jobs before it are done.
pub(crate) fn start(
    stores: Vec<Box<dyn Store>>,
    dependencies: &Dependencies,
    background: &Background,
) -> std::io::Result<Writers> {
    let mut queues = Vec::new();
    for (number, store) in stores.into_iter().enumerate() {
        let (jobs, receiver) = mpsc::channel();
        let length = Arc::new(AtomicUsize::new(0));
        let progress = Arc::<Progress>::default();
        queues.push(JobQueue { jobs, length: Arc::clone(&length), progress: Arc::clone(&progress) });
        let state = WriterState {
            store,
            progress,
            replied: 0,
            cache: Cache::new(!dependencies.cluster.is_shared()),
            deferred: DeferredTasks::default(),
            kept: DeferredTasks::default(),
            foreign_writer: false,
            pending_leaves: Vec::new(),
            parked: Arc::clone(&dependencies.parked),
            lease_watchers: Arc::clone(&dependencies.lease_watchers),
            feed: dependencies.feed.clone(),
            membership: Arc::clone(&dependencies.membership),
            cluster: Arc::clone(&dependencies.cluster),
            limits: Arc::clone(&dependencies.limits),
            metrics: Arc::clone(&dependencies.metrics),
            next_check: Arc::clone(&dependencies.next_check),
        };
        let serve = move || state.serve(&receiver, &length);
        background.spawn_writer(format!("writer-{number}"), serve)?;
    }
    let parked = Arc::clone(&dependencies.parked);
    let shared = Shared { queues: queues.into(), next_request: AtomicU64::new(0), parked };
    Ok(Writers(Arc::new(shared)))
}
