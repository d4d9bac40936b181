//! The operations of the model.

use super::{MAX_TRANSITIONS, Model, ModelLease, ModelTombstone, ModelWaiter, Reply};
use crate::{CancelOutcome, ClaimKey, EndReason, EventKind, KnowsKey, Mode, Op, Request};

impl Model {
    /// `None` if the limit of transitions is reached before the operation's turn.
    pub(super) fn apply(&mut self, op: &Op) -> Option<Reply> {
        Some(match op {
            Op::Acquire { key, request } => return self.acquire(key, request),
            Op::Leave { key, knows_key } => {
                if let Some(index) = self.queue.iter().position(|w| w.key == *key && !w.orphan) {
                    match (knows_key, self.queue[index].away_since) {
                        (KnowsKey::Yes, None) => self.queue[index].away_since = Some(self.now),
                        (KnowsKey::Yes, Some(_)) | (KnowsKey::Unsure, None) => {}
                        _ => drop(self.end_waiter(index, EndReason::Away, None)),
                    }
                } else if *knows_key == KnowsKey::No
                    && let Some(index) = self.leases.iter().position(|lease| lease.key == *key)
                {
                    let lease = self.leases.remove(index);
                    self.end_lease(lease, EndReason::Released, None);
                }
                Reply::Left
            }
            Op::Cancel { key } => Reply::Cancelled(self.cancel(key)),
            Op::Renew { key, token, ttl_ms } => {
                match self.leases.iter_mut().find(|lease| lease.token == *token && lease.key == *key) {
                    Some(lease) => {
                        lease.ttl_ms = ttl_ms.unwrap_or(lease.ttl_ms);
                        lease.expires_at = lease.expires_at.max(self.now + lease.ttl_ms as i64 * 1000);
                        Reply::Lease { token: *token, expires_at: lease.expires_at, ttl_ms: lease.ttl_ms }
                    }
                    None => Reply::Ended(self.end_reason(key, *token)),
                }
            }
            Op::Release { key, token } => {
                match self.leases.iter().position(|lease| lease.token == *token && lease.key == *key) {
                    Some(index) => {
                        let lease = self.leases.remove(index);
                        self.end_lease(lease, EndReason::Released, None);
                        Reply::Released(*token)
                    }
                    None => match self.end_reason(key, *token) {
                        Some(EndReason::Released) => Reply::Released(*token),
                        reason => Reply::Ended(reason),
                    },
                }
            }
            Op::ForceRelease { token, .. } => self.force_release(*token),
            Op::Check { token } => {
                let live = self.leases.iter().find(|lease| lease.token == *token);
                Reply::Checked(live.map(|lease| lease.request.mode), self.token)
            }
            Op::RequestRelease { token, within_ms } => {
                if self.leases.iter().any(|lease| lease.token == *token) {
                    Reply::ReleaseRequested(self.now + *within_ms as i64 * 1000)
                } else {
                    Reply::HolderChanged(self.tokens())
                }
            }
            Op::Sweep { waiters } => {
                for key in waiters {
                    let Some(index) = self.queue.iter().position(|w| w.key == *key) else { continue };
                    if !self.due(&self.queue[index]) {
                        continue;
                    }
                    if self.transitions == MAX_TRANSITIONS {
                        return None;
                    }
                    self.transitions += 1;
                    self.end_overdue_waiter(index);
                }
                Reply::Swept
            }
        })
    }

    /// The reply to a retry of a known key; `None` for a new key.
    fn retry(&mut self, key: &ClaimKey, request: &Request) -> Option<Reply> {
        let lease = self.leases.iter().find(|lease| lease.key == *key);
        let waiter = self.queue.iter().find(|waiter| waiter.key == *key);
        let first = lease.map(|lease| &lease.request).or(waiter.map(|waiter| &waiter.request));
        let first = first.or(self.tombstone(key).and_then(|tombstone| tombstone.request.as_ref()));
        if first.is_some_and(|first| first != request) {
            return Some(Reply::KeyReused);
        }
        if let Some(lease) = lease {
            let ModelLease { token, expires_at, ttl_ms, .. } = *lease;
            return Some(Reply::Lease { token, expires_at, ttl_ms });
        }
        if let Some(index) = self.queue.iter().position(|waiter| waiter.key == *key) {
            if self.due(&self.queue[index]) {
                return Some(self.end_overdue_waiter(index));
            }
            self.queue[index].away_since = None;
            self.queue[index].orphan = false;
            return Some(Reply::Queued);
        }
        self.tombstone(key).map(|tombstone| match tombstone {
            ModelTombstone { cancel: Some(_), .. } => Reply::Ended(Some(EndReason::Cancelled)),
            ModelTombstone { reason: EndReason::TimedOut, .. } => self.timed_out(),
            ModelTombstone { reason, .. } => Reply::Ended(Some(*reason)),
        })
    }

    fn acquire(&mut self, key: &ClaimKey, request: &Request) -> Option<Reply> {
        if let Some(reply) = self.retry(key, request) {
            return Some(reply);
        }
        if self.leases.is_empty() && self.promotion_stopped {
            return None;
        }
        let shared = |lease: &ModelLease| lease.request.mode == Mode::Shared;
        let has_present_waiter = self.queue.iter().any(|waiter| waiter.away_since.is_none());
        let grantable = self.leases.is_empty()
            || (request.mode == Mode::Shared && self.leases.iter().all(shared) && !has_present_waiter);
        if grantable {
            return Some(self.grant(key.clone(), request.clone(), None));
        }
        if request.wait_ms == 0 {
            return Some(Reply::Held(self.tokens(), self.queue.len() as u64));
        }
        let ticket = self.version + 1;
        self.queue.push(ModelWaiter {
            key: key.clone(),
            request: request.clone(),
            ticket,
            deadline: self.now + request.wait_ms as i64 * 1000,
            away_since: None,
            orphan: false,
        });
        self.emit(EventKind::Queued, None, Some(ticket));
        Some(Reply::Queued)
    }

    fn cancel(&mut self, key: &ClaimKey) -> CancelOutcome {
        if let Some(index) = self.queue.iter().position(|waiter| waiter.key == *key) {
            self.end_waiter(index, EndReason::Cancelled, Some(CancelOutcome::Cancelled));
            return CancelOutcome::Cancelled;
        }
        if let Some(index) = self.leases.iter().position(|lease| lease.key == *key) {
            let lease = self.leases.remove(index);
            self.end_lease(lease, EndReason::Released, Some(CancelOutcome::Released));
            return CancelOutcome::Released;
        }
        if let Some(tombstone) = self.tombstones.iter_mut().find(|tombstone| tombstone.key == *key) {
            return *tombstone.cancel.get_or_insert(CancelOutcome::None);
        }
        let (key, counter, cancel) = (key.clone(), self.token, Some(CancelOutcome::None));
        self.tombstones.push(ModelTombstone {
            key,
            request: None,
            reason: EndReason::Cancelled,
            token: None,
            counter,
            cancel,
        });
        CancelOutcome::None
    }

    fn tombstone(&self, key: &ClaimKey) -> Option<&ModelTombstone> {
        self.tombstones.iter().find(|tombstone| tombstone.key == *key)
    }

    fn force_release(&mut self, token: u64) -> Reply {
        if let Some(index) = self.leases.iter().position(|lease| lease.token == token) {
            let lease = self.leases.remove(index);
            self.token += 1;
            self.end_lease(lease, EndReason::ForceReleased, None);
            return Reply::ForceReleased { token, counter: self.token };
        }
        let forced = |tombstone: &&ModelTombstone| {
            tombstone.token == Some(token) && tombstone.reason == EndReason::ForceReleased
        };
        match self.tombstones.iter().find(forced) {
            Some(tombstone) => Reply::ForceReleased { token, counter: tombstone.counter },
            None => Reply::HolderChanged(self.tokens()),
        }
    }

    fn end_reason(&self, key: &ClaimKey, token: u64) -> Option<EndReason> {
        self.tombstone(key)
            .filter(|tombstone| tombstone.token == Some(token))
            .map(|tombstone| tombstone.reason)
    }
}
