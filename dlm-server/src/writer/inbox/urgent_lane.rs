//! The lane of urgent jobs. Those of the server itself go first; then principals take
//! turns.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Numbered, Sender, fair_share};
use crate::writer::job::Job;

/// Urgent jobs; those of one sender in the order in which they have to be executed.
#[derive(Default)]
pub(super) struct UrgentLane {
    of_server: VecDeque<Numbered>,
    queues: HashMap<Arc<str>, VecDeque<Numbered>>,
    /// Whose turn it is: each principal with a queue once.
    turns: VecDeque<Arc<str>>,
    len: usize,
}

impl UrgentLane {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a sender may not add a job because the lane has `max` jobs.
    pub(super) fn is_full_for(&self, sender: &Sender, max: usize) -> bool {
        let own = match sender {
            Some(principal) => self.queues.get(principal).map_or(0, VecDeque::len),
            None => self.of_server.len(),
        };
        self.len >= max && own >= fair_share(max, self.queues.len(), own)
    }

    /// Adds a job behind all others of its sender.
    pub(super) fn push(&mut self, numbered: Numbered) {
        self.len += 1;
        let Some(principal) = numbered.job.sender().cloned() else {
            return self.of_server.push_back(numbered);
        };
        let queue = self.queues.entry(Arc::clone(&principal)).or_default();
        if queue.is_empty() {
            self.turns.push_back(principal);
        }
        queue.push_back(numbered);
    }

    /// Takes the first job of the sender whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let numbered = self.of_server.pop_front().or_else(|| self.pop_in_turn())?;
        self.len -= 1;
        Some(numbered.job)
    }

    /// All jobs, in no order.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = Numbered> {
        self.of_server.into_iter().chain(self.queues.into_values().flatten())
    }

    fn pop_in_turn(&mut self) -> Option<Numbered> {
        let principal = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&principal)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&principal);
        } else {
            self.turns.push_back(principal);
        }
        first
    }

    /// The lowest number of each principal's jobs.
    pub(super) fn first_numbers(&self) -> HashMap<Arc<str>, u64> {
        let first = |queue: &VecDeque<Numbered>| queue.iter().map(|job| job.number).min();
        self.queues
            .iter()
            .filter_map(|(principal, queue)| Some((Arc::clone(principal), first(queue)?)))
            .collect()
    }
}
