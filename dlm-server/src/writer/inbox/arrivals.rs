//! The jobs that have arrived since the writer took all there were.
//!
//! While the writer keeps up, it takes whatever is there, and the lanes would only be filled and
//! emptied again. So jobs stay here until it turns out that the lanes are needed.

use std::collections::HashSet;

use dlm_engine::Op;

use super::{ACQUIRE_SHARE, Numbered};
use crate::store::Name;
use crate::writer::job::{Execute, Job};

/// So many fit into a batch, whatever their kinds.
const MAX_ARRIVALS: usize = 256;

/// Operations of one sender, in the order in which they arrived.
#[derive(Default)]
pub(super) struct Arrivals(Vec<Numbered>);

impl Arrivals {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a job can be added: if not, it needs the lanes.
    pub(super) fn accept(&self, job: &Job) -> bool {
        matches!(job, Job::Execute(_))
            && self.0.len() < MAX_ARRIVALS
            && self.0.first().is_none_or(|first| first.job.sender() == job.sender())
    }

    pub(super) fn push(&mut self, numbered: Numbered) {
        self.0.push(numbered);
    }

    /// Takes all jobs, if the lanes would give them out together and in order: urgent ones, then
    /// acquires.
    pub(super) fn take_all(&mut self, room: usize, jobs: &mut Vec<Job>) {
        if self.0.len() + room / ACQUIRE_SHARE > room || self.need_order() {
            return;
        }
        let acquires = self.0.extract_if(.., |numbered| acquired(&numbered.job).is_some());
        let acquires: Vec<_> = acquires.collect();
        jobs.extend(self.0.drain(..).chain(acquires).map(|numbered| numbered.job));
    }

    /// Takes the jobs that the lanes have to put in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Numbered> {
        self.0.drain(..)
    }

    /// Whether an urgent job may have to be executed after an acquire that arrived before it:
    /// jobs in an order have a resource in common.
    fn need_order(&self) -> bool {
        let mut acquired_names = HashSet::new();
        self.0.iter().any(|numbered| match (&numbered.job, acquired(&numbered.job)) {
            (_, Some(name)) => {
                acquired_names.insert(name);
                false
            }
            (Job::Execute(execute), None) => acquired_names.contains(&execute.name),
            _ => true,
        })
    }
}

/// The resource of an acquire.
fn acquired(job: &Job) -> Option<&Name> {
    match job {
        Job::Execute(Execute { name, op: Op::Acquire { .. }, .. }) => Some(name),
        _ => None,
    }
}
