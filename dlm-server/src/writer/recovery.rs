//! What a failure of the database leaves to do once it works again.
//!
//! A commit of unknown outcome may have granted or ended waits whose requests are
//! parked here, and nobody else wakes them. So after any failure the writer
//! re-evaluates everything that is parked at it, a part per batch. Leaves that failed
//! are repeated, else a waiter whose caller is gone would be granted the lock.

use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};

use super::batch::Task;
use super::job::Leave;
use super::thread::WriterState;
use crate::clock::since_boot;
use crate::store::Name;

/// How long to wait for a job before the database is tried without one.
const RETRY: Duration = Duration::from_millis(200);
/// How long a leave is left out after the database rejected it.
const REJECTED_PAUSE: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 10 });
/// Most claims re-evaluated in one batch, since operations wait for them.
const MAX_RECHECKS: usize = 256;

/// What remains of a failure.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// Whether the database has not worked since the last failure.
    failing: bool,
    /// Whether all parked claims have to be re-evaluated.
    recheck_all: bool,
    /// Parked claims that have to be re-evaluated.
    rechecks: Vec<(Name, ClaimKey)>,
    /// Leaves that failed, and when to repeat them.
    leaves: Vec<(Duration, Leave)>,
}

impl Recovery {
    /// How long to wait for the next job.
    pub(super) fn patience(&self) -> Duration {
        let rechecks = self.recheck_all || !self.rechecks.is_empty();
        if rechecks && !self.failing {
            Duration::ZERO
        } else if rechecks || !self.leaves.is_empty() {
            RETRY
        } else {
            Duration::MAX
        }
    }

    /// Whether nothing is left to do, aside from leaves.
    pub(super) fn is_done(&self) -> bool {
        !self.failing && !self.recheck_all && self.rechecks.is_empty()
    }

    /// Takes all leaves, also those that are not due.
    pub(super) fn take_leaves(&mut self) -> impl Iterator<Item = Leave> + use<> {
        std::mem::take(&mut self.leaves).into_iter().map(|(_, leave)| leave)
    }

    /// Repeats a leave as soon as the database works.
    pub(super) fn repeat(&mut self, leave: Leave) {
        self.leaves.push((Duration::ZERO, leave));
    }

    /// Repeats a leave that the database rejected, later: its batch has to be executed
    /// one by one.
    pub(super) fn repeat_rejected(&mut self, leave: Leave) {
        self.leaves.push((since_boot() + REJECTED_PAUSE, leave));
    }

    /// Takes the leaves that are due.
    pub(super) fn due_leaves(&mut self) -> impl Iterator<Item = Leave> + use<> {
        let now = since_boot();
        let (due, later) = std::mem::take(&mut self.leaves).into_iter().partition(|(at, _)| *at <= now);
        self.leaves = later;
        Vec::into_iter(due).map(|(_, leave)| leave)
    }
}

impl WriterState {
    /// A transaction failed, or its outcome was unclear.
    pub(super) fn database_failed(&mut self) {
        self.recovery.failing = true;
        self.recovery.recheck_all = true;
    }

    /// A transaction has committed.
    pub(super) fn database_works(&mut self) {
        if std::mem::take(&mut self.recovery.failing) {
            // What the failed transactions set or left unfinished was never scheduled.
            self.next_check.schedule(Micros(0));
        }
    }

    /// The next part of the parked claims that have to be re-evaluated.
    pub(super) fn recovery_rechecks(&mut self) -> Vec<Task> {
        if std::mem::take(&mut self.recovery.recheck_all) {
            let all = self.parked.all().into_iter();
            self.recovery.rechecks = all.filter(|(name, _)| self.joining.serves(self.number, name)).collect();
        }
        let rechecks = &mut self.recovery.rechecks;
        let part = rechecks.split_off(rechecks.len().saturating_sub(MAX_RECHECKS));
        part.into_iter().filter_map(|(name, key)| self.recheck(name, key)).collect()
    }

    /// Re-evaluates a claim, if it is parked.
    pub(super) fn recheck(&self, name: Name, key: ClaimKey) -> Option<Task> {
        let request = self.parked.request_of(&name, &key)?;
        Some(Task::Recheck { name, key, request })
    }
}
