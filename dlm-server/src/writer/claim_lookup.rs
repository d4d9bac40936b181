//! Which claims a batch loads ahead, in one statement.
//!
//! All resources of the batch are locked meanwhile, so a statement for each claim would
//! keep everyone else waiting. Most acquires have new keys, which are not looked up at
//! all.

use std::collections::HashSet;

use dlm_engine::{ClaimKey, Op, Phase};

use super::batch::Task;
use super::cache::Cache;
use super::inherited::{anonymous_key, named_key};
use super::job::{Admission, Execute};
use super::thread::WriterState;
use crate::store::{NOT_AVAILABLE, Name, StoreError};

/// When a batch looks claims up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Once the engine needs a claim. Keys of new claims are assumed to be new.
    OnDemand,
    /// Before it executes anything: a key that was assumed to be new was not.
    First,
}

impl WriterState {
    /// Loads what is known to be needed before anything is executed. `may_inherit` is
    /// whether there may be claims of the anonymous principal.
    pub(super) fn look_up_known(
        &mut self,
        tasks: &[Task],
        lookup: Lookup,
        may_inherit: bool,
    ) -> Result<(), StoreError> {
        // A parked claim exists, so it must not be assumed to be new.
        let is_known = |task: &&Task| lookup == Lookup::First || matches!(task, Task::Recheck { .. });
        let known = tasks.iter().filter(is_known).flat_map(concerns);
        if !may_inherit {
            return self.look_up(known);
        }
        let anonymous = |task| Some((Task::name(task), named_key(task).and_then(anonymous_key)?));
        let inherited: Vec<_> = tasks.iter().filter_map(anonymous).collect();
        self.look_up(known.chain(inherited.iter().map(|(name, key)| (*name, key))))
    }

    /// Loads what the rest of a batch will need, now that it needs one claim.
    pub(super) fn look_up_ahead(&mut self, tasks: &[Task]) -> Result<(), StoreError> {
        // Of the acquires, those are refused that do not wait for a lock in use, or whose
        // quota is used up. If any of this turns out to be wrong, the engine asks again.
        let is_needed = |(index, task): &(usize, &Task)| match task {
            Task::Execute(Execute { name, op: Op::Acquire { request, .. }, admission, .. }) => {
                *index == 0
                    || matches!(admission, Admission::IfKeyIsKnown)
                    || request.wait_ms == 0 && self.cache.is_in_use(name)
            }
            _ => true,
        };
        let needed: Vec<&Task> = tasks.iter().enumerate().filter(is_needed).map(|(_, task)| task).collect();
        self.look_up(needed.into_iter().flat_map(concerns))
    }

    fn look_up<'a>(
        &mut self,
        claims: impl Iterator<Item = (&'a Name, &'a ClaimKey)>,
    ) -> Result<(), StoreError> {
        let unknown = claims.filter(|(name, key)| is_unknown(&mut self.cache, name, key));
        let keys: Vec<_> = unknown.collect::<HashSet<_>>().into_iter().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let is_optimistic = self.cache.is_optimistic();
        for ((name, key), claim) in keys.iter().zip(self.store.claims(&keys)?) {
            // It waits behind those in memory, or is from after the state that is: only a row that is
            // locked tells which.
            if is_optimistic && claim.as_ref().is_some_and(|claim| !matches!(claim.phase, Phase::Ended(_))) {
                return Err(StoreError::NotCommitted(NOT_AVAILABLE));
            }
            if let Some(resource) = self.cache.resource(name) {
                resource.provide_claim(ClaimKey::clone(key), claim);
            }
        }
        Ok(())
    }
}

/// Whether the resource is locked, and the engine would have to ask for the claim.
fn is_unknown(cache: &mut Cache, name: &Name, key: &ClaimKey) -> bool {
    cache.is_locked(name) && cache.resource(name).is_some_and(|resource| !resource.knows_claim(key))
}

/// The claims that a task concerns, unless it inherits one.
fn concerns(task: &Task) -> impl Iterator<Item = (&Name, &ClaimKey)> {
    let (key, waiters): (_, &[ClaimKey]) = match task {
        Task::Execute(execute) => match &execute.op {
            Op::Acquire { key, .. }
            | Op::Leave { key, .. }
            | Op::Cancel { key }
            | Op::Renew { key, .. }
            | Op::Release { key, .. } => (Some(key), &[]),
            Op::Sweep { waiters } => (None, waiters),
            Op::ForceRelease { .. } | Op::RequestRelease { .. } | Op::Check { .. } => (None, &[]),
        },
        Task::Leave(leave) => (Some(&leave.key), &[]),
        Task::Recheck { key, .. } => (Some(key), &[]),
        Task::Continue(_) => (None, &[]),
    };
    key.into_iter().chain(waiters).map(|key| (task.name(), key))
}
