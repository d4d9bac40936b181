//! One transaction, from its tasks to its commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{
    Blocked, ClaimKey, Context, Effects, Event, Micros, Need, Op, Refusal, Reply, Request, Wake,
};

use super::cache::FollowUp;
use super::claim_lookup::Lookup;
use super::inherited::on_claim;
use super::job::{Admission, Execute, Leave};
use super::open_requests::OpenRequests;
use super::thread::WriterState;
use crate::clock::since_boot;
use crate::store::{BatchWrite, LockWait, NOT_AVAILABLE, Name, StoreError};
use crate::usage::ClaimChange;

/// A job of a batch.
pub(super) enum Task {
    Execute(Execute),
    Leave(Leave),
    Recheck {
        name: Name,
        key: ClaimKey,
        request: Arc<Request>,
    },
    /// Go on with what the engine left for after the commit.
    Continue(Name),
}

impl Task {
    pub(super) fn name(&self) -> &Name {
        match self {
            Self::Execute(execute) => &execute.name,
            Self::Leave(leave) => &leave.name,
            Self::Recheck { name, .. } | Self::Continue(name) => name,
        }
    }

    /// Whether it only finds out whether the database can be written.
    fn is_probe(&self) -> bool {
        // No resource has this name.
        self.name().is_empty()
    }
}

/// The outcome of a task. It is valid once the batch has committed.
pub(super) enum TaskOutcome {
    Executed {
        result: Result<Reply, Refusal>,
        wakes: Vec<Wake>,
    },
    /// A quota is used up; see [`Admission::IfKeyIsKnown`].
    QuotaExceeded,
    /// Another replica has locked the resource.
    LockedElsewhere,
    /// It was decided on a resource that another replica has changed or locked.
    Stale,
    /// The batch is full: the task belongs to the next one. Other waits may have
    /// ended before its turn.
    Kept {
        wakes: Vec<Wake>,
    },
}

impl TaskOutcome {
    /// Whether the reply relies on state that must survive a failover: a caller
    /// that repeats a request is sent what an earlier commit did.
    pub(super) fn acknowledges(&self) -> bool {
        let Self::Executed { result, .. } = self else { return false };
        matches!(
            result,
            Ok(Reply::Lease(_) | Reply::Released(_) | Reply::ForceReleased(_) | Reply::Cancelled(_))
        )
    }
}

/// The results of a committed batch, to be delivered.
pub(super) struct Committed {
    /// The deciding clock after the batch was decided, or then.
    pub(super) now: Micros,
    /// One per task, in order.
    pub(super) outcomes: Vec<TaskOutcome>,
    pub(super) events: Vec<(Name, Event)>,
    /// Where these are in the log, if the store knows it already.
    pub(super) position: Option<i64>,
    /// The executed tasks that acted on a claim of the anonymous principal, by index.
    pub(super) inherited: Vec<(usize, ClaimKey)>,
    /// The batch that changed claims, and how, if that has to be recorded.
    pub(super) usage: Option<(i64, Vec<(Name, ClaimChange)>)>,
    pub(super) follow_up: FollowUp,
}

/// A batch executes no further task once it has this many events. The bound of
/// one resource is [`dlm_engine::Limits::max_transitions`].
const MAX_EVENTS: usize = 1024;

impl WriterState {
    /// Executes all tasks in one transaction. After an error, none of its changes
    /// are in memory, and none are stored unless the commit outcome is unknown.
    pub(super) fn attempt(
        &mut self,
        tasks: &[Task],
        lookup: Lookup,
        lock_wait: LockWait,
    ) -> Result<Committed, StoreError> {
        let started = since_boot();
        self.store.begin(lock_wait)?;
        let now = self.lock(tasks, lock_wait);
        let executed = now.and_then(|now| self.execute(tasks, lookup, now)).and_then(|executed| {
            let batch = self.write(&executed, tasks.iter().any(Task::is_probe))?;
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
            self.resolve_outcome(batch, &error)?;
        }
        self.finish(&mut committed, batch, started, written);
        Ok(committed)
    }

    /// Keeps the changes of a batch that has committed with this number.
    pub(super) fn finish(
        &mut self,
        committed: &mut Committed,
        batch: Option<i64>,
        started: Duration,
        written: Duration,
    ) {
        let done = since_boot();
        self.pace.committed(done - written);
        committed.usage = batch.map(|batch| (batch, self.cache.usage_changes(self.usage.counts_claims())));
        committed.position = batch.and_then(|batch| self.store.log_position(batch));
        committed.follow_up = self.cache.committed(batch);
        let is_executed = |outcome: &&TaskOutcome| matches!(outcome, TaskOutcome::Executed { .. });
        let operations = committed.outcomes.iter().filter(is_executed).count();
        self.metrics.batch(operations, (done - started).as_secs_f64(), (done - written).as_secs_f64());
    }

    /// Locks the resources of the tasks and returns the instant to decide by.
    fn lock(&mut self, tasks: &[Task], lock_wait: LockWait) -> Result<Micros, StoreError> {
        self.cache.lock(tasks.iter().map(Task::name), &mut *self.store, lock_wait)?;
        // After the rows are locked: a renewal that waited for a lock must not
        // revive a lease that expired meanwhile.
        self.store.now()
    }

    /// Executes all tasks in memory.
    pub(super) fn execute(
        &mut self,
        tasks: &[Task],
        lookup: Lookup,
        now: Micros,
    ) -> Result<Committed, StoreError> {
        let replicas = self.membership.current();
        let limits = Arc::clone(&self.limits);
        let context = Context { now, replicas: &replicas, limits: &limits };
        let mut effects = Effects::default();
        let mut open_requests = OpenRequests::default();
        // Tasks of one resource stay in order.
        let mut blocked: HashSet<&Name> = HashSet::new();
        let mut outcomes = Vec::with_capacity(tasks.len());
        let mut events = Vec::with_capacity(tasks.len());
        let mut inherited = Vec::new();
        let may_inherit = self.anonymous_claims.may_exist();
        self.look_up_known(tasks, lookup, may_inherit)?;
        let mut looked_up = lookup == Lookup::First;
        for (index, task) in tasks.iter().enumerate() {
            let name = task.name();
            if !self.cache.is_locked(name) {
                outcomes.push(TaskOutcome::LockedElsewhere);
                continue;
            }
            if events.len() >= MAX_EVENTS || blocked.contains(name) {
                outcomes.push(TaskOutcome::Kept { wakes: Vec::new() });
                continue;
            }
            let inherits = match may_inherit {
                true => self.inherited(&tasks[index..], &mut looked_up, &open_requests)?,
                false => None,
            };
            if let Task::Execute(Execute {
                op: Op::Acquire { key, .. },
                admission: Admission::IfKeyIsKnown,
                ..
            }) = task
                && inherits.is_none()
                && !self.has_claim(name, key, &tasks[index..], &mut looked_up)?
            {
                outcomes.push(TaskOutcome::QuotaExceeded);
                continue;
            }
            let op = match task {
                Task::Execute(execute) => match &inherits {
                    Some(key) => &on_claim(&execute.op, key),
                    None => &execute.op,
                },
                // Otherwise the waiter would count as parked again.
                Task::Recheck { key, .. } if !open_requests.any(&self.parked, name, key) => {
                    outcomes.push(TaskOutcome::Executed { result: Ok(Reply::Queued), wakes: Vec::new() });
                    continue;
                }
                Task::Recheck { key, request, .. } => {
                    &Op::Acquire { key: key.clone(), request: Arc::clone(request) }
                }
                Task::Leave(leave) => {
                    let key = inherits.as_ref().unwrap_or(&leave.key);
                    let was_last = open_requests.depart(&self.parked, leave, key);
                    if !was_last {
                        outcomes.push(TaskOutcome::Executed { result: Ok(Reply::Left), wakes: Vec::new() });
                        continue;
                    }
                    &Op::Leave { key: key.clone(), knows_key: leave.knows_key }
                }
                Task::Continue(_) => &Op::Sweep { waiters: Vec::new() },
            };
            let result = loop {
                let Some(resource) = self.cache.resource(name) else {
                    return Err(StoreError::Corrupt("a locked resource is not in memory".into()));
                };
                match resource.execute(op, &context, &mut effects) {
                    Ok(result) => break Some(result),
                    Err(Blocked::Need(Need::Claim(_))) if !looked_up => {
                        looked_up = true;
                        self.look_up_ahead(&tasks[index..])?;
                    }
                    Err(Blocked::Need(need)) => self.provide(name, need)?,
                    Err(Blocked::LimitReached) => break None,
                }
            };
            if let (Task::Execute(execute), Op::Acquire { key, .. }, Some(Ok(Reply::Queued))) =
                (task, op, &result)
            {
                open_requests.join(name, key, execute.caller.request);
            }
            if !effects.events.is_empty() {
                self.cache.add_events(name);
            }
            events.extend(effects.events.drain(..).map(|event| (Name::clone(name), event)));
            let wakes = std::mem::take(&mut effects.wakes);
            outcomes.push(match result {
                Some(result) => {
                    inherited.extend(inherits.map(|key| (index, key)));
                    TaskOutcome::Executed { result, wakes }
                }
                None => {
                    blocked.insert(name);
                    TaskOutcome::Kept { wakes }
                }
            });
        }
        Ok(Committed {
            now,
            outcomes,
            events,
            position: None,
            inherited,
            usage: None,
            follow_up: FollowUp::default(),
        })
    }

    /// Whether a claim with this key exists. `rest` is what is left of the batch.
    pub(super) fn has_claim(
        &mut self,
        name: &Name,
        key: &ClaimKey,
        rest: &[Task],
        looked_up: &mut bool,
    ) -> Result<bool, StoreError> {
        loop {
            let Some(resource) = self.cache.resource(name) else {
                return Err(StoreError::Corrupt("a locked resource is not in memory".into()));
            };
            match resource.has_claim(key) {
                Some(known) => return Ok(known),
                None if !*looked_up => {
                    *looked_up = true;
                    self.look_up_ahead(rest)?;
                }
                None => self.provide(name, Need::Claim(key.clone()))?,
            }
        }
    }

    /// Loads what the engine needs. An optimistic batch fails instead: what is stored now may
    /// not go together with what is in memory.
    fn provide(&mut self, name: &Name, need: Need) -> Result<(), StoreError> {
        if self.cache.is_optimistic() {
            return Err(StoreError::NotCommitted(NOT_AVAILABLE));
        }
        match self.cache.resource(name) {
            Some(resource) => self.store.provide(name, need, resource),
            None => Err(StoreError::Corrupt("a locked resource is not in memory".into())),
        }
    }

    /// Writes what the tasks changed, and for a probe the marker row alone. Returns
    /// the number of the batch, or `None` if there was nothing to write.
    fn write(&mut self, executed: &Committed, probe: bool) -> Result<Option<i64>, StoreError> {
        let writes = self.cache.writes();
        let acknowledges = || executed.outcomes.iter().any(TaskOutcome::acknowledges);
        if writes.is_empty() && !probe && !(self.store.confirms_reads() && acknowledges()) {
            return Ok(None);
        }
        let batch = BatchWrite { now: executed.now, writes: &writes, events: &executed.events };
        self.store.write(&batch).map(Some)
    }

    /// Finds out whether a COMMIT that failed was applied, from the marker row on
    /// a new connection. A blind retry could apply the batch twice: an acquire,
    /// for example, would meet its own lease.
    fn resolve_outcome(&mut self, batch: Option<i64>, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(%error, "commit failed; checking whether it was applied");
        self.database_failed();
        self.store.rollback();
        self.cache.failed();
        if self.reconnect().is_err() {
            return Err(StoreError::CommitOutcomeUnknown);
        }
        let last = self.store.last_batch().map_err(|_| StoreError::CommitOutcomeUnknown)?;
        if batch.is_none_or(|batch| batch == last) {
            return Ok(());
        }
        Err(StoreError::NotCommitted(error.for_callers()))
    }
}
