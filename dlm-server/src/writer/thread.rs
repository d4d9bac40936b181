//! The loop of a writer's thread.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Limits;

use super::batch::Task;
use super::cache::Cache;
use super::deferred::DeferredTasks;
use super::inbox::Inbox;
use super::job::Job;
use super::joining::Joining;
use super::next_check::NextCheck;
use super::pace::{Gathering, Pace};
use super::parked::Parked;
use super::progress::Progress;
use super::recovery::Recovery;
use crate::anonymous_claims::AnonymousClaims;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::{Cluster, LockWait, Store};
use crate::usage::Usage;

/// Most jobs in one transaction. In a larger one they would wait for the work of the
/// batch rather than for its sync.
const MAX_BATCH: usize = 512;

/// The state of a writer's thread.
pub(super) struct WriterState {
    pub(super) store: Box<dyn Store>,
    pub(super) progress: Arc<Progress>,
    /// The number of this writer.
    pub(super) number: usize,
    pub(super) joining: Arc<Joining>,
    pub(super) pace: Pace,
    pub(super) cache: Cache,
    /// Tasks on resources that another replica has locked. Each resource gets a
    /// batch of its own, so that it does not delay operations on others.
    pub(super) deferred: DeferredTasks,
    /// Tasks that did not fit into the last batch.
    pub(super) kept: DeferredTasks,
    pub(super) recovery: Recovery,
    /// No reply can be trusted any more, or nothing can be stored: the writer must stop.
    pub(super) must_stop: bool,
    /// When to have the store settle again, since boot; `Duration::MAX` if it has.
    pub(super) settle_at: Duration,
    pub(super) parked: Arc<Parked>,
    pub(super) anonymous_claims: Arc<AnonymousClaims>,
    pub(super) lease_watchers: Arc<LeaseWatchers>,
    pub(super) feed: Feed,
    pub(super) usage: Arc<Usage>,
    pub(super) membership: Arc<Membership>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) next_check: Arc<NextCheck>,
}

impl WriterState {
    /// Executes jobs until the inbox is closed and everything in it is done.
    pub(super) fn serve(mut self, inbox: &Inbox) {
        while !self.is_done(inbox) {
            self.progress.idle();
            self.wait(inbox);
            self.turn(inbox);
            self.pace.delivered(since_boot());
            self.settle();
            self.progress.idle();
            self.rearrange();
        }
        if !self.must_stop
            && let Err(error) = self.store.finish()
        {
            // The next start does it.
            tracing::warn!(%error, "tables not brought up to date");
        }
        tracing::debug!("writer stopped");
    }

    /// Waits for a job, as long as earlier batches left nothing to do.
    fn wait(&mut self, inbox: &Inbox) {
        let patience = self.patience();
        if patience.is_zero() {
            return;
        }
        let began = since_boot();
        inbox.wait(patience, self.pace.poll());
        self.pace.waited(since_boot() - began);
    }

    fn is_done(&self, inbox: &Inbox) -> bool {
        self.must_stop || inbox.is_finished() && self.deferred.is_empty() && !self.kept.have_callers()
    }

    /// How long to wait for a job: tasks left by earlier batches run between any two.
    fn patience(&self) -> Duration {
        match self.deferred.is_empty() && self.kept.is_empty() {
            true => self.recovery.patience().min(self.settle_at.saturating_sub(since_boot())),
            false => Duration::ZERO,
        }
    }

    /// Brings a part of the stored tables up to date, once the replies of a batch have left.
    fn settle(&mut self) {
        self.progress.begin_step();
        match self.store.settle() {
            Ok(pause) => self.settle_at = pause.map_or(Duration::MAX, |pause| since_boot() + pause),
            Err(error) => {
                tracing::error!(%error, "tables can't be brought up to date; this server stops");
                self.must_stop = true;
            }
        }
    }

    /// Runs a batch of what earlier ones left and of what is in the inbox, and one of
    /// deferred tasks.
    pub(super) fn turn(&mut self, inbox: &Inbox) {
        let mut batch = self.backlog();
        for job in self.gather(inbox) {
            match job {
                Job::Execute(execute) => self.add(Task::Execute(execute), &mut batch),
                Job::Leave(leave) => self.add(Task::Leave(leave), &mut batch),
                Job::Recheck(name, key) => {
                    if let Some(recheck) = self.recheck(name, key) {
                        self.add(recheck, &mut batch);
                    }
                }
                Job::Maintenance(task) => {
                    // The operations enqueued before it go first.
                    self.run(std::mem::take(&mut batch), LockWait::Skip);
                    self.progress.begin_step();
                    task(&mut *self.store);
                }
            }
        }
        self.joining.record(self.number, batch.len());
        self.run(batch, LockWait::Skip);
        if let Some(tasks) = self.deferred.next() {
            self.run(tasks, LockWait::Wait);
        }
    }

    /// What failures and earlier batches left.
    fn backlog(&mut self) -> Vec<Task> {
        let mut batch = Vec::new();
        let mut kept = std::mem::take(&mut self.kept);
        // Leaves go first: until then, a waiter whose caller is gone can be granted the
        // lock.
        for leave in self.recovery.due_leaves() {
            self.add(Task::Leave(leave), &mut batch);
        }
        while let Some(tasks) = kept.next() {
            batch.extend(tasks);
        }
        for recheck in self.recovery_rechecks() {
            self.add(recheck, &mut batch);
        }
        batch
    }

    /// Takes the jobs of one batch from the inbox.
    fn gather(&mut self, inbox: &Inbox) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut left = inbox.take(MAX_BATCH, &mut jobs);
        let Gathering { expected, until, pause } = self.pace.gathering();
        let (mut taken, mut now) = (jobs.len(), since_boot());
        let mut deadline = until.min(now + pause);
        while taken > 0 && taken < expected.min(MAX_BATCH) && now < deadline {
            std::thread::yield_now();
            left = inbox.take(MAX_BATCH - taken, &mut jobs);
            now = since_boot();
            if jobs.len() > taken {
                taken = jobs.len();
                deadline = until.min(now + pause);
            }
        }
        self.metrics.queue_depth(self.number, left.urgent, left.acquires);
        jobs
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
