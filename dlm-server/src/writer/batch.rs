//! One transaction, from its tasks to its commit.

use std::collections::{HashMap, HashSet};

use std::sync::Arc;

use dlm_engine::{ClaimKey, Context, Effects, Event, KeyLookup, Micros, Op, Refusal, Reply, Request, Wake};

use super::job::{Execute, Leave, RequestId};
use super::thread::WriterState;
use crate::clock::since_boot;
use crate::log::LoggedEvent;
use crate::store::{BatchWrite, LockWait, Name, StoreError};

/// One job of a batch.
pub(super) enum Task {
    Execute(Execute),
    Leave(Leave),
    Recheck { name: Name, key: ClaimKey, asked: Arc<Request> },
}

impl Task {
    pub(super) fn name(&self) -> &Name {
        match self {
            Self::Execute(execute) => &execute.name,
            Self::Leave(leave) => &leave.name,
            Self::Recheck { name, .. } => name,
        }
    }
}

/// What a task came to; it counts once the batch is committed.
pub(super) struct Executed {
    pub(super) result: Result<Reply, Refusal>,
    pub(super) wakes: Vec<Wake>,
}

/// A batch that is committed, to be told to its callers.
pub(super) struct Committed {
    pub(super) now: Micros,
    /// One a task, in their order; `None` where another replica is at the
    /// resource, so that the task has to wait.
    pub(super) executed: Vec<Option<Executed>>,
    pub(super) events: Vec<(Name, Event)>,
    pub(super) first_check: Micros,
}

/// Who holds requests open, as the tasks of an uncommitted batch have it.
#[derive(Default)]
struct OpenRequests {
    joined: HashMap<(Name, dlm_engine::ClaimKey), Vec<RequestId>>,
    left: HashSet<RequestId>,
}

impl WriterState {
    /// Runs all tasks in one transaction. After an error nothing of it is
    /// stored and nothing of it is in memory.
    pub(super) fn attempt(
        &mut self,
        tasks: &[Task],
        key_lookup: KeyLookup,
        lock_wait: LockWait,
    ) -> Result<Committed, StoreError> {
        let started = since_boot();
        self.store.begin(lock_wait)?;
        let executed = self.execute(tasks, key_lookup, lock_wait).and_then(|executed| {
            let batch = self.write(&executed)?;
            Ok((executed, batch))
        });
        let (mut committed, batch) = match executed {
            Ok(executed) => executed,
            Err(error) => {
                self.store.rollback();
                self.cache.failed();
                return Err(error);
            }
        };
        let written = since_boot();
        if let Err(error) = self.store.commit() {
            self.outcome_of(batch, &error)?;
        }
        let done = since_boot();
        committed.first_check = self.cache.committed();
        self.metrics.batch(tasks.len(), (done - started).as_secs_f64(), (done - written).as_secs_f64());
        Ok(committed)
    }

    fn execute(
        &mut self,
        tasks: &[Task],
        key_lookup: KeyLookup,
        lock_wait: LockWait,
    ) -> Result<Committed, StoreError> {
        self.cache.lock(tasks.iter().map(Task::name), &mut *self.store, lock_wait)?;
        // After the rows are locked, so that no renewal passes by an expiry
        // while it waits for one.
        let now = self.store.now()?;
        let replicas = self.membership.current();
        let context = Context { now, replicas: &replicas, limits: &self.limits, key_lookup };
        let mut effects = Effects::default();
        let mut open_requests = OpenRequests::default();
        let mut executed = Vec::with_capacity(tasks.len());
        let mut events = Vec::with_capacity(tasks.len());
        for task in tasks {
            let name = task.name();
            if !self.cache.is_locked(name) {
                executed.push(None);
                continue;
            }
            let op = match task {
                Task::Execute(execute) => &execute.op,
                Task::Recheck { key, asked, .. } => {
                    &Op::Acquire { key: key.clone(), request: Arc::clone(asked) }
                }
                Task::Leave(leave) => {
                    let last = open_requests.leave(&self.parked, leave);
                    if !last {
                        executed.push(Some(Executed { result: Ok(Reply::Left), wakes: Vec::new() }));
                        continue;
                    }
                    &Op::Leave { key: leave.key.clone(), can_return: leave.can_return }
                }
            };
            let Some(resource) = self.cache.resource(name) else {
                return Err(StoreError::Corrupt("what was locked is not in memory".into()));
            };
            let result = loop {
                match resource.execute(op, &context, &mut effects) {
                    Ok(result) => break result,
                    Err(need) => self.store.provide(name, need, resource)?,
                }
            };
            if let (Task::Execute(execute), Op::Acquire { key, .. }, Ok(Reply::Queued)) = (task, op, &result)
            {
                open_requests.join(name, key, execute.caller.request);
            }
            events.extend(effects.events.drain(..).map(|event| (Name::clone(name), event)));
            executed.push(Some(Executed { result, wakes: std::mem::take(&mut effects.wakes) }));
        }
        Ok(Committed { now, executed, events, first_check: Micros::MAX })
    }

    /// Writes what the tasks changed. Returns the batch's number, if there was
    /// anything to write.
    fn write(&mut self, executed: &Committed) -> Result<Option<i64>, StoreError> {
        let writes = self.cache.writes();
        if writes.is_empty() {
            return Ok(None);
        }
        let events: Vec<_> =
            executed.events.iter().map(|(name, event)| LoggedEvent::new(name, event)).collect();
        let text = serde_json::to_string(&events).map_err(|error| StoreError::Rejected(error.to_string()))?;
        let logged = (!events.is_empty()).then_some((&*text, events.len()));
        let batch = BatchWrite { now: executed.now, writes: &writes, events: logged };
        self.store.write(&batch).map(Some)
    }

    /// A COMMIT failed, which does not say whether it took place: the marker
    /// on a new connection does. Running the batch again blindly would let a
    /// keyless acquire meet its own ghost.
    fn outcome_of(&mut self, batch: Option<i64>, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(%error, "a commit failed; looking whether it took place");
        self.store.rollback();
        self.cache.failed();
        if !self.reconnect() {
            return Err(StoreError::CommitOutcomeUnknown);
        }
        let last = self.store.last_batch().map_err(|_| StoreError::CommitOutcomeUnknown)?;
        if batch.is_none_or(|batch| batch == last) {
            return Ok(());
        }
        Err(StoreError::NotCommitted)
    }
}

impl OpenRequests {
    fn join(&mut self, name: &Name, key: &dlm_engine::ClaimKey, request: RequestId) {
        self.joined.entry((Name::clone(name), key.clone())).or_default().push(request);
    }

    /// One request is gone. Tells whether it was there, or may have been, and the
    /// last of its claim's.
    fn leave(&mut self, parked: &super::parked::Parked, leave: &Leave) -> bool {
        let joined = self.joined.get(&(Name::clone(&leave.name), leave.key.clone()));
        let mut there = leave.request.is_none();
        let mut others = false;
        for request in
            parked.requests(&leave.name, &leave.key).into_iter().chain(joined.into_iter().flatten().copied())
        {
            if Some(request) == leave.request {
                there = true;
            } else if !self.left.contains(&request) {
                others = true;
            }
        }
        self.left.extend(leave.request);
        there && !others
    }
}
