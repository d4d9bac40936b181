//! A writer's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use dlm_engine::{KeyLookup, Limits, Micros};

use super::batch::Task;
use super::cache::Cache;
use super::deferred::DeferredTasks;
use super::job::{Job, Leave, OperationError};
use super::next_check::NextCheck;
use super::parked::Parked;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{Cluster, LockWait, Store, StoreError};

/// Most operations in one transaction: beyond this a batch's own time, not the
/// sync's, is what its operations wait for.
const MAX_BATCH: usize = 512;
/// How long a writer waits awake before it sleeps.
const AWAKE: Duration = Duration::from_micros(100);
/// How long a batch waits for as many jobs as callers were just answered: they
/// often come back at once, and one sync for all of them is worth the wait.
const GATHER: Duration = Duration::from_micros(100);
/// How long those who left are kept before the database is told again.
const TELL_AGAIN: Duration = Duration::from_millis(200);
/// How often a batch is run again because other replicas were faster.
const ATTEMPTS: usize = 10;
/// How long a writer tries to make its connection anew before it says so to
/// those who wait.
const RECONNECT_FOR: Duration = Duration::from_secs(2);

/// What lives on a writer's thread.
pub(super) struct WriterState {
    pub(super) store: Box<dyn Store>,
    /// Callers that the last batches answered, and that may be back soon.
    pub(super) answered: usize,
    pub(super) cache: Cache,
    pub(super) deferred: DeferredTasks,
    /// Who left while the database could not be told: it is told as soon as it
    /// can be, or a waiter that is gone would be granted.
    pub(super) left: Vec<Leave>,
    pub(super) parked: Arc<Parked>,
    pub(super) lease_watchers: Arc<LeaseWatchers>,
    pub(super) feed: Feed,
    pub(super) membership: Arc<Membership>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) next_check: Arc<NextCheck>,
}

impl WriterState {
    /// Serves jobs until it is told to stop.
    pub(super) fn serve(mut self, queue: &mpsc::Receiver<Job>, queued: &AtomicUsize) {
        let mut batch = Vec::new();
        let mut stopping = false;
        while !(stopping && self.deferred.is_empty()) {
            // What was put off has its turn between any two batches.
            let mut next = if !self.deferred.is_empty() {
                queue.try_recv().ok()
            } else if !self.left.is_empty() {
                match queue.recv_timeout(TELL_AGAIN) {
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                    job => job.ok(),
                }
            } else {
                let Some(first) = first_job(queue) else { break };
                Some(first)
            };
            for leave in std::mem::take(&mut self.left) {
                self.take(Task::Leave(leave), &mut batch);
            }
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
                    Job::Maintenance(maintenance) => {
                        // The callers' jobs before it go first.
                        self.run(std::mem::take(&mut batch), LockWait::Skip);
                        maintenance(&mut *self.store);
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
            self.run(std::mem::take(&mut batch), LockWait::Skip);
            if let Some(tasks) = self.deferred.next() {
                self.run(tasks, LockWait::Wait);
            }
        }
        tracing::debug!("the writer has stopped");
    }

    /// Takes a task for the next batch, or puts it behind those of its resource
    /// that wait for another replica.
    fn take(&mut self, task: Task, batch: &mut Vec<Task>) {
        if self.deferred.has(task.name()) {
            self.deferred.push(task);
        } else {
            batch.push(task);
        }
    }

    /// Runs a batch to its end: everyone in it is answered, but for those that
    /// another replica keeps from it.
    fn run(&mut self, tasks: Vec<Task>, lock_wait: LockWait) {
        if tasks.is_empty() {
            return;
        }
        let mut key_lookup = KeyLookup::AssumeNew;
        let mut reconnected = false;
        for _ in 0..ATTEMPTS {
            match self.attempt(&tasks, key_lookup, lock_wait) {
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
                        return self.fail(tasks, &OperationError::Unavailable);
                    }
                }
                Err(error @ (StoreError::Unavailable(_) | StoreError::CommitOutcomeUnknown)) => {
                    tracing::error!(%error, operations = tasks.len(), "a batch failed");
                    return self.fail(tasks, &OperationError::Unavailable);
                }
                Err(error) => {
                    tracing::warn!(%error, operations = tasks.len(), "a batch was refused; running it one by one");
                    self.metrics.batch_retried();
                    return self.run_one_by_one(tasks);
                }
            }
            self.metrics.batch_retried();
            key_lookup = KeyLookup::Required;
        }
        tracing::error!(operations = tasks.len(), "a batch was run again too often");
        self.fail(tasks, &OperationError::Unavailable);
    }

    /// One operation's data is refused: the others must not suffer for it.
    fn run_one_by_one(&mut self, tasks: Vec<Task>) {
        for task in tasks {
            let task = vec![task];
            let attempt = |core: &mut Self| core.attempt(&task, KeyLookup::Required, LockWait::Wait);
            let mut attempted = attempt(self);
            for _ in 1..ATTEMPTS {
                // Another replica was faster with a new name.
                if !matches!(attempted, Err(StoreError::KeyExists | StoreError::NotCommitted)) {
                    break;
                }
                attempted = attempt(self);
            }
            match attempted {
                Ok(committed) => self.deliver(task, committed),
                Err(error) => {
                    tracing::error!(%error, "an operation failed");
                    let failure = match error {
                        StoreError::Unavailable(_)
                        | StoreError::CommitOutcomeUnknown
                        | StoreError::NotCommitted
                        | StoreError::KeyExists => OperationError::Unavailable,
                        _ => OperationError::Internal,
                    };
                    self.fail(task, &failure);
                }
            }
        }
    }

    fn fail(&mut self, tasks: Vec<Task>, failure: &OperationError) {
        for task in tasks {
            match task {
                Task::Execute(execute) => execute.caller.reply(Err(failure.clone()), Micros::MAX),
                Task::Leave(leave) => {
                    if let Some(waiting) = self.parked.take_one(&leave) {
                        waiting.caller.reply(Err(failure.clone()), waiting.first_now);
                    }
                    self.left.push(Leave { request: None, ..leave });
                }
                // It will be looked at again.
                Task::Recheck { .. } => {}
            }
        }
    }

    /// Makes the connection anew. What is in memory may not be what is stored,
    /// so all of it is read again.
    pub(super) fn reconnect(&mut self) -> bool {
        self.cache.clear();
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
