//! Time and turn: what is overdue ends, and who can be granted is.

use std::sync::Arc;

use crate::resource::EventDetails;
use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, EventKind, Lease, Micros, Mode, Need, Phase, QueueEntry,
    Refusal, Reply, Request, Resource, WaitOutcome, Wake,
};

impl Resource {
    /// Ends the leases whose term ran out. Tells whether there were any.
    pub(crate) fn expire_due(&mut self, ctx: &Context<'_>, effects: &mut Effects) -> bool {
        if self.now < self.next_expiry {
            return false;
        }
        let due: Vec<Arc<Claim>> = self
            .holders
            .values()
            .filter(|claim| claim.lease().is_some_and(|lease| !lease.is_live(self.now)))
            .cloned()
            .collect();
        for claim in &due {
            self.expire(claim, ctx, effects);
        }
        self.next_expiry = self
            .holders
            .values()
            .filter_map(|claim| Some(claim.lease()?.expires_at))
            .min()
            .unwrap_or(Micros::MAX);
        !due.is_empty()
    }

    fn expire(&mut self, claim: &Arc<Claim>, ctx: &Context<'_>, effects: &mut Effects) {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::RenewalRevives) {
            return;
        }
        self.token += 1;
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::NoBumpOnExpiry) {
            self.token -= 1;
        }
        let ended = self.put(Some(claim), self.ended(claim, EndReason::Expired), ctx);
        self.emit(EventKind::Expired, &ended, EventDetails::default(), ctx, effects);
    }

    /// Grants the waiters whose turn it is: the first that is not away and,
    /// when it is shared, the shared ones right behind it.
    ///
    /// It may be interrupted by a need and called again: each grant leaves the
    /// state as if it had been the last.
    pub(crate) fn promote(&mut self, ctx: &Context<'_>, effects: &mut Effects) -> Result<(), Need> {
        while self.queue.len() > 0 && self.exclusive_holder().is_none() {
            let Some(claim) = self.first_present(ctx, effects)? else { return Ok(()) };
            if claim.mode() == Mode::Exclusive && !self.holders.is_empty() {
                return Ok(());
            }
            let Some(request) = &claim.request else { return Ok(()) };
            let granted = self.grant(Some(&claim), &claim.key, request, ctx, effects);
            effects.wakes.push(Wake {
                key: claim.key.clone(),
                parked_at: claim.parked_at(),
                outcome: WaitOutcome::Granted(granted),
            });
        }
        Ok(())
    }

    /// The first waiter that is not away. Those before it whose time has come
    /// lose their place.
    fn first_present(
        &mut self,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Option<Arc<Claim>>, Need> {
        loop {
            let found = self.in_turn().find_map(|claim| {
                let entry = claim.queue_entry()?;
                let overdue = entry.due_at(ctx) <= self.now;
                (overdue || self.is_present(entry, ctx)).then(|| (Arc::clone(claim), overdue))
            });
            match found {
                Some((claim, true)) => self.end_overdue_waiter(&claim, ctx, effects),
                Some((claim, false)) => return Ok(Some(claim)),
                None if self.queue.is_complete() => return Ok(None),
                None => return Err(Need::Waiters { after: self.queue.horizon() }),
            }
        }
    }

    /// Whether a parked waiter stands in the queue.
    pub(crate) fn anyone_waits(&self, ctx: &Context<'_>) -> Result<bool, Need> {
        let parked =
            |claim: &Arc<Claim>| claim.queue_entry().is_some_and(|entry| self.is_present(entry, ctx));
        if self.queue.front().any(parked) {
            return Ok(true);
        }
        if self.queue.is_complete() { Ok(false) } else { Err(Need::Waiters { after: self.queue.horizon() }) }
    }

    #[cfg(not(test))]
    fn in_turn(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.queue.front()
    }

    #[cfg(test)]
    fn in_turn(&self) -> Box<dyn Iterator<Item = &Arc<Claim>> + '_> {
        if self.fault == Some(crate::fault::Fault::LastInFirstOut) {
            let waiters: Vec<_> = self.queue.front().collect();
            return Box::new(waiters.into_iter().rev());
        }
        Box::new(self.queue.front())
    }

    fn is_present(&self, entry: &QueueEntry, ctx: &Context<'_>) -> bool {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::AwayIsGranted) {
            return true;
        }
        entry.away_since(ctx).is_none()
    }

    /// Begins a lease for a claim that waited (`before`), or for a new one.
    pub(crate) fn grant(
        &mut self,
        before: Option<&Claim>,
        key: &ClaimKey,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Arc<Claim> {
        let entry = before.and_then(|claim| claim.queue_entry());
        let ticket = entry.map(|entry| entry.ticket);
        let details =
            EventDetails { ticket, waited_since: entry.map(|entry| entry.enqueued_at), reason: None };
        self.token += 1;
        let lease = Lease {
            token: self.token,
            granted_at: self.now,
            term_at: self.now,
            ttl_ms: request.ttl_ms,
            expires_at: self.now.plus_ms(request.ttl_ms),
            ticket,
        };
        let live = Claim { key: key.clone(), request: Some(Arc::clone(request)), phase: Phase::Live(lease) };
        let granted = self.put(before, live, ctx);
        self.emit(EventKind::Granted, &granted, details, ctx, effects);
        granted
    }

    /// Ends a waiter whose wait ran out or that was away too long.
    pub(crate) fn end_overdue_waiter(&mut self, claim: &Claim, ctx: &Context<'_>, effects: &mut Effects) {
        let timed_out = claim.queue_entry().is_some_and(|entry| entry.deadline <= self.now);
        self.end_waiter(claim, if timed_out { EndReason::TimedOut } else { EndReason::Away }, ctx, effects);
    }

    /// Takes a waiter out of the queue and tells it.
    pub(crate) fn end_waiter(
        &mut self,
        claim: &Claim,
        reason: EndReason,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Arc<Claim> {
        let ticket = claim.queue_entry().map(|entry| entry.ticket);
        let ended = self.put(Some(claim), self.ended(claim, reason), ctx);
        let (kind, detail) = match reason {
            EndReason::TimedOut => (EventKind::WaitTimedOut, None),
            EndReason::Away => (EventKind::Cancelled, Some(Arc::from("away"))),
            _ => (EventKind::Cancelled, None),
        };
        self.emit(
            kind,
            &ended,
            EventDetails { ticket, reason: detail, ..EventDetails::default() },
            ctx,
            effects,
        );
        let told = match reason {
            EndReason::TimedOut => Refusal::TimedOut(self.snapshot(ctx)),
            reason => Refusal::Ended(Some(reason)),
        };
        effects.wakes.push(Wake {
            key: ended.key.clone(),
            parked_at: claim.parked_at(),
            outcome: WaitOutcome::Ended(told),
        });
        ended
    }

    /// Ends what is overdue. Leases have ended before this is reached.
    pub(crate) fn sweep(
        &mut self,
        waiters: &[ClaimKey],
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Need> {
        for key in waiters {
            // A claim that ended in this call is found ended when a need makes
            // the sweep start again.
            let Some(claim) = self.look_up(key)? else { continue };
            let Some(entry) = claim.queue_entry() else { continue };
            if entry.due_at(ctx) <= self.now {
                self.end_overdue_waiter(&claim, ctx, effects);
            } else {
                // The sweeper came too early: its row says when to come again.
                self.put(Some(&claim), Claim::clone(&claim), ctx);
            }
        }
        self.checked(ctx);
        Ok(Reply::Swept)
    }
}
