//! Expiry: overdue leases and waiters end.

use std::sync::Arc;

use crate::resource::EventDetails;
use crate::{
    Blocked, Claim, ClaimKey, Context, Effects, EndReason, EventKind, Micros, Refusal, Reply, Resource,
    WaitOutcome, Wake,
};

impl Resource {
    /// Ends leases that have expired, in the order of their tokens. Returns
    /// whether it ended all of them before the limit of transitions.
    pub(crate) fn expire_leases(&mut self, ctx: &Context<'_>, effects: &mut Effects) -> bool {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::ExpiredLeaseStaysLive) {
            return true;
        }
        if self.now < self.next_expiry {
            return true;
        }
        let expired: Vec<Arc<Claim>> = self
            .holders
            .values()
            .filter(|claim| claim.lease().is_some_and(|lease| !lease.is_live(self.now)))
            .cloned()
            .collect();
        for claim in &expired {
            if self.limit_reached(ctx) {
                return false;
            }
            self.transitions += 1;
            self.promotion_due = true;
            self.expire_lease(claim, ctx, effects);
        }
        self.next_expiry = self.first_expiry().unwrap_or(Micros::MAX);
        true
    }

    fn expire_lease(&mut self, claim: &Claim, ctx: &Context<'_>, effects: &mut Effects) {
        self.token += 1;
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::NoIncrementOnExpiry) {
            self.token -= 1;
        }
        let ended = self.put(Some(claim), self.ended(claim, EndReason::Expired), ctx);
        self.emit(EventKind::Expired, &ended, EventDetails::default(), ctx, effects);
    }

    /// Ends a waiter that is past its deadline or its away grace.
    pub(crate) fn end_overdue_waiter(&mut self, claim: &Claim, ctx: &Context<'_>, effects: &mut Effects) {
        let timed_out = claim.queue_entry().is_some_and(|entry| entry.deadline <= self.now);
        self.end_waiter(claim, if timed_out { EndReason::TimedOut } else { EndReason::Away }, ctx, effects);
    }

    /// Removes a waiter from the queue without a grant, and wakes it.
    pub(crate) fn end_waiter(
        &mut self,
        claim: &Claim,
        reason: EndReason,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Arc<Claim> {
        let ticket = claim.queue_entry().map(|entry| entry.ticket);
        let ended = self.put(Some(claim), self.ended(claim, reason), ctx);
        let (kind, event_reason) = match reason {
            EndReason::TimedOut => (EventKind::WaitTimedOut, None),
            EndReason::Away => (EventKind::Cancelled, Some(Arc::from("away"))),
            _ => (EventKind::Cancelled, None),
        };
        let details = EventDetails { ticket, reason: event_reason, ..EventDetails::default() };
        self.emit(kind, &ended, details, ctx, effects);
        let refusal = match reason {
            EndReason::TimedOut => Refusal::TimedOut(self.snapshot(ctx)),
            reason => Refusal::Ended(Some(reason)),
        };
        effects.wakes.push(Wake {
            key: ended.key.clone(),
            parked_at: claim.parked_at(),
            outcome: WaitOutcome::Ended(refusal),
        });
        ended
    }

    /// Ends those of the given waiters that are overdue, and deletes the
    /// resource if it has been idle for long enough. Every operation ends
    /// expired leases before it runs.
    ///
    /// At the limit of transitions it is blocked, and continues where it
    /// stopped when it is executed again.
    pub(crate) fn sweep(
        &mut self,
        waiters: &[ClaimKey],
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Blocked> {
        for key in waiters {
            // A `Need` restarts the sweep. Waiters that it ended before are
            // skipped, because their claims have ended.
            let Some(claim) = self.require_claim(key)? else { continue };
            let Some(entry) = claim.queue_entry() else { continue };
            if entry.due_at(ctx) > self.now {
                // The sweep came too early. Writing the claim again stores its
                // new check instant. It is no transition: a sweep that is
                // executed again would write it again.
                self.put(Some(&claim), Claim::clone(&claim), ctx);
                continue;
            }
            if self.limit_reached(ctx) {
                return Err(Blocked::LimitReached);
            }
            #[cfg(test)]
            if self.fault == Some(crate::fault::Fault::OverdueWaiterSkipped) {
                continue;
            }
            self.transitions += 1;
            self.end_overdue_waiter(&claim, ctx, effects);
        }
        self.reschedule_check(ctx);
        Ok(Reply::Swept)
    }
}
