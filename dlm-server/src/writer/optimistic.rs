//! A batch that is decided on what is in memory, before any row is locked.
//!
//! The store compares, locks and writes in one call, and omits the resources that are not as
//! they were assumed to be. What was decided on those is dropped, and their tasks go on in a
//! batch that locks first. See `docs/decisions/0021-optimistic-batches.md`.

use std::collections::HashSet;

use dlm_engine::{Micros, Op};

use super::batch::{Committed, Task, TaskOutcome};
use super::claim_lookup::Lookup;
use super::job::Execute;
use super::thread::WriterState;
use crate::clock::since_boot;
use crate::store::{Applied, Name, OptimisticBatch, StoreError};

/// Most tasks of an optimistic batch. So many share the round trips of one that locks, and to decide
/// more takes too long for the estimate.
pub(super) const MAX_TASKS: usize = 128;

impl WriterState {
    /// Executes tasks on what is in memory and has the result written as far as that is
    /// current. `None` if nothing was written: the tasks need a batch that locks.
    ///
    /// # Errors
    ///
    /// Nothing was written, unless the outcome is unknown.
    pub(super) fn attempt_optimistic(&mut self, tasks: &[Task]) -> Result<Option<Committed>, StoreError> {
        let started = since_boot();
        if tasks.len() > MAX_TASKS || tasks.iter().any(needs_locks) {
            return Ok(None);
        }
        let Some(now) = self.store.estimate_now() else { return Ok(None) };
        let store = &self.store;
        let assumed = |task| (Task::name(task), acquires(task).then(|| store.assumed_floor(task.name())));
        let Some((mut resources, valid_until)) = self.cache.assume(tasks.iter().map(assumed)) else {
            return Ok(None);
        };
        let mut committed = match self.execute(tasks, Lookup::OnDemand, now) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::debug!(%error, "batch needs locks");
                self.cache.failed();
                return Ok(None);
            }
        };
        // Only a row that is inserted shows that there was none.
        let not_created = self.cache.not_created();
        if !not_created.is_empty() {
            resources.retain(|(name, _)| !not_created.contains(name));
            self.leave_out(&not_created, tasks, &mut committed);
        }
        let written = since_boot();
        let writes = self.cache.writes();
        let must_mark =
            self.store.confirms_reads() && committed.outcomes.iter().any(TaskOutcome::acknowledges);
        let batch = OptimisticBatch {
            decided_at: now,
            valid_until,
            resources: &resources,
            writes: &writes,
            events: &committed.events,
            must_mark,
        };
        let marks = must_mark || !writes.is_empty();
        let applied = match self.store.commit_optimistic(&batch) {
            Err(StoreError::CommitOutcomeUnknown) => self.resolve_optimistic(now, marks)?,
            Err(error @ StoreError::KeyExists) => {
                self.cache.failed();
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(%error, "batch needs locks");
                None
            }
            Ok(applied) => applied,
        };
        let Some(applied) = applied else {
            self.cache.failed();
            self.metrics.batch_retried();
            return Ok(None);
        };
        let omitted = applied.omitted.iter().filter_map(|index| Some(Name::clone(&resources.get(*index)?.0)));
        let omitted: HashSet<Name> = omitted.collect();
        if !omitted.is_empty() {
            self.leave_out(&omitted, tasks, &mut committed);
        }
        committed.now = applied.clock;
        self.finish(&mut committed, applied.number, started, written);
        Ok(Some(committed))
    }

    /// Finds out whether a batch whose reply was lost was applied. `marks` is whether it had
    /// anything to write; otherwise it has no effects, and can run again.
    fn resolve_optimistic(&mut self, now: Micros, marks: bool) -> Result<Option<Applied>, StoreError> {
        tracing::error!("reply lost; checking whether the batch was applied");
        self.database_failed();
        self.cache.failed();
        if self.reconnect().is_err() {
            return Err(StoreError::CommitOutcomeUnknown);
        }
        if !marks {
            return Ok(None);
        }
        self.store.resolve_optimistic(now).map_err(|_| StoreError::CommitOutcomeUnknown)
    }

    /// Drops what was decided on these resources.
    fn leave_out(&mut self, names: &HashSet<Name>, tasks: &[Task], committed: &mut Committed) {
        self.cache.leave_out(names);
        committed.events.retain(|(name, _)| !names.contains(name));
        committed.inherited.retain(|(index, _)| !names.contains(tasks[*index].name()));
        for (task, outcome) in tasks.iter().zip(&mut committed.outcomes) {
            if names.contains(task.name()) {
                *outcome = TaskOutcome::Stale;
            }
        }
    }
}

/// Whether it must not be decided by an estimate of the clock: a sweep would find that what
/// is due is not due yet, and may delete the resource; a check or a request to let go would accept
/// the token of a lease that has just expired.
fn needs_locks(task: &Task) -> bool {
    use Op::{Check, RequestRelease, Sweep};
    let decided_late = |op: &Op| matches!(op, Sweep { .. } | Check { .. } | RequestRelease { .. });
    match task {
        Task::Continue(_) => true,
        Task::Execute(Execute { op, .. }) => decided_late(op),
        _ => false,
    }
}

/// Whether the resource may be new.
fn acquires(task: &Task) -> bool {
    matches!(task, Task::Execute(Execute { op: Op::Acquire { .. }, .. }))
}
