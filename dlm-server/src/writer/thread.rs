//! The loop of a writer's thread.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use dlm_engine::Limits;

use super::batch::Task;
use super::cache::Cache;
use super::deferred::DeferredTasks;
use super::job::{Job, Leave};
use super::next_check::NextCheck;
use super::parked::Parked;
use super::progress::Progress;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{Cluster, LockWait, Store};

/// Most operations in one transaction. In a larger one they would wait for the
/// work of the batch rather than for its sync.
const MAX_BATCH: usize = 512;
/// How long an idle writer polls its queue before it sleeps.
const POLL: Duration = Duration::from_micros(100);
/// How long a batch waits for the callers that just received a reply. They often
/// send their next job at once, and one sync for all is worth the wait.
const GATHER: Duration = Duration::from_micros(100);
/// How long to wait before pending leaves are retried.
const RETRY_LEAVES: Duration = Duration::from_millis(200);

/// The state of a writer's thread.
pub(super) struct WriterState {
    pub(super) store: Box<dyn Store>,
    pub(super) progress: Arc<Progress>,
    /// How many callers received a reply since the last batch was gathered.
    pub(super) replied: usize,
    pub(super) cache: Cache,
    /// Tasks on resources that another replica has locked. Each resource gets a
    /// batch of its own, so that it does not delay operations on others.
    pub(super) deferred: DeferredTasks,
    /// Tasks that did not fit into the last batch.
    pub(super) kept: DeferredTasks,
    /// Another server has written to the database: the writer must stop.
    pub(super) foreign_writer: bool,
    /// Leaves that failed because the database was unavailable. They are retried
    /// before anything else: otherwise a waiter whose caller is gone would be
    /// granted the lock.
    pub(super) pending_leaves: Vec<Leave>,
    pub(super) parked: Arc<Parked>,
    pub(super) lease_watchers: Arc<LeaseWatchers>,
    pub(super) feed: Feed,
    pub(super) membership: Arc<Membership>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) next_check: Arc<NextCheck>,
}

/// What a writer does next.
enum NextWork {
    /// Gather a batch that starts with this job.
    Job(Job),
    /// There is no job: only pending leaves, and tasks left by earlier batches.
    Backlog,
    /// Nothing, and no job will follow.
    Disconnected,
}

impl WriterState {
    /// Executes jobs until [`Job::Stop`].
    pub(super) fn serve(mut self, queue: &Receiver<Job>, length: &AtomicUsize) {
        let mut stopping = false;
        while !(self.foreign_writer || stopping && self.deferred.is_empty() && !self.kept.have_callers()) {
            self.progress.idle();
            let mut next = match self.next_work(queue) {
                NextWork::Job(job) => Some(job),
                NextWork::Backlog => None,
                NextWork::Disconnected => break,
            };
            let mut batch = Vec::new();
            let mut kept = mem::take(&mut self.kept);
            for leave in mem::take(&mut self.pending_leaves) {
                self.add(Task::Leave(leave), &mut batch);
            }
            while let Some(tasks) = kept.next() {
                batch.extend(tasks);
            }
            let kept = batch.len();
            let mut intake = Intake::new(queue, mem::take(&mut self.replied));
            while let Some(job) = next {
                match job {
                    Job::Execute(execute) => self.add(Task::Execute(execute), &mut batch),
                    Job::Leave(leave) => self.add(Task::Leave(leave), &mut batch),
                    Job::Recheck(name, key) => {
                        if let Some(request) = self.parked.request_of(&name, &key) {
                            self.add(Task::Recheck { name, key, request }, &mut batch);
                        }
                    }
                    Job::Maintenance(task) => {
                        // The operations enqueued before it go first.
                        self.run(mem::take(&mut batch), LockWait::Skip);
                        self.progress.begin_step();
                        task(&mut *self.store);
                    }
                    Job::Stop => stopping = true,
                }
                next = intake.next(batch.len().saturating_sub(kept), stopping);
            }
            let remaining = length.fetch_sub(intake.taken, Ordering::Relaxed) - intake.taken;
            self.metrics.queue_depth(remaining);
            self.run(batch, LockWait::Skip);
            if let Some(tasks) = self.deferred.next() {
                self.run(tasks, LockWait::Wait);
            }
        }
        tracing::debug!("writer stopped");
    }

    fn next_work(&self, queue: &Receiver<Job>) -> NextWork {
        if !self.deferred.is_empty() || !self.kept.is_empty() {
            // They run between any two batches.
            return queue.try_recv().map_or(NextWork::Backlog, NextWork::Job);
        }
        if self.pending_leaves.is_empty() {
            return wait_for_job(queue).map_or(NextWork::Disconnected, NextWork::Job);
        }
        match queue.recv_timeout(RETRY_LEAVES) {
            Ok(job) => NextWork::Job(job),
            Err(RecvTimeoutError::Timeout) => NextWork::Backlog,
            Err(RecvTimeoutError::Disconnected) => NextWork::Disconnected,
        }
    }

    /// Adds a task to the next batch, or behind the tasks of its resource that
    /// wait for a later one.
    pub(super) fn add(&mut self, task: Task, batch: &mut Vec<Task>) {
        if self.deferred.contains(task.name()) {
            self.deferred.push(task);
        } else if self.kept.contains(task.name()) {
            self.kept.push(task);
        } else {
            batch.push(task);
        }
    }
}

/// Gathers the jobs of one batch.
struct Intake<'a> {
    queue: &'a Receiver<Job>,
    /// How many jobs are worth waiting for, and until when.
    expected: usize,
    deadline: Duration,
    taken: usize,
}

impl<'a> Intake<'a> {
    fn new(queue: &'a Receiver<Job>, expected: usize) -> Self {
        Self { queue, expected, deadline: since_boot() + GATHER, taken: 0 }
    }

    /// The job that follows the one just added to the batch, if there is any.
    fn next(&mut self, batch_len: usize, stopping: bool) -> Option<Job> {
        self.taken += 1;
        let mut next = if batch_len < MAX_BATCH { self.queue.try_recv().ok() } else { None };
        while next.is_none() && self.taken < self.expected && !stopping && since_boot() < self.deadline {
            std::thread::yield_now();
            next = self.queue.try_recv().ok();
        }
        next
    }
}

/// Waits for a job, polling at first: a caller that just received a reply often
/// sends its next job before a sleeping thread would wake up. Returns `None` if
/// the queue is disconnected.
fn wait_for_job(queue: &Receiver<Job>) -> Option<Job> {
    let deadline = since_boot() + POLL;
    while since_boot() < deadline {
        match queue.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    queue.recv().ok()
}
