//! Acquire: a grant, a place in the queue, or the outcome of an earlier request
//! with the key.

use std::sync::Arc;

use crate::resource::{EventDetails, Lookup};
use crate::{
    Blocked, Claim, ClaimKey, Context, Effects, EndReason, EventKind, Mode, Need, Phase, Presence,
    QueueEntry, Refusal, Reply, Request, Resource,
};

impl Resource {
    pub(crate) fn acquire(
        &mut self,
        key: &ClaimKey,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Blocked> {
        let lookup = self.lookup(key);
        if let Lookup::Found(claim) = lookup {
            return Ok(self.retry_acquire(&claim, request, ctx, effects));
        }
        let blocked = self.promotion_comes_first();
        let grantable = !blocked && self.can_grant(request.mode, ctx)?;
        let inserts = !blocked && (grantable || request.wait_ms > 0);
        // A refusal inserts no row, so no unique index would catch a used key.
        if matches!(lookup, Lookup::NotLoaded) && !inserts {
            return Err(Need::Claim(key.clone()).into());
        }
        if blocked {
            return Err(Blocked::LimitReached);
        }
        if grantable {
            return Ok(Ok(Reply::Lease(self.grant(None, key, request, ctx, effects))));
        }
        if !inserts {
            return Ok(Err(Refusal::Held(self.snapshot(ctx))));
        }
        self.enqueue(key, request, ctx, effects);
        Ok(Ok(Reply::Queued))
    }

    /// Whether the lock is free and the limit of transitions has left waiters
    /// that must be granted before any new request.
    fn promotion_comes_first(&self) -> bool {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::OvertakesUnfinishedPromotion) {
            return false;
        }
        self.holders.is_empty() && self.promotion_due
    }

    /// Whether a new request can be granted at once. If the lock is free, all
    /// waiters are away, since a promotion has just run: the new request is
    /// granted ahead of them.
    fn can_grant(&self, mode: Mode, ctx: &Context<'_>) -> Result<bool, Need> {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::SecondExclusiveHolder) && self.holders.len() == 1 {
            return Ok(true);
        }
        if self.holders.is_empty() {
            return Ok(true);
        }
        if mode == Mode::Exclusive || self.exclusive_holder().is_some() {
            return Ok(false);
        }
        Ok(!self.has_present_waiter(ctx)?)
    }

    fn enqueue(&mut self, key: &ClaimKey, request: &Arc<Request>, ctx: &Context<'_>, effects: &mut Effects) {
        let entry = QueueEntry {
            ticket: self.version + 1,
            enqueued_at: self.now,
            deadline: self.now.plus_ms(request.wait_ms),
            presence: Presence::Parked(ctx.replicas.local()),
        };
        let ticket = entry.ticket;
        let claim =
            Claim { key: key.clone(), request: Some(Arc::clone(request)), phase: Phase::Waiting(entry) };
        let queued = self.put(None, claim, ctx);
        let details = EventDetails { ticket: Some(ticket), ..EventDetails::default() };
        self.emit(EventKind::Queued, &queued, details, ctx, effects);
    }

    /// An acquire whose key is known returns the state of the existing claim:
    /// one key never gets two grants.
    fn retry_acquire(
        &mut self,
        claim: &Arc<Claim>,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Refusal> {
        if claim.request.as_ref().is_some_and(|first| first != request) {
            return Err(Refusal::KeyReused);
        }
        match &claim.phase {
            Phase::Live(_) => Ok(Reply::Lease(Arc::clone(claim))),
            Phase::Waiting(entry) if entry.due_at(ctx) <= self.now => {
                self.end_overdue_waiter(claim, ctx, effects);
                Err(if entry.deadline <= self.now {
                    Refusal::TimedOut(self.snapshot(ctx))
                } else {
                    Refusal::Ended(Some(EndReason::Away))
                })
            }
            Phase::Waiting(entry) => {
                let here = Presence::Parked(ctx.replicas.local());
                if entry.presence != here {
                    let entry = QueueEntry { presence: here, ..entry.clone() };
                    let parked = Claim { phase: Phase::Waiting(entry), ..Claim::clone(claim) };
                    self.put(Some(claim), parked, ctx);
                }
                Ok(Reply::Queued)
            }
            Phase::Ended(tombstone) if tombstone.cancel.is_some() => {
                Err(Refusal::Ended(Some(EndReason::Cancelled)))
            }
            Phase::Ended(tombstone) if tombstone.reason == EndReason::TimedOut => {
                Err(Refusal::TimedOut(self.snapshot(ctx)))
            }
            Phase::Ended(tombstone) => Err(Refusal::Ended(Some(tombstone.reason))),
        }
    }
}
