//! A SQLite store that fails as its script says.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dlm_engine::{Claim, ClaimKey, Micros, Need, Resource};

use crate::store::{
    BatchWrite, Housekeeping, KeyDeletion, LockResult, LockTarget, LockWait, LogTrim, Name, NewTicket,
    ReleaseRequest, ReleaseRequestStore, Store, StoreError,
};

/// Where a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Begin,
    Lock,
    Write,
    Commit,
    Reconnect,
    LastBatch,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing: the fault that follows in the script happens at the next time.
    None,
    /// It takes a while.
    Slow,
    /// The connection breaks.
    Unavailable,
    /// At a commit: it is applied, and the connection breaks.
    AppliedUnclear,
    /// The transaction is rolled back, and may succeed when repeated.
    NotCommitted,
    KeyExists,
    Rejected,
}

/// What will happen, and what has happened.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: HashMap<Step, VecDeque<Fault>>,
    /// Resources that another replica has locked, each for so many batches.
    locked_elsewhere: HashMap<Name, usize>,
    /// How often claims were loaded.
    pub(super) lookups: usize,
    /// How many transactions were committed.
    pub(super) commits: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SharedScript(Arc<Mutex<Script>>);

impl SharedScript {
    pub(super) fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// Adds a fault behind those of the same step.
    pub(super) fn add(&self, step: Step, fault: Fault) {
        self.lock().faults.entry(step).or_default().push_back(fault);
    }

    pub(super) fn lock_elsewhere(&self, name: &str, batches: usize) {
        self.lock().locked_elsewhere.insert(Name::from(name), batches);
    }

    pub(super) fn clear(&self) {
        let mut script = self.lock();
        script.faults.clear();
        script.locked_elsewhere.clear();
    }

    fn next(&self, step: Step) -> Fault {
        self.lock().faults.get_mut(&step).and_then(VecDeque::pop_front).unwrap_or(Fault::None)
    }
}

/// Wraps a real store. A connection that broke refuses everything until it is
/// reconnected.
pub(super) struct ScriptedStore {
    inner: Box<dyn Store>,
    script: SharedScript,
    connected: bool,
    in_transaction: bool,
}

impl ScriptedStore {
    pub(super) fn new(inner: Box<dyn Store>, script: SharedScript) -> Self {
        Self { inner, script, connected: true, in_transaction: false }
    }

    fn step(&mut self, step: Step) -> Result<(), StoreError> {
        if !self.connected {
            return Err(broken());
        }
        match self.script.next(step) {
            Fault::None | Fault::AppliedUnclear => Ok(()),
            Fault::Slow => {
                std::thread::sleep(Duration::from_millis(3));
                Ok(())
            }
            Fault::Unavailable => {
                self.disconnect();
                Err(broken())
            }
            Fault::NotCommitted => Err(StoreError::NotCommitted("scripted")),
            Fault::KeyExists => Err(StoreError::KeyExists),
            Fault::Rejected => Err(StoreError::Rejected("scripted".into())),
        }
    }

    fn disconnect(&mut self) {
        self.connected = false;
        if std::mem::take(&mut self.in_transaction) {
            self.inner.rollback();
        }
    }
}

fn broken() -> StoreError {
    StoreError::Unavailable("scripted".into())
}

impl Housekeeping for ScriptedStore {
    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        self.inner.delete_keys(deletion)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        self.inner.trim_log(trim)
    }
}

impl ReleaseRequestStore for ScriptedStore {
    fn add_release_request(
        &mut self,
        request: &ReleaseRequest,
    ) -> Result<Option<ReleaseRequest>, StoreError> {
        self.inner.add_release_request(request)
    }

    fn delete_release_request(&mut self, name: &Name, token: u64) -> Result<(), StoreError> {
        self.inner.delete_release_request(name, token)
    }
}

impl Store for ScriptedStore {
    fn begin(&mut self, lock_wait: LockWait) -> Result<(), StoreError> {
        self.step(Step::Begin)?;
        self.inner.begin(lock_wait)?;
        self.in_transaction = true;
        Ok(())
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        self.step(Step::Lock)?;
        let mut elsewhere = HashSet::new();
        for target in targets {
            let mut script = self.script.lock();
            if let Some(batches) = script.locked_elsewhere.get_mut(target.name) {
                *batches -= 1;
                if *batches == 0 {
                    script.locked_elsewhere.remove(target.name);
                }
                elsewhere.insert(Name::clone(target.name));
            }
        }
        let mut results = self.inner.lock(targets, lock_wait)?;
        for (target, result) in targets.iter().zip(&mut results) {
            if elsewhere.contains(target.name) {
                *result = LockResult::LockedElsewhere;
            }
        }
        Ok(results)
    }

    fn marker(&self) -> i64 {
        self.inner.marker()
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        self.inner.now()
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        self.script.lock().lookups += usize::from(matches!(need, Need::Claim(_)));
        self.inner.provide(name, need, resource)
    }

    fn claims(&mut self, keys: &[(&Name, &ClaimKey)]) -> Result<Vec<Option<Claim>>, StoreError> {
        self.script.lock().lookups += 1;
        self.inner.claims(keys)
    }

    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        let number = self.inner.write(batch)?;
        self.step(Step::Write)?;
        Ok(number)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let applied = match self.script.next(Step::Commit) {
            Fault::None => true,
            Fault::Slow => {
                std::thread::sleep(Duration::from_millis(3));
                true
            }
            Fault::AppliedUnclear => {
                self.in_transaction = false;
                self.inner.commit()?;
                self.script.lock().commits += 1;
                false
            }
            _ => false,
        };
        if !applied {
            self.disconnect();
            return Err(broken());
        }
        self.in_transaction = false;
        self.script.lock().commits += 1;
        self.inner.commit()
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.in_transaction) {
            self.inner.rollback();
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        if self.script.next(Step::Reconnect) != Fault::None {
            return Err(broken());
        }
        self.inner.reconnect()?;
        self.connected = true;
        Ok(())
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        self.step(Step::LastBatch)?;
        self.inner.last_batch()
    }

    fn log_position(&self, batch: i64) -> Option<i64> {
        self.inner.log_position(batch)
    }

    fn settle(&mut self) -> Result<Option<Duration>, StoreError> {
        self.inner.settle()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.inner.finish()
    }

    fn add_ticket(&mut self, ticket: NewTicket, valid_ms: u64) -> Result<Option<Micros>, StoreError> {
        self.inner.add_ticket(ticket, valid_ms)
    }

    fn take_ticket(&mut self, digest: &str) -> Result<Option<String>, StoreError> {
        self.inner.take_ticket(digest)
    }
}
