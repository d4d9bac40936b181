//! Changes of a resource: moving claims between phases, emitting events, and
//! collecting the row changes.

use std::sync::Arc;

use super::{Floor, Resource, ResourceRecord, Slot};
use crate::{Claim, ClaimKey, Context, Effects, Event, EventKind, Lease, Micros, Phase};

/// The change of a resource's row since the last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// The row is unchanged.
    Keep,
    /// The row is inserted or updated.
    Write {
        /// The new row.
        row: ResourceRecord,
        /// The key of the exclusive holder, if there is one.
        holder: Option<ClaimKey>,
    },
    /// The row is deleted, and the floor of its hash bucket is raised to at
    /// least this one.
    Delete(Floor),
}

/// The change of a claim's row since the last commit.
#[derive(Debug, Clone)]
pub struct ClaimChange {
    /// The claim in its current state.
    pub claim: Arc<Claim>,
    /// Whether the row is inserted. A row with this key must not exist yet.
    pub insert: bool,
    /// Whether the stored row is that of a live lease.
    pub was_live: bool,
    /// Whether the stored row is that of a waiter.
    pub was_waiting: bool,
    /// When the sweeper has to check the claim; `None` unless it is waiting.
    pub check_at: Option<Micros>,
}

/// The parts of an event that do not follow from its claim.
#[derive(Debug, Default)]
pub(crate) struct EventDetails {
    /// The ticket of the wait that started or ended.
    pub(crate) ticket: Option<u64>,
    /// When the wait started that this grant ended.
    pub(crate) waited_since: Option<Micros>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) by: Option<Arc<str>>,
}

/// The caller is expected to go on with an unfinished resource at once. If it
/// has not after this time, because it crashed, the sweeper does.
pub(crate) const CONTINUE_WITHIN_MS: u64 = 200;

impl Resource {
    /// The change of the row since the last [`Self::committed`].
    #[must_use]
    pub fn row_change(&self) -> RowChange {
        if self.deleted {
            RowChange::Delete(Floor { token: self.token, version: self.version })
        } else if self.row_changed {
            RowChange::Write {
                row: self.to_record(),
                holder: self.exclusive_holder().map(|claim| claim.key.clone()),
            }
        } else {
            RowChange::Keep
        }
    }

    /// The claims that changed since the last [`Self::committed`], in no
    /// particular order.
    pub fn claim_changes(&self) -> impl Iterator<Item = &ClaimChange> {
        self.changed.values()
    }

    /// Marks all changes as committed. Returns `false` if the row was deleted;
    /// the caller then drops the resource from memory.
    pub fn committed(&mut self) -> bool {
        self.row_changed = false;
        self.changed.clear();
        self.lookups.clear();
        self.force_released.clear();
        self.promotion_due = false;
        self.transitions = 0;
        !self.deleted
    }

    /// Replaces a claim by its next state: updates holders and queue, and
    /// records the row change. `before` is `None` for a claim that is not
    /// stored yet.
    pub(crate) fn put(&mut self, before: Option<&Claim>, after: Claim, ctx: &Context<'_>) -> Arc<Claim> {
        let after = Arc::new(after);
        match (before.map(|claim| &claim.phase), &after.phase) {
            (Some(Phase::Live(_)), Phase::Live(lease)) => {
                self.holders.insert(lease.token, Arc::clone(&after));
            }
            (Some(Phase::Live(lease)), _) => {
                self.holders.remove(&lease.token);
                self.slots.remove(&after.key);
            }
            (Some(Phase::Waiting(_)), Phase::Waiting(entry)) => self.queue.replace(entry.ticket, &after),
            (Some(Phase::Waiting(entry)), _) => {
                self.queue.remove(entry.ticket);
                self.slots.remove(&after.key);
            }
            (None, Phase::Waiting(entry)) => {
                if self.queue.push(entry.ticket, Arc::clone(&after)) {
                    self.slots.insert(after.key.clone(), Slot::Waiter(entry.ticket));
                }
            }
            (Some(Phase::Ended(_)) | None, _) => {}
        }
        if let Phase::Live(lease) = &after.phase
            && !matches!(before.map(|claim| &claim.phase), Some(Phase::Live(_)))
        {
            self.next_expiry = self.next_expiry.min(lease.expires_at);
            self.holders.insert(lease.token, Arc::clone(&after));
            self.slots.insert(after.key.clone(), Slot::Holder(lease.token));
        }
        let phase = before.map(|claim| &claim.phase);
        let (insert, was_live, was_waiting) = match self.changed.get(&after.key) {
            Some(change) => (change.insert, change.was_live, change.was_waiting),
            None => (
                phase.is_none(),
                matches!(phase, Some(Phase::Live(_))),
                matches!(phase, Some(Phase::Waiting(_))),
            ),
        };
        let (check_at, claim) = (after.check_at(ctx), Arc::clone(&after));
        let change = ClaimChange { claim, insert, was_live, was_waiting, check_at };
        self.changed.insert(after.key.clone(), change);
        after
    }

    /// Emits an event. This increments the version and marks the row as
    /// changed.
    pub(crate) fn emit(
        &mut self,
        kind: EventKind,
        claim: &Claim,
        details: EventDetails,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) {
        self.touch(ctx);
        self.version += 1;
        let lease: Option<&Lease> = claim.lease();
        let granted = lease.filter(|_| kind == EventKind::Granted);
        effects.events.push(Event {
            kind,
            mode: claim.mode(),
            token: lease.map(|lease| lease.token),
            current_token: self.token,
            version: self.version,
            owner: claim.request.as_ref().map_or_else(|| Arc::from(""), |request| Arc::clone(&request.owner)),
            ticket: details.ticket,
            waited_ms: details
                .waited_since
                .map(|since| self.now.0.saturating_sub(since.0).max(0) as u64 / 1000),
            ttl_ms: granted.map(|lease| lease.ttl_ms),
            expires_at: granted.map(|lease| lease.expires_at),
            queue_len: self.queue.len(),
            at: self.now,
            reason: details.reason,
            principal: granted.map(|_| Arc::clone(&claim.key.principal)),
            by: details.by,
        });
    }

    /// Marks the row as changed, and makes sure that the sweeper checks it in
    /// time.
    pub(crate) fn touch(&mut self, ctx: &Context<'_>) {
        self.row_changed = true;
        self.deleted = false;
        self.touched_at = self.now;
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::CheckTooLate) && self.check_at < Micros::MAX {
            return;
        }
        let due = self.next_expiry.min(self.now.plus_ms(ctx.limits.idle_retention_ms));
        self.check_at = self.check_at.min(due);
    }

    /// Whether the limit of transitions has been reached since the last commit.
    pub(crate) fn limit_reached(&self, ctx: &Context<'_>) -> bool {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::UnlimitedTransitions) {
            return false;
        }
        self.transitions >= ctx.limits.max_transitions
    }

    /// Work is left for after the next commit. A sweep has to do it if nobody
    /// else does.
    pub(crate) fn mark_unfinished(&mut self) {
        self.unfinished = true;
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::UnfinishedWorkForgotten) {
            self.unfinished = false;
            return;
        }
        self.row_changed = true;
        if self.check_at <= self.now {
            // Whatever was due by now is part of the work that is left.
            let live = |lease: &&Lease| lease.is_live(self.now);
            let leases = self.holders.values().filter_map(|claim| claim.lease()).filter(live);
            self.check_at = leases.map(|lease| lease.expires_at).min().unwrap_or(Micros::MAX);
        }
        self.check_at = self.check_at.min(self.now.plus_ms(CONTINUE_WITHIN_MS));
    }

    /// Runs at the end of a sweep: deletes the resource if it has been idle for
    /// the retention time, else schedules the next check.
    pub(crate) fn reschedule_check(&mut self, ctx: &Context<'_>) {
        if self.now < self.check_at {
            return;
        }
        let idle_at = self.touched_at.plus_ms(ctx.limits.idle_retention_ms);
        if self.is_idle() && self.now >= idle_at {
            #[cfg(test)]
            if self.fault == Some(crate::fault::Fault::IdleResourceKept) {
                return;
            }
            self.deleted = true;
            return;
        }
        self.row_changed = true;
        self.check_at = match self.first_expiry() {
            Some(first) => first,
            // Waiters have check instants of their own.
            None if self.queue.len() > 0 => self.now.plus_ms(ctx.limits.idle_retention_ms),
            None => idle_at,
        };
    }
}
