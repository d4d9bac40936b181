//! Inboxes whose jobs another writer executes.
//!
//! An inbox that is lent passes each job on to the other one. What it has goes there, too, and comes
//! back, in the order in which it arrived. Mutexes are always taken in one order: first that of
//! the inbox that is lent.

use std::sync::Arc;

use super::{Inbox, Lanes, refuse};
use crate::writer::job::{Execute, Job};

impl Inbox {
    /// Has another inbox get all jobs of this one. Its writer must have nothing left to do.
    /// Does nothing if either of them is closed.
    pub(in crate::writer) fn lend(&self, to: &Arc<Self>) -> bool {
        let mut lanes = self.lock();
        let mut other = to.lock();
        if lanes.closed || other.closed {
            return false;
        }
        let withdrawn: Vec<_> = lanes.take_in_order().into_iter().filter_map(|job| other.add(job)).collect();
        lanes.lent_to = Some(Arc::clone(to));
        to.filled(other);
        self.filled(lanes);
        withdrawn.into_iter().for_each(refuse);
        true
    }

    /// Takes back the jobs of this inbox from the one that it was lent to, whose writer must have
    /// nothing left to do. Does nothing if either of them is closed.
    pub(in crate::writer) fn take_back(&self, is_own: impl Fn(&Job) -> bool) -> bool {
        let mut lanes = self.lock();
        let Some(to) = lanes.lent_to.clone() else { return false };
        let mut other = to.lock();
        if lanes.closed || other.closed {
            return false;
        }
        let mut withdrawn = Vec::new();
        for job in other.take_in_order() {
            withdrawn.extend(if is_own(&job) { lanes.add(job) } else { other.add(job) });
        }
        lanes.lent_to = None;
        to.filled(other);
        self.filled(lanes);
        withdrawn.into_iter().for_each(refuse);
        true
    }
}

impl Lanes {
    /// Takes all jobs in the order in which they arrived.
    fn take_in_order(&mut self) -> Vec<Job> {
        let (urgent, acquires) = (std::mem::take(&mut self.urgent), std::mem::take(&mut self.acquires));
        let mut jobs: Vec<_> = self.arrivals.drain().collect();
        jobs.extend(urgent.into_jobs().chain(acquires.into_jobs()));
        jobs.sort_unstable_by_key(|numbered| numbered.number);
        jobs.into_iter().map(|numbered| numbered.job).collect()
    }

    /// Enqueues a job that was accepted before. Returns the acquire that it withdraws: it was behind a
    /// cancel when the leave came.
    fn add(&mut self, job: Job) -> Option<Execute> {
        self.fill();
        let numbered = self.number(job);
        self.push_to_lanes(numbered)
    }
}
