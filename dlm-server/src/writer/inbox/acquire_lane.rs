//! The lane of acquires, from which single ones can be taken.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Numbered;
use super::order_tag::{self, OrderTag};
use crate::store::Name;
use crate::writer::job::{Execute, Job, Leave, Unexecuted};

/// Acquires and maintenance tasks by number.
#[derive(Default)]
pub(super) struct AcquireLane {
    jobs: BTreeMap<u64, Job>,
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

    /// Adds a job behind all others.
    pub(super) fn push(&mut self, number: u64, job: Job) {
        for tag in order_tag::of(&job) {
            self.tagged.entry(tag).or_default().push_back(number);
        }
        self.jobs.insert(number, job);
    }

    /// Takes the first job if its number is below this one.
    pub(super) fn pop_before(&mut self, number: u64) -> Option<Job> {
        let (first, _) = self.jobs.first_key_value()?;
        let first = (*first < number).then_some(*first)?;
        self.remove(first)
    }

    /// Takes the acquire that a leave withdraws.
    pub(super) fn withdraw(&mut self, leave: &Leave) -> Option<Execute> {
        let request = leave.request.filter(|_| leave.unexecuted == Unexecuted::Withdraw)?;
        let tag = OrderTag::Key(Name::clone(&leave.name), leave.key.clone());
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
