//! Tasks that a batch leaves to a later one, because another replica has locked
//! the resource or because the batch is full.

use std::collections::{HashMap, VecDeque};

use super::batch::Task;
use crate::store::Name;

/// Tasks that wait for a later batch, in FIFO order per resource.
#[derive(Default)]
pub(super) struct DeferredTasks {
    tasks: HashMap<Name, Vec<Task>>,
    /// The resources in the order in which they are retried.
    order: VecDeque<Name>,
}

impl DeferredTasks {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether tasks on this resource are deferred.
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.tasks.contains_key(name)
    }

    /// Adds a task behind the others of its resource.
    pub(super) fn push(&mut self, task: Task) {
        let name = Name::clone(task.name());
        self.tasks
            .entry(name)
            .or_insert_with_key(|name| {
                self.order.push_back(Name::clone(name));
                Vec::new()
            })
            .push(task);
    }

    /// Whether anyone waits for the result of one of the tasks.
    pub(super) fn have_callers(&self) -> bool {
        self.tasks.values().flatten().any(|task| !matches!(task, Task::Continue(_)))
    }

    /// Takes the tasks of the resource that was deferred first.
    pub(super) fn next(&mut self) -> Option<Vec<Task>> {
        let name = self.order.pop_front()?;
        self.tasks.remove(&name)
    }
}
