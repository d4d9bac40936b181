//! Locks that a task requests while it holds them itself.
//!
//! Locks are not reentrant: such a request waits for its own task. Which task holds a guard can't
//! be known, since a guard can be moved. Two things can:
//!
//! - what a task does inside [`with_lock`](crate::Client::with_lock), where the guard can't leave
//!   the closure: [`Scope`]
//! - which task acquired the lock of a guard that still lives: [`HeldNames`]. That is only a hint.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use dlm_protocol::{Mode, ResourceName};

/// A task, or a thread that runs a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerId {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl CallerId {
    /// The current task of tokio, or the thread that blocks on a future of tokio's. `None` under
    /// other executors, where a thread may run many tasks.
    pub(crate) fn current() -> Option<Self> {
        match tokio::task::try_id() {
            Some(task) => Some(Self::Task(task)),
            None if tokio::runtime::Handle::try_current().is_ok() => {
                Some(Self::Thread(std::thread::current().id()))
            }
            None => None,
        }
    }
}

/// The locks that a client's guards hold, with the tasks that acquired them.
#[derive(Debug, Default)]
pub(crate) struct HeldNames {
    by_name: Mutex<HashMap<ResourceName, Vec<Held>>>,
    next_id: AtomicU64,
    warned: AtomicBool,
}

#[derive(Debug)]
struct Held {
    id: u64,
    mode: Mode,
    caller: CallerId,
}

/// The record of one guard; removed when dropped.
#[derive(Debug)]
pub(crate) struct HeldName {
    names: Arc<HeldNames>,
    resource: ResourceName,
    id: u64,
}

impl HeldNames {
    pub(crate) fn insert(
        self: &Arc<Self>,
        resource: &ResourceName,
        mode: Mode,
        caller: CallerId,
    ) -> HeldName {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(resource.clone()).or_default().push(Held { id, mode, caller });
        HeldName { names: Arc::clone(self), resource: resource.clone(), id }
    }

    /// Whether a guard that `caller` acquired excludes another lock of this mode.
    pub(crate) fn excludes(&self, resource: &ResourceName, mode: Mode, caller: CallerId) -> bool {
        self.lock()
            .get(resource)
            .is_some_and(|held| held.iter().any(|held| held.caller == caller && exclude(held.mode, mode)))
    }

    /// Whether nobody was warned yet. One warning is enough: a task may also run many futures that
    /// wait for each other in turn.
    pub(crate) fn warn_once(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourceName, Vec<Held>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldName {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.names.lock().entry(self.resource.clone()) {
            held.get_mut().retain(|held| held.id != self.id);
            if held.get().is_empty() {
                held.remove();
            }
        }
    }
}

/// The lock of a closure that is running. It can't be released before the closure returns.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The client's.
    names: Arc<HeldNames>,
    resource: ResourceName,
    mode: Mode,
}

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// What runs while this lives is in the scope.
pub(crate) struct EnteredScope(());

impl Scope {
    pub(crate) fn new(names: &Arc<HeldNames>, resource: ResourceName, mode: Mode) -> Self {
        Self { names: Arc::clone(names), resource, mode }
    }

    /// Enters the scope for one poll of the closure's future.
    pub(crate) fn enter(&self) -> EnteredScope {
        SCOPES.with_borrow_mut(|scopes| scopes.push(self.clone()));
        EnteredScope(())
    }

    /// Whether a scope of the client that is being polled excludes another lock of this mode.
    pub(crate) fn excludes(names: &Arc<HeldNames>, resource: &ResourceName, mode: Mode) -> bool {
        SCOPES.with_borrow(|scopes| {
            scopes.iter().any(|scope| {
                Arc::ptr_eq(&scope.names, names) && scope.resource == *resource && exclude(scope.mode, mode)
            })
        })
    }
}

impl Drop for EnteredScope {
    fn drop(&mut self) {
        SCOPES.with_borrow_mut(|scopes| drop(scopes.pop()));
    }
}

fn exclude(held: Mode, requested: Mode) -> bool {
    !(held == Mode::Shared && requested == Mode::Shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ResourceName {
        ResourceName::try_from(text).unwrap()
    }

    #[test]
    fn task_is_known_as_the_holder_until_the_record_is_dropped() {
        let names = Arc::<HeldNames>::default();
        let caller = CallerId::Thread(std::thread::current().id());
        let other = CallerId::Thread(std::thread::spawn(|| std::thread::current().id()).join().unwrap());
        let held = names.insert(&name("a"), Mode::Shared, caller);
        assert!(names.excludes(&name("a"), Mode::Exclusive, caller));
        assert!(!names.excludes(&name("a"), Mode::Shared, caller));
        assert!(!names.excludes(&name("a"), Mode::Exclusive, other));
        assert!(!names.excludes(&name("b"), Mode::Exclusive, caller));
        drop(held);
        assert!(!names.excludes(&name("a"), Mode::Exclusive, caller));
        assert!(names.lock().is_empty());
    }

    #[test]
    fn scope_excludes_while_it_is_entered_and_only_for_its_client() {
        let (names, others) = (Arc::<HeldNames>::default(), Arc::<HeldNames>::default());
        let scope = Scope::new(&names, name("a"), Mode::Exclusive);
        assert!(!Scope::excludes(&names, &name("a"), Mode::Exclusive));
        let entered = scope.enter();
        assert!(Scope::excludes(&names, &name("a"), Mode::Shared));
        assert!(!Scope::excludes(&others, &name("a"), Mode::Exclusive));
        assert!(!Scope::excludes(&names, &name("b"), Mode::Exclusive));
        drop(entered);
        assert!(!Scope::excludes(&names, &name("a"), Mode::Shared));
    }
}
