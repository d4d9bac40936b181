//! What happens when a transaction fails: retry, reconnect, or fail its tasks.

use std::time::Duration;

use backoff::ExponentialBackoff;
use dlm_engine::Micros;

use super::batch::Task;
use super::claim_lookup::Lookup;
use super::job::{Leave, OperationError};
use super::replies::Outgoing;
use super::thread::WriterState;
use crate::store::{LockWait, NOT_AVAILABLE, StoreError};

/// Most attempts of a batch that other replicas keep from committing.
const MAX_ATTEMPTS: usize = 10;
/// How long a writer tries to reconnect before it fails the operations that
/// wait for it.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 2000 });
/// The first pause between two attempts to reconnect; it grows.
const RECONNECT_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

impl WriterState {
    /// Runs a batch to its end: all of its tasks receive a reply, are parked or
    /// are deferred.
    pub(super) fn run(&mut self, mut tasks: Vec<Task>, lock_wait: LockWait) {
        if tasks.is_empty() {
            return;
        }
        self.progress.begin_step();
        let mut lookup = Lookup::OnDemand;
        if lock_wait == LockWait::Skip {
            match self.attempt_optimistic(&tasks) {
                Ok(Some(committed)) => {
                    tasks = self.deliver(tasks, committed);
                    if tasks.is_empty() {
                        return;
                    }
                    self.progress.begin_step();
                }
                // It may have taken long to find out.
                Ok(None) => self.progress.begin_step(),
                Err(StoreError::KeyExists) => lookup = Lookup::First,
                Err(error) => {
                    tracing::error!(%error, operations = tasks.len(), "batch failed");
                    return self.fail(tasks, &OperationError::Unavailable(error.for_callers()));
                }
            }
        }
        let mut reconnected = false;
        let mut why = NOT_AVAILABLE;
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(&tasks, lookup, lock_wait) {
                Ok(committed) => {
                    self.deliver(tasks, committed);
                    return;
                }
                // A key in the batch was used before, or another replica was
                // faster with a new name. The next attempt looks all keys up first.
                Err(StoreError::KeyExists) => {}
                Err(StoreError::NotCommitted(reason)) => why = reason,
                // The connection may have died since it was last used. Nothing
                // was committed.
                Err(StoreError::Unavailable(why)) if !reconnected => {
                    tracing::warn!(why, "database connection failed");
                    reconnected = true;
                    if let Err(error) = self.reconnect() {
                        return self.fail(tasks, &OperationError::Unavailable(error.for_callers()));
                    }
                }
                Err(
                    error @ (StoreError::Unavailable(_)
                    | StoreError::Locked(_)
                    | StoreError::CommitOutcomeUnknown),
                ) => {
                    tracing::error!(%error, operations = tasks.len(), "batch failed");
                    return self.fail(tasks, &OperationError::Unavailable(error.for_callers()));
                }
                // What is in memory is not what is stored. No reply can be trusted.
                Err(StoreError::ForeignWriter) => return self.foreign_writer(),
                Err(error) => {
                    tracing::warn!(%error, operations = tasks.len(), "batch rejected; retrying its operations one by one");
                    self.metrics.batch_retried();
                    return self.run_one_by_one(tasks);
                }
            }
            self.metrics.batch_retried();
            lookup = Lookup::First;
        }
        tracing::error!(
            operations = tasks.len(),
            attempts = MAX_ATTEMPTS,
            "batch failed after too many retries"
        );
        self.fail(tasks, &OperationError::Unavailable(why));
    }

    /// The database rejected the data of an operation. Only that one fails.
    fn run_one_by_one(&mut self, tasks: Vec<Task>) {
        for task in tasks {
            self.progress.begin_step();
            let mut batch = Vec::new();
            self.add(task, &mut batch);
            let task = batch;
            if task.is_empty() {
                // It waits behind an earlier task on its resource.
                continue;
            }
            let attempt = |state: &mut Self| state.attempt(&task, Lookup::First, LockWait::Wait);
            let mut result = attempt(self);
            for _ in 1..MAX_ATTEMPTS {
                // Another replica was faster with a new name.
                if !matches!(result, Err(StoreError::KeyExists | StoreError::NotCommitted(_))) {
                    break;
                }
                result = attempt(self);
            }
            match result {
                Ok(committed) => {
                    self.deliver(task, committed);
                }
                Err(StoreError::ForeignWriter) => return self.foreign_writer(),
                Err(error) => {
                    tracing::error!(%error, "operation failed");
                    let why = error.for_callers();
                    let error = match error {
                        StoreError::Unavailable(_)
                        | StoreError::Locked(_)
                        | StoreError::CommitOutcomeUnknown
                        | StoreError::NotCommitted(_)
                        | StoreError::KeyExists => OperationError::Unavailable(why),
                        StoreError::Rejected(_) | StoreError::Corrupt(_) | StoreError::ForeignWriter => {
                            OperationError::Internal
                        }
                    };
                    self.fail(task, &error);
                }
            }
        }
    }

    /// Another server serves the same database: stop, without a reply. The end of
    /// the writer ends the server.
    fn foreign_writer(&mut self) {
        tracing::error!("another server has written to the database; this server stops");
        self.cache.clear();
        self.must_stop = true;
    }

    fn fail(&mut self, tasks: Vec<Task>, error: &OperationError) {
        if matches!(error, OperationError::Unavailable(_)) {
            self.database_failed();
        }
        let mut outgoing = Outgoing::default();
        for task in tasks {
            match task {
                Task::Execute(execute) => execute.reply(Err(error.clone()), Micros::MAX, &mut outgoing),
                Task::Leave(leave) => {
                    if let Some((_, parked)) = self.parked.take_request(&leave) {
                        parked.caller.reply(Err(error.clone()), parked.first_now, &mut outgoing);
                    }
                    let leave = Leave { request: None, ..leave };
                    match error {
                        OperationError::Internal => self.recovery.repeat_rejected(leave),
                        _ => self.recovery.repeat(leave),
                    }
                }
                // The recovery re-evaluates parked claims, and has the sweeper go on with
                // a resource.
                Task::Recheck { .. } | Task::Continue(_) => {}
            }
        }
    }

    /// Reconnects to the database. Clears the cache, which may no longer match
    /// what is stored.
    pub(super) fn reconnect(&mut self) -> Result<(), StoreError> {
        self.cache.clear();
        let policy = ExponentialBackoff {
            initial_interval: RECONNECT_PAUSE,
            max_elapsed_time: Some(RECONNECT_TIMEOUT),
            ..ExponentialBackoff::default()
        };
        let store = &mut self.store;
        backoff::retry(policy, || store.reconnect().map_err(backoff::Error::transient)).map_err(|error| {
            let (backoff::Error::Permanent(error) | backoff::Error::Transient { err: error, .. }) = error;
            tracing::error!(%error, "reconnect failed");
            error
        })
    }
}
