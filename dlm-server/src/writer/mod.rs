//! The batching writer: one thread, one connection, one transaction for all
//! that has queued up.
//!
//! It takes the first job that waits, drains whatever else is there, runs all
//! of it in one transaction and answers everyone after the commit. One busy
//! commit pays for hundreds of operations; a lone one waits for nobody.
//!
//! - `job`: what can be asked of a writer, and its answers
//! - `batch`: one transaction, from its jobs to its commit
//! - `delivery`: answers and wakes, once a batch is committed
//! - `parked`: who waits here to be woken
//! - `cache`: the resources between batches
//! - `log_row`: the events of a batch as they are stored
//!
//! **Architecture Invariant:** nothing leaves before the commit: no answer, no
//! event, no wake.

mod batch;
mod cache;
mod delivery;
mod job;
mod log_row;
mod parked;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use backoff::ExponentialBackoff;
use dlm_engine::{Limits, NewKeys, Replicas};

use crate::metrics::Metrics;
use crate::store::{Purge, Store, StoreError};
use crate::sweeper::Alarm;
use cache::Cache;
use parked::Parked;

pub(crate) use job::{Answer, Caller, Done, Execute, Failure, Job, Leave, RequestId};
pub(crate) use log_row::LoggedEvent;

/// Most operations in one transaction: beyond this a batch's own time, not the
/// sync's, is what its operations wait for.
const MAX_BATCH: usize = 512;
/// Most jobs that wait for the writer; more are refused at once.
const MAX_QUEUED: usize = 50_000;
/// How long a writer tries to make its connection anew before it says so to
/// those who wait.
const RECONNECT_FOR: Duration = Duration::from_secs(2);

/// Where jobs are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    queued: Arc<AtomicUsize>,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotTaken {
    /// Too much is waiting already.
    Busy,
    /// The writer has stopped.
    Stopped,
}

impl Writer {
    /// Hands in an operation; its caller will be answered.
    pub(crate) fn execute(&self, execute: Execute) -> Result<(), NotTaken> {
        if self.queued.load(Ordering::Relaxed) >= MAX_QUEUED {
            return Err(NotTaken::Busy);
        }
        self.send(Job::Execute(execute))
    }

    /// Hands in a job that must not be lost, however busy the writer is.
    pub(crate) fn send(&self, job: Job) -> Result<(), NotTaken> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| NotTaken::Stopped)
    }
}

/// What a writer works with.
pub(crate) struct Setup {
    pub(crate) store: Box<dyn Store>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) alarm: Arc<Alarm>,
}

/// Starts a writer. Its thread ends, after the last job, when the last
/// [`Writer`] is gone or on [`Job::Stop`].
pub(crate) fn start(setup: Setup) -> std::io::Result<(Writer, JoinHandle<()>)> {
    let (jobs, queue) = mpsc::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let writer = Writer { jobs, queued: Arc::clone(&queued) };
    let core = Core {
        store: setup.store,
        cache: Cache::default(),
        parked: Parked::default(),
        replicas: setup.replicas,
        limits: setup.limits,
        metrics: setup.metrics,
        alarm: setup.alarm,
    };
    let thread =
        std::thread::Builder::new().name("dlm-writer".into()).spawn(move || core.serve(&queue, &queued))?;
    Ok((writer, thread))
}

/// What lives on the writer's thread.
struct Core {
    store: Box<dyn Store>,
    cache: Cache,
    parked: Parked,
    replicas: Arc<Replicas>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    alarm: Arc<Alarm>,
}

impl Core {
    fn serve(mut self, queue: &mpsc::Receiver<Job>, queued: &AtomicUsize) {
        let mut batch = Vec::new();
        let mut stopping = false;
        while !stopping {
            let Ok(first) = queue.recv() else { break };
            let mut next = Some(first);
            let mut taken = 0;
            while let Some(job) = next {
                taken += 1;
                match job {
                    Job::Execute(execute) => batch.push(batch::Task::Execute(execute)),
                    Job::Leave(leave) => batch.push(batch::Task::Leave(leave)),
                    Job::Purge(purge, done) => {
                        // The callers' jobs before it go first.
                        self.run(std::mem::take(&mut batch));
                        done.send(self.purge(&purge)).ok();
                    }
                    Job::Stop => stopping = true,
                }
                next = if batch.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
            }
            let left = queued.fetch_sub(taken, Ordering::Relaxed) - taken;
            self.metrics.queue_depth(left);
            self.run(std::mem::take(&mut batch));
        }
        tracing::debug!("the writer has stopped");
    }

    /// Runs a batch to its end: everyone in it is answered.
    fn run(&mut self, tasks: Vec<batch::Task>) {
        if tasks.is_empty() {
            return;
        }
        match self.attempt(&tasks, NewKeys::Assume) {
            Ok(committed) => self.deliver(tasks, committed),
            Err(StoreError::KeyExists | StoreError::NotCommitted) => self.run_asking(tasks),
            Err(error) => self.run_after(error, tasks),
        }
    }

    /// A key in the batch was used before, or may have been by the attempt
    /// whose commit failed: now every key is looked up.
    fn run_asking(&mut self, tasks: Vec<batch::Task>) {
        self.metrics.batch_retried();
        match self.attempt(&tasks, NewKeys::Ask) {
            Ok(committed) => self.deliver(tasks, committed),
            Err(error) => self.run_after(error, tasks),
        }
    }

    fn run_after(&mut self, error: StoreError, tasks: Vec<batch::Task>) {
        match error {
            StoreError::Unavailable(_) | StoreError::NotCommitted => {
                tracing::error!(%error, operations = tasks.len(), "a batch failed");
                self.reconnect();
                self.fail(tasks, &Failure::Unavailable);
            }
            error => {
                tracing::warn!(%error, operations = tasks.len(), "a batch was refused; running it one by one");
                self.metrics.batch_retried();
                self.run_one_by_one(tasks);
            }
        }
    }

    /// One operation's data is refused: the others must not suffer for it.
    fn run_one_by_one(&mut self, tasks: Vec<batch::Task>) {
        for task in tasks {
            let task = vec![task];
            match self.attempt(&task, NewKeys::Ask) {
                Ok(committed) => self.deliver(task, committed),
                Err(error) => {
                    tracing::error!(%error, "an operation failed");
                    let failure = match error {
                        StoreError::Unavailable(_) | StoreError::NotCommitted => Failure::Unavailable,
                        _ => Failure::Internal,
                    };
                    self.fail(task, &failure);
                }
            }
        }
    }

    fn fail(&mut self, tasks: Vec<batch::Task>, failure: &Failure) {
        for task in tasks {
            if let batch::Task::Execute(execute) = task {
                execute.caller.answer(Err(failure.clone()), dlm_engine::Micros::MAX);
            }
        }
    }

    /// Makes the connection anew. What is in memory may not be what is stored,
    /// so all of it is read again.
    fn reconnect(&mut self) -> bool {
        self.cache = Cache::default();
        let policy = ExponentialBackoff {
            initial_interval: Duration::from_millis(20),
            max_elapsed_time: Some(RECONNECT_FOR),
            ..ExponentialBackoff::default()
        };
        let store = &mut self.store;
        let connected = backoff::retry(policy, || store.reconnect().map_err(backoff::Error::transient));
        if let Err(error) = &connected {
            tracing::error!(%error, "the connection to the database could not be made anew");
        }
        connected.is_ok()
    }

    fn purge(&mut self, purge: &Purge) -> Result<usize, StoreError> {
        self.store.purge(purge)
    }
}
