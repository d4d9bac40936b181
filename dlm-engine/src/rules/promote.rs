//! Promotion: waiters that can hold the lock are granted, in FIFO order.

use std::sync::Arc;

use crate::resource::EventDetails;
use crate::{
    Claim, ClaimKey, Context, Effects, EventKind, Lease, Mode, Need, Phase, QueueEntry, Request, Resource,
    WaitOutcome, Wake,
};

impl Resource {
    /// Grants the first waiter that is not away and, if it is shared, the
    /// shared waiters right behind it. Overdue waiters ahead of them end.
    ///
    /// It stops at the limit of transitions, and then `promotion_due` remains
    /// set. A [`Need`] may interrupt it between two grants. The state is
    /// consistent after every grant, so it can simply be called again.
    pub(crate) fn promote(&mut self, ctx: &Context<'_>, effects: &mut Effects) -> Result<(), Need> {
        self.promotion_due = true;
        // Waiters before this ticket are away: they stay so while this runs.
        let mut from = 0;
        while self.queue.len() > 0 && self.exclusive_holder().is_none() {
            let Some((claim, overdue)) = self.next_waiter(from, ctx)? else { break };
            if !overdue && claim.mode() == Mode::Exclusive && !self.holders.is_empty() {
                break;
            }
            if self.limit_reached(ctx) {
                return Ok(());
            }
            self.transitions += 1;
            from = claim.queue_entry().map_or(0, |entry| entry.ticket);
            if overdue {
                self.end_overdue_waiter(&claim, ctx, effects);
                continue;
            }
            let Some(request) = &claim.request else { break };
            let granted = self.grant(Some(&claim), &claim.key, request, ctx, effects);
            effects.wakes.push(Wake {
                key: claim.key.clone(),
                parked_at: claim.parked_at(),
                outcome: WaitOutcome::Granted(granted),
            });
        }
        self.promotion_due = false;
        Ok(())
    }

    /// The first waiter from this ticket on that is overdue or not away, and
    /// whether it is overdue.
    fn next_waiter(&self, from: u64, ctx: &Context<'_>) -> Result<Option<(Arc<Claim>, bool)>, Need> {
        let next = self.waiters_in_grant_order(from).find_map(|claim| {
            let entry = claim.queue_entry()?;
            let overdue = entry.due_at(ctx) <= self.now;
            (overdue || self.is_present(entry, ctx)).then(|| (Arc::clone(claim), overdue))
        });
        match next {
            None if !self.queue.is_complete() => Err(Need::Waiters { after: self.queue.horizon() }),
            next => Ok(next),
        }
    }

    /// Whether the queue has a waiter that is not away.
    pub(crate) fn has_present_waiter(&self, ctx: &Context<'_>) -> Result<bool, Need> {
        let is_present =
            |claim: &Arc<Claim>| claim.queue_entry().is_some_and(|entry| self.is_present(entry, ctx));
        if self.queue.front().any(is_present) {
            return Ok(true);
        }
        if self.queue.is_complete() { Ok(false) } else { Err(Need::Waiters { after: self.queue.horizon() }) }
    }

    #[cfg(not(test))]
    fn waiters_in_grant_order(&self, from: u64) -> impl Iterator<Item = &Arc<Claim>> {
        self.queue.front_from(from)
    }

    #[cfg(test)]
    fn waiters_in_grant_order(&self, from: u64) -> Box<dyn Iterator<Item = &Arc<Claim>> + '_> {
        if self.fault == Some(crate::fault::Fault::LastInFirstOut) {
            let waiters: Vec<_> = self.queue.front().collect();
            return Box::new(waiters.into_iter().rev());
        }
        Box::new(self.queue.front_from(from))
    }

    fn is_present(&self, entry: &QueueEntry, ctx: &Context<'_>) -> bool {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::AwayWaiterGranted) {
            return true;
        }
        entry.away_since(ctx).is_none()
    }

    /// Grants a lease, to a waiter (`waiter`) or to a new claim.
    pub(crate) fn grant(
        &mut self,
        waiter: Option<&Claim>,
        key: &ClaimKey,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Arc<Claim> {
        let entry = waiter.and_then(|claim| claim.queue_entry());
        let ticket = entry.map(|entry| entry.ticket);
        let details = EventDetails {
            ticket,
            waited_since: entry.map(|entry| entry.enqueued_at),
            ..EventDetails::default()
        };
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
        let granted = self.put(waiter, live, ctx);
        self.emit(EventKind::Granted, &granted, details, ctx, effects);
        granted
    }
}
