//! Tasks on resources that another replica was at.

use std::collections::{HashMap, VecDeque};

use super::batch::Task;
use crate::store::Name;

/// Tasks that wait for a batch of their own, each resource's in their order:
/// one that is hot elsewhere must not stall the others.
#[derive(Default)]
pub(super) struct DeferredTasks {
    tasks: HashMap<Name, Vec<Task>>,
    turns: VecDeque<Name>,
}

impl DeferredTasks {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn has(&self, name: &Name) -> bool {
        self.tasks.contains_key(name)
    }

    /// Puts a task behind those of its resource.
    pub(super) fn push(&mut self, task: Task) {
        let name = Name::clone(task.name());
        self.tasks
            .entry(name)
            .or_insert_with_key(|name| {
                self.turns.push_back(Name::clone(name));
                Vec::new()
            })
            .push(task);
    }

    /// Takes the tasks of the resource that has waited longest.
    pub(super) fn next(&mut self) -> Option<Vec<Task>> {
        let name = self.turns.pop_front()?;
        self.tasks.remove(&name)
    }
}
