//! Taking the lock, joining the queue, coming back to it.

use std::sync::Arc;

use crate::resource::{EventDetails, Lookup};
use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, EventKind, KeyLookup, Mode, Need, Phase, Presence,
    QueueEntry, Refusal, Reply, Request, Resource,
};

impl Resource {
    pub(crate) fn acquire(
        &mut self,
        key: &ClaimKey,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Need> {
        let known = self.find(key);
        if let Lookup::Claim(claim) = known {
            return Ok(self.acquire_again(&claim, request, ctx, effects));
        }
        let joins = self.can_join(request.mode, ctx)?;
        let inserts = joins || request.wait_ms > 0;
        // A refusal inserts nothing, so the store could not object to the key.
        let must_ask = !inserts || ctx.key_lookup == KeyLookup::Required;
        if matches!(known, Lookup::Unknown) && must_ask {
            return Err(Need::Claim(key.clone()));
        }
        if joins {
            return Ok(Ok(Reply::Lease(self.grant(None, key, request, ctx, effects))));
        }
        if !inserts {
            return Ok(Err(Refusal::Held(self.snapshot(ctx))));
        }
        self.join_queue(key, request, ctx, effects);
        Ok(Ok(Reply::Queued))
    }

    /// Whether a new request may hold the lock now. A free lock has none but
    /// away waiters, or it would have been granted: it goes to whoever asks.
    fn can_join(&self, mode: Mode, ctx: &Context<'_>) -> Result<bool, Need> {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::SecondHolder) && self.holders.len() == 1 {
            return Ok(true);
        }
        if self.holders.is_empty() {
            return Ok(true);
        }
        if mode == Mode::Exclusive || self.exclusive_holder().is_some() {
            return Ok(false);
        }
        Ok(!self.anyone_waits(ctx)?)
    }

    fn join_queue(
        &mut self,
        key: &ClaimKey,
        request: &Arc<Request>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) {
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
        self.emit(
            EventKind::Queued,
            &queued,
            EventDetails { ticket: Some(ticket), ..EventDetails::default() },
            ctx,
            effects,
        );
    }

    /// One key, one grant: a repeat is told what became of the first.
    fn acquire_again(
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
            Phase::Ended(ended) if ended.cancel.is_some() => Err(Refusal::Ended(Some(EndReason::Cancelled))),
            Phase::Ended(ended) if ended.reason == EndReason::TimedOut => {
                Err(Refusal::TimedOut(self.snapshot(ctx)))
            }
            Phase::Ended(ended) => Err(Refusal::Ended(Some(ended.reason))),
        }
    }
}
