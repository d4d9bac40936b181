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
//! - `put_off`: tasks on resources that another replica was at
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
mod put_off;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use backoff::ExponentialBackoff;
use dlm_engine::{ClaimKey, Limits, NewKeys};
use tokio::sync::oneshot;

use crate::clock::since_boot;
use crate::ended::Holders;
use crate::feed::Feed;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::store::{Cluster, Contended, Name, Store, StoreError};
use crate::sweeper::Alarm;
use batch::Task;
use cache::Cache;
use job::Job;
use put_off::PutOff;

pub(crate) use job::{Answer, Caller, Done, Execute, Failure, Leave, RequestId};
pub(crate) use log_row::LoggedEvent;
pub(crate) use parked::Parked;

/// Most operations in one transaction: beyond this a batch's own time, not the
/// sync's, is what its operations wait for.
const MAX_BATCH: usize = 512;
/// Most jobs that wait for the writer; more are refused at once.
const MAX_QUEUED: usize = 50_000;
/// How long a writer waits awake before it sleeps.
const AWAKE: Duration = Duration::from_micros(100);
/// How long a batch waits for as many jobs as callers were just answered: they
/// often come back at once, and one sync for all of them is worth the wait.
const GATHER: Duration = Duration::from_micros(100);
/// How often a batch is run again because other replicas were faster.
const ATTEMPTS: usize = 10;
/// How long a writer tries to make its connection anew before it says so to
/// those who wait.
const RECONNECT_FOR: Duration = Duration::from_secs(2);

/// Where jobs are handed in.
#[derive(Debug, Clone)]
struct Writer {
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
    fn send(&self, job: Job) -> Result<(), NotTaken> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| NotTaken::Stopped)
    }
}

/// All writers; a resource always goes to the same.
#[derive(Debug, Clone)]
pub(crate) struct Writers(Arc<[Writer]>);

impl Writers {
    /// Hands in an operation; its caller will be answered.
    pub(crate) fn execute(&self, execute: Execute) -> Result<(), NotTaken> {
        let writer = self.of(&execute.name);
        if writer.queued.load(Ordering::Relaxed) >= MAX_QUEUED {
            return Err(NotTaken::Busy);
        }
        writer.send(Job::Execute(execute))
    }

    /// A request of a waiter is held open no longer.
    pub(crate) fn leave(&self, leave: Leave) -> Result<(), NotTaken> {
        self.of(&leave.name).send(Job::Leave(leave))
    }

    /// Has a wait that is held open here looked at again.
    pub(crate) fn recheck(&self, name: Name, key: ClaimKey) -> Result<(), NotTaken> {
        self.of(&name).send(Job::Recheck(name, key))
    }

    /// Has a chore done between two batches.
    pub(crate) async fn chore<T: Send + 'static>(
        &self,
        chore: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        let (done, result) = oneshot::channel();
        let job = Job::Chore(Box::new(move |store| {
            // Nobody listens when the server stops.
            done.send(chore(store)).ok();
        }));
        self.0[0].send(job).map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }

    /// Has all writers finish what came before, and end.
    pub(crate) fn stop(&self) {
        for writer in &*self.0 {
            // One that has ended needs no telling.
            writer.send(Job::Stop).ok();
        }
    }

    fn of(&self, name: &Name) -> &Writer {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        &self.0[(hasher.finish() % self.0.len() as u64) as usize]
    }
}

/// What a writer works with.
pub(crate) struct Setup {
    pub(crate) members: Arc<Members>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) holders: Arc<Holders>,
    pub(crate) feed: Feed,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) alarm: Arc<Alarm>,
}

/// Starts a writer on each store. Their threads end on [`Writers::stop`], after
/// the last job before it.
pub(crate) fn start(
    stores: Vec<Box<dyn Store>>,
    setup: &Setup,
) -> std::io::Result<(Writers, Vec<JoinHandle<()>>)> {
    let mut writers = Vec::new();
    let mut threads = Vec::new();
    for (number, store) in stores.into_iter().enumerate() {
        let (jobs, queue) = mpsc::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        writers.push(Writer { jobs, queued: Arc::clone(&queued) });
        let core = Core {
            store,
            answered: 0,
            cache: Cache::default(),
            put_off: PutOff::default(),
            parked: Arc::clone(&setup.parked),
            holders: Arc::clone(&setup.holders),
            feed: setup.feed.clone(),
            members: Arc::clone(&setup.members),
            cluster: Arc::clone(&setup.cluster),
            limits: Arc::clone(&setup.limits),
            metrics: Arc::clone(&setup.metrics),
            alarm: Arc::clone(&setup.alarm),
        };
        let thread = std::thread::Builder::new().name(format!("dlm-writer-{number}"));
        threads.push(thread.spawn(move || core.serve(&queue, &queued))?);
    }
    Ok((Writers(writers.into()), threads))
}

/// What lives on a writer's thread.
struct Core {
    store: Box<dyn Store>,
    /// Callers that the last batches answered, and that may be back soon.
    answered: usize,
    cache: Cache,
    put_off: PutOff,
    parked: Arc<Parked>,
    holders: Arc<Holders>,
    feed: Feed,
    members: Arc<Members>,
    cluster: Arc<dyn Cluster>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    alarm: Arc<Alarm>,
}

impl Core {
    fn serve(mut self, queue: &mpsc::Receiver<Job>, queued: &AtomicUsize) {
        let mut batch = Vec::new();
        let mut stopping = false;
        while !(stopping && self.put_off.is_empty()) {
            // What was put off has its turn between any two batches.
            let first = if self.put_off.is_empty() { first_job(queue) } else { queue.try_recv().ok() };
            if first.is_none() && self.put_off.is_empty() {
                break;
            }
            let mut next = first;
            let mut taken = 0;
            let expected = std::mem::take(&mut self.answered);
            let gathered = since_boot() + GATHER;
            while let Some(job) = next {
                taken += 1;
                match job {
                    Job::Execute(execute) => self.take(Task::Execute(execute), &mut batch),
                    Job::Leave(leave) => self.take(Task::Leave(leave), &mut batch),
                    Job::Recheck(name, key) => {
                        if let Some(asked) = self.parked.asked(&name, &key) {
                            self.take(Task::Recheck { name, key, asked }, &mut batch);
                        }
                    }
                    Job::Chore(chore) => {
                        // The callers' jobs before it go first.
                        self.run(std::mem::take(&mut batch), Contended::Skip);
                        chore(&mut *self.store);
                    }
                    Job::Stop => stopping = true,
                }
                next = if batch.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
                while next.is_none() && taken < expected && !stopping && since_boot() < gathered {
                    std::thread::yield_now();
                    next = queue.try_recv().ok();
                }
            }
            let left = queued.fetch_sub(taken, Ordering::Relaxed) - taken;
            self.metrics.queue_depth(left);
            self.run(std::mem::take(&mut batch), Contended::Skip);
            if let Some(tasks) = self.put_off.next() {
                self.run(tasks, Contended::Wait);
            }
        }
        tracing::debug!("the writer has stopped");
    }

    /// Takes a task for the next batch, or puts it behind those of its resource
    /// that wait for another replica.
    fn take(&mut self, task: Task, batch: &mut Vec<Task>) {
        if self.put_off.has(task.name()) {
            self.put_off.push(task);
        } else {
            batch.push(task);
        }
    }

    /// Runs a batch to its end: everyone in it is answered, but for those that
    /// another replica keeps from it.
    fn run(&mut self, tasks: Vec<Task>, contended: Contended) {
        if tasks.is_empty() {
            return;
        }
        let mut new_keys = NewKeys::Assume;
        let mut reconnected = false;
        for _ in 0..ATTEMPTS {
            match self.attempt(&tasks, new_keys, contended) {
                Ok(committed) => return self.deliver(tasks, committed),
                // A key in the batch was used before, or another replica was
                // faster with a new name: now every key is looked up.
                Err(StoreError::KeyExists | StoreError::NotCommitted) => {}
                // Nothing was done yet, and a connection may have died since
                // it was last used.
                Err(StoreError::Unavailable(why)) if !reconnected => {
                    tracing::warn!(why, "the connection to the database failed");
                    reconnected = true;
                    if !self.reconnect() {
                        return self.fail(tasks, &Failure::Unavailable);
                    }
                }
                Err(error @ (StoreError::Unavailable(_) | StoreError::Unclear)) => {
                    tracing::error!(%error, operations = tasks.len(), "a batch failed");
                    return self.fail(tasks, &Failure::Unavailable);
                }
                Err(error) => {
                    tracing::warn!(%error, operations = tasks.len(), "a batch was refused; running it one by one");
                    self.metrics.batch_retried();
                    return self.run_one_by_one(tasks);
                }
            }
            self.metrics.batch_retried();
            new_keys = NewKeys::Ask;
        }
        tracing::error!(operations = tasks.len(), "a batch was run again too often");
        self.fail(tasks, &Failure::Unavailable);
    }

    /// One operation's data is refused: the others must not suffer for it.
    fn run_one_by_one(&mut self, tasks: Vec<Task>) {
        for task in tasks {
            let task = vec![task];
            match self.attempt(&task, NewKeys::Ask, Contended::Wait) {
                Ok(committed) => self.deliver(task, committed),
                Err(error) => {
                    tracing::error!(%error, "an operation failed");
                    let failure = match error {
                        StoreError::Unavailable(_) | StoreError::Unclear | StoreError::NotCommitted => {
                            Failure::Unavailable
                        }
                        _ => Failure::Internal,
                    };
                    self.fail(task, &failure);
                }
            }
        }
    }

    fn fail(&mut self, tasks: Vec<Task>, failure: &Failure) {
        for task in tasks {
            if let Task::Execute(execute) = task {
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
}

/// Waits for a job, awake at first: whoever was just answered often comes back
/// at once, and to be woken takes longer than that.
fn first_job(queue: &mpsc::Receiver<Job>) -> Option<Job> {
    let until = since_boot() + AWAKE;
    while since_boot() < until {
        match queue.try_recv() {
            Ok(job) => return Some(job),
            Err(mpsc::TryRecvError::Disconnected) => return None,
            Err(mpsc::TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    queue.recv().ok()
}
