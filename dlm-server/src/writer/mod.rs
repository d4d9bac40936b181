//! The batching writers: threads that execute operations, each with its own
//! database connection.
//!
//! A writer takes all jobs from its inbox, executes them in one transaction, and
//! replies after the commit. One commit pays for hundreds of operations; a single
//! operation never waits for others to arrive.
//!
//! - `job`: what a writer accepts, and its results
//! - `inbox`: the jobs that wait for a writer, urgent ones first
//! - `thread`: the loop of a writer's thread
//! - `batch`: one transaction, from its tasks to its commit
//! - `optimistic`: a batch that is decided before its rows are locked, and needs one call
//! - `retry`: what happens when a transaction fails
//! - `recovery`: what a failure leaves to do once the database works again
//! - `delivery`: replies and wakes after the commit
//! - `replies`: where results go, and how sessions are notified of theirs
//! - `parked`: the requests that wait here for a lock
//! - `open_requests`: which requests remain open, as a batch in progress sees it
//! - `deferred`: tasks that a batch leaves to a later one
//! - `joining`: when one writer executes the operations of all
//! - `pace`: how long a writer stays awake for jobs that are likely to come soon
//! - `cache`: the resources kept in memory between batches
//! - `claim_lookup`: which claims a batch loads, in one statement
//! - `inherited`: claims from before authentication, which callers inherit
//! - `progress`: whether a writer's thread makes progress, or hangs
//! - `next_check`: when the sweeper has to check the store
//!
//! **Architecture Invariant:** no reply, event or wake leaves before the commit.

mod batch;
mod cache;
mod claim_lookup;
mod deferred;
mod delivery;
mod inbox;
mod inherited;
mod job;
mod joining;
mod next_check;
mod open_requests;
mod optimistic;
mod pace;
mod parked;
mod progress;
mod recovery;
mod replies;
mod retry;
#[cfg(test)]
mod tests;
mod thread;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dlm_engine::{ClaimKey, Limits, Op};
use tokio::sync::oneshot;

use crate::anonymous_claims::AnonymousClaims;
use crate::background::Background;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{Cluster, Name, Store, StoreError};
use crate::usage::Usage;
use cache::Cache;
use deferred::DeferredTasks;
use inbox::{Inbox, InboxReceiver};
use job::Job;
use joining::Joining;
use pace::Pace;
use progress::Progress;
use recovery::Recovery;
use thread::WriterState;

pub(crate) use job::{
    Admission, Caller, Completion, EnqueueError, Execute, Leave, OperationError, OperationResult, RequestId,
    SessionId, Unexecuted,
};
pub(crate) use next_check::NextCheck;
pub(crate) use parked::Parked;
pub(crate) use replies::{FEW, ReplyTo, ResultSink, SessionReply};

impl From<EnqueueError> for StoreError {
    fn from(error: EnqueueError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What the rest of the server has of one writer.
#[derive(Debug)]
struct Writer {
    inbox: Arc<Inbox>,
    progress: Arc<Progress>,
}

impl Writer {
    fn first() -> Self {
        Self { inbox: Arc::default(), progress: Arc::default() }
    }

    /// A writer that may lend its inbox to the first one.
    fn behind(first: &Self) -> Self {
        Self { inbox: Arc::default(), progress: Arc::new(Progress::behind(Arc::clone(&first.progress))) }
    }

    /// Enqueues a job, unless the writer is known to hang. See [`Inbox::push`].
    fn push(&self, job: Job) -> Result<(), EnqueueError> {
        match self.progress.is_stalled() {
            true => Err(EnqueueError::NoAnswer),
            false => self.inbox.push(job),
        }
    }
}

/// All writers. Jobs on one resource go to the same one, until the writers join or part.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    writers: Box<[Writer]>,
    joining: Arc<Joining>,
    next_request: AtomicU64,
    next_session: AtomicU64,
    parked: Arc<Parked>,
    metrics: Arc<Metrics>,
}

impl Writers {
    /// An id for a new request.
    pub(crate) fn next_request(&self) -> RequestId {
        RequestId(self.0.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// An id for a new session.
    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.0.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// Enqueues an operation at once; the future waits for its result. `sender` is the
    /// principal, or `None` for the server itself.
    pub(crate) fn execute(
        &self,
        sender: Option<Arc<str>>,
        name: Name,
        op: Op,
        session: Option<SessionId>,
    ) -> impl Future<Output = Result<OperationResult, EnqueueError>> + use<> {
        let (reply, mut result) = oneshot::channel();
        let caller = Caller { request: self.next_request(), reply: ReplyTo::Future(reply) };
        let (since, progress) = (since_boot(), Arc::clone(&self.writer(&name).progress));
        let admission = Admission::UNLIMITED;
        let enqueued = self.enqueue(Execute { sender, name, op, session, admission, caller });
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
        self.writer(name).progress.answer(result, since, parked_until).await
    }

    /// Whether a request is held open until its wait ends.
    pub(crate) fn is_parked(&self, name: &Name, key: &ClaimKey, request: RequestId) -> bool {
        self.0.parked.contains(name, key, request)
    }

    /// Has every writer commit a transaction that writes its marker row alone.
    pub(crate) async fn probe_all(&self) -> Result<Vec<OperationResult>, EnqueueError> {
        let probe = |writer: &Writer| {
            let (reply, result) = oneshot::channel();
            let caller = Caller { request: self.next_request(), reply: ReplyTo::Future(reply) };
            let (name, op) = (Name::from(""), Op::Sweep { waiters: Vec::new() });
            let admission = Admission::UNLIMITED;
            writer.push(Job::Execute(Execute {
                sender: None,
                name,
                op,
                session: None,
                admission,
                caller,
            }))?;
            Ok((Arc::clone(&writer.progress), result))
        };
        let since = since_boot();
        let probed: Vec<_> = self.0.writers.iter().map(probe).collect();
        let mut results = Vec::with_capacity(probed.len());
        for result in probed {
            let (progress, mut result): (Arc<Progress>, _) = result?;
            results.push(progress.answer(&mut result, since, || None).await?);
        }
        Ok(results)
    }

    /// Enqueues an operation; the result goes to its caller.
    pub(crate) fn enqueue(&self, execute: Execute) -> Result<(), EnqueueError> {
        let enqueued = self.writer(&execute.name).push(Job::Execute(execute));
        if enqueued == Err(EnqueueError::QueueFull) {
            self.0.metrics.operation_refused();
        }
        enqueued
    }

    /// Reports that a waiter's request is no longer open.
    pub(crate) fn leave(&self, leave: Leave) -> Result<(), EnqueueError> {
        self.writer(&leave.name).inbox.push(Job::Leave(leave))
    }

    /// Re-evaluates a parked waiter, whose wait may have ended at a peer.
    pub(crate) fn recheck(&self, name: Name, key: ClaimKey) -> Result<(), EnqueueError> {
        self.writer(&name).inbox.push(Job::Recheck(name, key))
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
        let writer = &self.0.writers[0];
        writer.push(job)?;
        writer.progress.answer(&mut result, since_boot(), || None).await?
    }

    /// Measures how many operations the writers execute per second. Call it at regular intervals.
    pub(crate) fn measure_load(&self) -> u64 {
        self.0.joining.measure_load()
    }

    /// Records how many operations the peers execute per second.
    pub(crate) fn record_load_of_peers(&self, per_s: u64) {
        self.0.joining.record_load_of_peers(per_s);
    }

    /// Stops all writers once they have finished the jobs enqueued so far.
    pub(crate) fn stop(&self) {
        self.0.writers.iter().for_each(|writer| writer.inbox.close());
    }

    fn writer(&self, name: &Name) -> &Writer {
        let writers = &self.0.writers;
        &writers[writer_of(name, writers.len())]
    }
}

/// Which of so many writers executes the operations on a resource.
fn writer_of(name: &Name, writers: usize) -> usize {
    if writers == 1 {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    (hasher.finish() % writers as u64) as usize
}

/// What the writers share with the rest of the server.
pub(crate) struct Dependencies {
    pub(crate) membership: Arc<Membership>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) anonymous_claims: Arc<AnonymousClaims>,
    pub(crate) lease_watchers: Arc<LeaseWatchers>,
    pub(crate) feed: Feed,
    pub(crate) usage: Arc<Usage>,
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
    let mut writers = vec![Writer::first()];
    writers.extend((1..stores.len()).map(|_| Writer::behind(&writers[0])).collect::<Vec<_>>());
    dependencies.metrics.writers(writers.len());
    let joining = Arc::new(Joining::new(&writers));
    for (number, (store, writer)) in stores.into_iter().zip(&writers).enumerate() {
        let receiver = InboxReceiver::new(Arc::clone(&writer.inbox));
        let state = WriterState::new(store, number, Arc::clone(&joining), dependencies);
        background.spawn_writer(format!("writer-{number}"), move || state.serve(&receiver))?;
    }
    Ok(Writers(Arc::new(Shared {
        writers: writers.into(),
        joining,
        next_request: AtomicU64::new(0),
        next_session: AtomicU64::new(0),
        parked: Arc::clone(&dependencies.parked),
        metrics: Arc::clone(&dependencies.metrics),
    })))
}

/// How many processors the server may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl WriterState {
    fn new(store: Box<dyn Store>, number: usize, joining: Arc<Joining>, dependencies: &Dependencies) -> Self {
        Self {
            store,
            progress: joining.progress(number),
            number,
            pace: Pace::new(processors(), joining.writers()),
            joining,
            cache: Cache::new(!dependencies.cluster.is_shared()),
            deferred: DeferredTasks::default(),
            kept: DeferredTasks::default(),
            recovery: Recovery::default(),
            must_stop: false,
            settle_at: Duration::MAX,
            parked: Arc::clone(&dependencies.parked),
            anonymous_claims: Arc::clone(&dependencies.anonymous_claims),
            lease_watchers: Arc::clone(&dependencies.lease_watchers),
            feed: dependencies.feed.clone(),
            usage: Arc::clone(&dependencies.usage),
            membership: Arc::clone(&dependencies.membership),
            cluster: Arc::clone(&dependencies.cluster),
            limits: Arc::clone(&dependencies.limits),
            metrics: Arc::clone(&dependencies.metrics),
            next_check: Arc::clone(&dependencies.next_check),
        }
    }
}
