//! What happens to a resource: claims are placed, events recorded, and the
//! rows that changed are told.

use std::sync::Arc;

use super::{Floor, Resource, ResourceRecord, Slot};
use crate::{Claim, ClaimKey, Context, Effects, Event, EventKind, Lease, Micros, Phase};

/// What happens to the row of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// Nothing.
    Keep,
    /// It is written, whether it was there or not.
    Write {
        /// The row.
        row: ResourceRecord,
        /// The key of the exclusive holder, if there is one.
        holder: Option<ClaimKey>,
    },
    /// It is deleted, and the floor of names like it raised.
    Delete(Floor),
}

/// One claim's row.
#[derive(Debug, Clone)]
pub struct ClaimChange {
    /// The claim as it stands.
    pub claim: Arc<Claim>,
    /// Whether its row must not be there yet.
    pub insert: bool,
    /// Whether its stored row is that of a live lease.
    pub was_live: bool,
    /// When the sweeper looks at it next.
    pub check_at: Option<Micros>,
}

/// What an event says besides what its claim says.
#[derive(Debug, Default)]
pub(crate) struct EventDetails {
    /// The place in the queue that began or ended.
    pub(crate) ticket: Option<u64>,
    /// Since when it waited.
    pub(crate) waited_since: Option<Micros>,
    pub(crate) reason: Option<Arc<str>>,
}

impl Resource {
    /// What happened to its row since [`Self::committed`].
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

    /// The rows of its claims that changed since [`Self::committed`], in no
    /// order.
    pub fn claim_changes(&self) -> impl Iterator<Item = &ClaimChange> {
        self.changed.values()
    }

    /// The changes are stored: they are changes no more. Tells whether the
    /// resource is still to be remembered.
    pub fn committed(&mut self) -> bool {
        self.row_changed = false;
        self.changed.clear();
        self.lookups.clear();
        self.force_released.clear();
        !self.deleted
    }

    /// Puts a claim where its phase says, out of where `before` was, and notes
    /// its row. `before` is `None` for one that is not stored yet.
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
        let (insert, was_live) = match self.changed.get(&after.key) {
            Some(change) => (change.insert, change.was_live),
            None => (before.is_none(), before.is_some_and(|claim| matches!(claim.phase, Phase::Live(_)))),
        };
        let change =
            ClaimChange { check_at: after.check_at(ctx), claim: Arc::clone(&after), insert, was_live };
        self.changed.insert(after.key.clone(), change);
        after
    }

    /// Something happened that everyone may know: the version grows, the row
    /// changes, the log is told.
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
        });
    }

    /// The row is to be written, and the sweeper to come in time.
    pub(crate) fn touch(&mut self, ctx: &Context<'_>) {
        self.row_changed = true;
        self.deleted = false;
        self.touched_at = self.now;
        let due = self.next_expiry.min(self.now.plus_ms(ctx.limits.idle_retention_ms));
        self.check_at = self.check_at.min(due);
    }

    /// The sweeper was here: it comes back when the next thing is due.
    pub(crate) fn checked(&mut self, ctx: &Context<'_>) {
        if self.now < self.check_at {
            return;
        }
        let idle_at = self.touched_at.plus_ms(ctx.limits.idle_retention_ms);
        if self.is_idle() && self.now >= idle_at {
            self.deleted = true;
            return;
        }
        self.row_changed = true;
        self.check_at = match self.holders.values().filter_map(|claim| Some(claim.lease()?.expires_at)).min()
        {
            Some(first) => first,
            // Its waiters are followed by themselves.
            None if self.queue.len() > 0 => self.now.plus_ms(ctx.limits.idle_retention_ms),
            None => idle_at,
        };
    }
}
