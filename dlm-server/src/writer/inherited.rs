//! Claims of the anonymous principal, which callers inherit once authentication is on.
//!
//! A claim from before has a key of the anonymous principal, which nobody can be any more.
//! So a key that its principal has not used on a resource stands for the claim that the
//! anonymous principal has with it there, if there is one. This is decided when the
//! operation is executed, with the resource locked. A request that is parked stays at the
//! claim that was decided on.

use std::sync::Arc;

use dlm_engine::{ClaimKey, Op};

use super::batch::Task;
use super::job::{Execute, Leave};
use super::open_requests::OpenRequests;
use super::thread::WriterState;
use crate::store::StoreError;

/// The key of the anonymous principal that a principal's key may stand for; `None` if it
/// is one itself.
pub(super) fn anonymous_key(key: &ClaimKey) -> Option<ClaimKey> {
    (!key.principal.is_empty()).then(|| ClaimKey::new("", Arc::clone(&key.key)))
}

/// The idempotency key by which a task names its claim.
pub(super) fn named_key(task: &Task) -> Option<&ClaimKey> {
    match task {
        Task::Execute(Execute { op: Op::Acquire { key, .. } | Op::Cancel { key }, .. })
        | Task::Leave(Leave { key, .. }) => Some(key),
        // A lease id says which claim it is of, and so does a request that is parked.
        Task::Execute(_) | Task::Recheck { .. } | Task::Continue(_) => None,
    }
}

/// The operation on another claim.
pub(super) fn on_claim(op: &Op, key: &ClaimKey) -> Op {
    let key = key.clone();
    match op {
        Op::Acquire { request, .. } => Op::Acquire { key, request: Arc::clone(request) },
        Op::Cancel { .. } => Op::Cancel { key },
        other => other.clone(),
    }
}

impl Task {
    /// Makes a later step act on another claim.
    pub(super) fn inherit(&mut self, key: &ClaimKey) {
        if let Self::Execute(execute) = self {
            execute.op = on_claim(&execute.op, key);
        }
    }
}

impl WriterState {
    /// The claim of the anonymous principal that a task acts on; `None` if it acts on one
    /// of its own principal. The task is the first of `rest`, what is left of the batch.
    pub(super) fn inherited(
        &mut self,
        rest: &[Task],
        looked_up: &mut bool,
        open_requests: &OpenRequests,
    ) -> Result<Option<ClaimKey>, StoreError> {
        let Some(task) = rest.first() else { return Ok(None) };
        let Some(own) = named_key(task) else { return Ok(None) };
        let Some(anonymous) = anonymous_key(own) else { return Ok(None) };
        let name = task.name();
        if let Task::Leave(Leave { request: Some(request), .. }) = task {
            if open_requests.contains(&self.parked, name, own, *request) {
                return Ok(None);
            }
            if open_requests.contains(&self.parked, name, &anonymous, *request) {
                return Ok(Some(anonymous));
            }
        }
        // Most keys are new, and are then looked up only here.
        let known = self.cache.resource(name).and_then(|resource| resource.has_claim(own));
        if known == Some(true) || !self.has_claim(name, &anonymous, rest, looked_up)? {
            return Ok(None);
        }
        let own_exists = self.has_claim(name, own, rest, looked_up)?;
        Ok((!own_exists).then_some(anonymous))
    }
}
