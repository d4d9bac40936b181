//! Tasks on resources that another replica has locked.

use std::collections::{HashMap, VecDeque};

use super::batch::Task;
use crate::store::Name;

/// Tasks that wait for a batch of their own, in FIFO order per resource. A
/// resource that is busy at a peer does not delay operations on others.
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

    /// Takes the tasks of the resource that was deferred first.
    pub(super) fn next(&mut self) -> Option<Vec<Task>> {
        let name = self.order.pop_front()?;
        self.tasks.remove(&name)
    }
}
