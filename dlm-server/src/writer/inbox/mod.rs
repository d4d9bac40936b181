//! The jobs that wait for a writer, in two lanes.
//!
//! Renewals, releases and everything else that is short and keeps leases alive or
//! frees locks is *urgent*. *Acquires* wait in a lane of their own, since under
//! overload there are far more of them, and a caller can repeat an acquire that was
//! refused, but not a lease that was lost. A batch takes urgent jobs first, and
//! some acquires in any case.
//!
//! Jobs with an order tag in common are executed in the order in which they were
//! enqueued: operations of one session on one resource, and operations of one sender
//! with one key. So an urgent job takes the acquires ahead of it that share a tag into its
//! own lane, and an acquire is never taken while an earlier urgent job of its sender waits.
//!
//! In both lanes principals take turns, and none can fill a lane so that others are
//! refused. Jobs that share a tag have one sender, whose jobs stay in order. What the
//! server does itself goes first.
//!
//! There are two exceptions, which execute nothing out of order: a leave can withdraw
//! its own acquire, and a cancel puts acquires with its key behind itself, where its
//! tombstone refuses them.
//!
//! While the writer keeps up, jobs are not put into the lanes at all; see `arrivals`. While another
//! writer executes the jobs of this one, they go to its inbox; see `lending`.

mod acquire_lane;
mod arrivals;
mod lending;
mod order_tag;
#[cfg(test)]
mod tests;
mod urgent_lane;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_engine::{Micros, Op};

use super::job::{EnqueueError, Execute, Job, OperationError};
use super::replies::Outgoing;
use crate::clock::since_boot;
use acquire_lane::AcquireLane;
use arrivals::Arrivals;
use order_tag::OrderTag;
use urgent_lane::UrgentLane;

/// Beyond this number, acquires of a sender that has its share are refused, so that a caller learns of the overload
/// while its request is still of use.
const MAX_ACQUIRES: usize = 20_000;
/// Beyond this number, urgent operations of a sender that has its share are refused.
const MAX_URGENT: usize = 50_000;
/// Acquires get at least one of this many places in a batch, so that urgent jobs never
/// starve them.
const ACQUIRE_SHARE: usize = 8;

/// How many jobs wait in each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) urgent: usize,
    pub(super) acquires: usize,
}

/// The jobs of one writer.
#[derive(Default)]
pub(super) struct Inbox {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    /// How many jobs there are, to be read without the mutex.
    len: AtomicUsize,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The principal that sent a job; `None` for the server itself.
type Sender = Option<Arc<str>>;

/// How many jobs a sender may have in a lane that is full, while so many principals have
/// some. `own` is how many it has.
fn fair_share(max: usize, principals: usize, own: usize) -> usize {
    let sharing = principals + usize::from(own == 0);
    max / sharing.max(1)
}

/// A job with its number: its place in the order of arrival.
struct Numbered {
    number: u64,
    job: Job,
}

#[derive(Default)]
struct Lanes {
    /// What the lanes do not have yet. If there is anything, they are empty.
    arrivals: Arrivals,
    urgent: UrgentLane,
    acquires: AcquireLane,
    last_number: u64,
    closed: bool,
    /// The writer sleeps until it is notified.
    sleeping: bool,
    /// The inbox that jobs go to instead.
    lent_to: Option<Arc<Inbox>>,
}

impl Inbox {
    /// Enqueues a job. Only operations are refused when their lane is full, and only if
    /// their sender has its share of the lane.
    pub(super) fn push(&self, job: Job) -> Result<(), EnqueueError> {
        self.accept(job)?.into_iter().for_each(refuse);
        Ok(())
    }

    /// Enqueues a job. Returns the acquire that it withdraws.
    fn accept(&self, job: Job) -> Result<Option<Execute>, EnqueueError> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(EnqueueError::Stopped);
        }
        if let Some(other) = &lanes.lent_to {
            // Under the mutex, so that jobs stay in order.
            return other.accept(job);
        }
        let withdrawn = lanes.push(job)?;
        self.filled(lanes);
        Ok(withdrawn)
    }

    /// Lets the writer know of new jobs.
    fn filled(&self, mut lanes: MutexGuard<'_, Lanes>) {
        let wake = std::mem::take(&mut lanes.sleeping);
        self.len.store(lanes.len(), Ordering::Release);
        drop(lanes);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Refuses all further jobs. Those already enqueued are still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Whether no job is left and none will follow.
    pub(super) fn is_finished(&self) -> bool {
        let lanes = self.lock();
        lanes.closed && lanes.len() == 0
    }

    /// Moves up to `room` jobs into `jobs`, in the order in which they have to be
    /// executed. Returns what is left.
    pub(super) fn take(&self, room: usize, jobs: &mut Vec<Job>) -> Depth {
        if self.len.load(Ordering::Acquire) == 0 {
            return Depth::default();
        }
        let mut lanes = self.lock();
        lanes.take(room, jobs);
        self.len.store(lanes.len(), Ordering::Release);
        Depth { urgent: lanes.urgent.len(), acquires: lanes.acquires.len() }
    }

    /// Waits until there is a job, the inbox is closed or the time is over. Polls for the
    /// first `poll` of it.
    pub(super) fn wait(&self, timeout: Duration, poll: Duration) {
        let began = since_boot();
        while since_boot() - began < poll.min(timeout) {
            if self.len.load(Ordering::Acquire) > 0 {
                return;
            }
            std::thread::yield_now();
        }
        let mut lanes = self.lock();
        lanes.sleeping = true;
        let idle = |lanes: &mut Lanes| lanes.sleeping && !lanes.closed && lanes.len() == 0;
        let (mut lanes, _) =
            self.arrived.wait_timeout_while(lanes, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        lanes.sleeping = false;
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers an acquire that was withdrawn. It wakes a task, so not under a mutex.
fn refuse(withdrawn: Execute) {
    withdrawn.reply(Err(OperationError::Overloaded), Micros::MAX, &mut Outgoing::default());
}

impl Lanes {
    fn len(&self) -> usize {
        self.arrivals.len() + self.urgent.len() + self.acquires.len()
    }

    /// Returns the acquire that the job withdraws.
    fn push(&mut self, job: Job) -> Result<Option<Execute>, EnqueueError> {
        let lanes_are_empty = self.urgent.len() + self.acquires.len() == 0;
        if lanes_are_empty && self.arrivals.accept(&job) {
            let numbered = self.number(job);
            self.arrivals.push(numbered);
            return Ok(None);
        }
        self.fill();
        if self.is_full_for(&job) {
            return Err(EnqueueError::QueueFull);
        }
        let numbered = self.number(job);
        Ok(self.push_to_lanes(numbered))
    }

    fn number(&mut self, job: Job) -> Numbered {
        self.last_number += 1;
        Numbered { number: self.last_number, job }
    }

    fn is_full_for(&self, job: &Job) -> bool {
        match job {
            Job::Execute(Execute { op: Op::Acquire { .. }, sender, .. }) => {
                self.acquires.is_full_for(sender, MAX_ACQUIRES)
            }
            Job::Execute(Execute { sender, .. }) => self.urgent.is_full_for(sender, MAX_URGENT),
            Job::Leave(_) | Job::Recheck(..) | Job::Maintenance(_) => false,
        }
    }

    /// Moves what has arrived into the lanes.
    fn fill(&mut self) {
        for numbered in std::mem::take(&mut self.arrivals).drain() {
            // No leave withdraws any of them.
            self.push_to_lanes(numbered);
        }
    }

    /// Returns the acquire that the job withdraws.
    fn push_to_lanes(&mut self, Numbered { number, job }: Numbered) -> Option<Execute> {
        match &job {
            // Maintenance comes behind everything that was enqueued before it.
            Job::Execute(Execute { op: Op::Acquire { .. }, .. }) | Job::Maintenance(_) => {
                self.acquires.push(number, job);
                return None;
            }
            Job::Leave(leave) => {
                if let Some(withdrawn) = self.acquires.withdraw(leave) {
                    return Some(withdrawn);
                }
            }
            Job::Execute(_) | Job::Recheck(..) => {}
        }
        if self.acquires.is_empty() {
            self.urgent.push(Numbered { number, job });
            return None;
        }
        let is_cancel = matches!(&job, Job::Execute(Execute { op: Op::Cancel { .. }, .. }));
        let (ahead, behind): (Vec<_>, Vec<_>) =
            order_tag::of(&job).partition(|tag| !is_cancel || matches!(tag, OrderTag::Session(..)));
        self.acquires.take_ordered(ahead).for_each(|ahead| self.urgent.push(ahead));
        self.urgent.push(Numbered { number, job });
        for tag in &behind {
            self.acquires.take_tagged(tag).into_iter().for_each(|behind| self.urgent.push(behind));
        }
        None
    }

    fn take(&mut self, room: usize, jobs: &mut Vec<Job>) {
        let end = jobs.len() + room;
        self.arrivals.take_all(room, jobs);
        self.fill();
        if self.len() == 0 {
            return;
        }
        let share = if self.acquires.is_empty() { 0 } else { room / ACQUIRE_SHARE };
        self.take_urgent(room - share, jobs);
        // The acquires that came before all urgent jobs of their sender that are left.
        let first = self.urgent.first_numbers();
        let limit = |sender: &Sender| {
            sender.as_ref().and_then(|principal| first.get(principal)).copied().unwrap_or(u64::MAX)
        };
        while jobs.len() < end
            && let Some(job) = self.acquires.pop_below(limit)
        {
            jobs.push(job);
        }
        self.take_urgent(end - jobs.len(), jobs);
    }

    fn take_urgent(&mut self, room: usize, jobs: &mut Vec<Job>) {
        jobs.extend(std::iter::from_fn(|| self.urgent.pop()).take(room));
    }
}

/// The writer's end of its inbox. When it is dropped, also by a panic, the jobs that are
/// left are dropped, and no further ones are accepted.
pub(super) struct InboxReceiver(Arc<Inbox>);

impl InboxReceiver {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self(inbox)
    }
}

impl std::ops::Deref for InboxReceiver {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        &self.0
    }
}

impl Drop for InboxReceiver {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.lock(), Lanes { closed: true, ..Lanes::default() });
        self.len.store(0, Ordering::Release);
        // Their callers are notified, so not under the mutex.
        drop(left);
    }
}
