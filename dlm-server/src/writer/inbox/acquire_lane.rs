//! The lane of acquires, from which single ones can be taken.
//!
//! Principals take turns, so that one that sends a lot delays its own acquires. Those of
//! one principal stay in the order in which they arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::order_tag::{self, OrderTag};
use super::{Numbered, Sender, fair_share};
use crate::store::Name;
use crate::writer::job::{Execute, Job, Leave, Unexecuted};

/// Acquires and maintenance tasks by number.
#[derive(Default)]
pub(super) struct AcquireLane {
    jobs: HashMap<u64, Job>,
    /// The numbers of the jobs of each sender.
    queues: HashMap<Sender, BTreeSet<u64>>,
    /// Whose turn it is: each sender with a queue once.
    turns: VecDeque<Sender>,
    /// The numbers of the jobs with a tag, in order.
    tagged: HashMap<OrderTag, VecDeque<u64>>,
}

impl AcquireLane {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Adds a job behind all others of its sender.
    pub(super) fn push(&mut self, number: u64, job: Job) {
        for tag in order_tag::of(&job) {
            self.tagged.entry(tag).or_default().push_back(number);
        }
        let sender = job.sender().cloned();
        let queue = self.queues.entry(sender.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(sender);
        }
        queue.insert(number);
        self.jobs.insert(number, job);
    }

    /// Whether a sender may not add a job because the lane has `max` jobs.
    pub(super) fn is_full_for(&self, sender: &Sender, max: usize) -> bool {
        let own = self.queues.get(sender).map_or(0, BTreeSet::len);
        self.len() >= max && own >= fair_share(max, self.queues.len(), own)
    }

    /// Takes the first job of the sender whose turn it is, of those with a number below
    /// the limit of their sender.
    pub(super) fn pop_below(&mut self, limit: impl Fn(&Sender) -> u64) -> Option<Job> {
        for _ in 0..self.turns.len() {
            self.turns.rotate_left(1);
            let Some(sender) = self.turns.back() else { break };
            let first = self.queues.get(sender).and_then(BTreeSet::first).copied();
            if let Some(first) = first.filter(|first| *first < limit(sender)) {
                return self.remove(first);
            }
        }
        None
    }

    /// All jobs, in no order.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = Numbered> {
        self.jobs.into_iter().map(|(number, job)| Numbered { number, job })
    }

    /// Takes the acquire that a leave withdraws.
    pub(super) fn withdraw(&mut self, leave: &Leave) -> Option<Execute> {
        let request = leave.request.filter(|_| leave.unexecuted == Unexecuted::Withdraw)?;
        let sender = Some(Arc::clone(&leave.sender));
        let tag = OrderTag::Key(Name::clone(&leave.name), sender, Arc::clone(&leave.key.key));
        let sent_by = |number: &&u64| match self.jobs.get(number) {
            Some(Job::Execute(execute)) => execute.caller.request == request,
            _ => false,
        };
        let number = self.tagged.get(&tag)?.iter().find(sent_by).copied()?;
        match self.remove(number)? {
            Job::Execute(execute) => Some(execute),
            _ => None,
        }
    }

    /// Takes the jobs with this tag.
    pub(super) fn take_tagged(&mut self, tag: &OrderTag) -> Vec<Numbered> {
        let numbers = self.tagged.remove(tag).unwrap_or_default();
        numbers
            .into_iter()
            .filter_map(|number| Some(Numbered { number, job: self.remove(number)? }))
            .collect()
    }

    /// Takes the jobs with one of these tags, and those that have to be executed before
    /// them, in order.
    pub(super) fn take_ordered(&mut self, tags: Vec<OrderTag>) -> impl Iterator<Item = Numbered> + use<> {
        let mut taken = BTreeMap::new();
        let mut open: Vec<(OrderTag, u64)> = tags.into_iter().map(|tag| (tag, u64::MAX)).collect();
        while let Some((tag, before)) = open.pop() {
            while let Some(number) = self.tagged.get(&tag).and_then(|numbers| numbers.front().copied())
                && number < before
                && let Some(job) = self.remove(number)
            {
                open.extend(order_tag::of(&job).map(|tag| (tag, number)));
                taken.insert(number, job);
            }
        }
        taken.into_iter().map(|(number, job)| Numbered { number, job })
    }

    fn remove(&mut self, number: u64) -> Option<Job> {
        let job = self.jobs.remove(&number)?;
        let sender = job.sender().cloned();
        if let Some(queue) = self.queues.get_mut(&sender) {
            queue.remove(&number);
            if queue.is_empty() {
                self.queues.remove(&sender);
                self.turns.retain(|turn| *turn != sender);
            }
        }
        for tag in order_tag::of(&job) {
            let Some(numbers) = self.tagged.get_mut(&tag) else { continue };
            if let Ok(index) = numbers.binary_search(&number) {
                numbers.remove(index);
            }
            if numbers.is_empty() {
                self.tagged.remove(&tag);
            }
        }
        Some(job)
    }
}
