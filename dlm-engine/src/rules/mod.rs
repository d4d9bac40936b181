//! The rules: how an operation is executed.

mod acquire;
mod cancel;
mod lease;
mod leave;
mod settle;

use crate::{Claim, Context, Effects, EndReason, Need, Op, Phase, Refusal, Reply, Resource, Tombstone};

impl Resource {
    /// Executes one operation.
    ///
    /// Time is settled first: what expired by `ctx.now` has ended before the
    /// operation looks. Whoever can be granted afterwards is granted, and told
    /// by a wake in `effects`, also when it is the caller.
    ///
    /// # Errors
    ///
    /// With a [`Need`], something has to be loaded. Provide it and call again
    /// with the same operation and the same `effects`; until then no other
    /// operation may be executed on this resource.
    pub fn execute(
        &mut self,
        op: &Op,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Need> {
        self.now = self.now.max(ctx.now);
        if self.pending.is_none() {
            // A need may interrupt the promotion: it is not forgotten.
            self.unsettled |= self.expire_due(ctx, effects);
            // A waiter that was away may be back where nobody noticed: its replica
            // was missed for a moment. It goes before whoever asks now.
            let asks = matches!(op, Op::Acquire { .. });
            self.unsettled |= asks && self.holders.is_empty() && self.queue.len() > 0;
            // One who gives up now is not granted first.
            let gives_up = matches!(op, Op::Leave { .. } | Op::Cancel { .. });
            if self.unsettled && !gives_up {
                self.promote(ctx, effects)?;
                self.unsettled = false;
            }
            self.pending = Some(self.apply(op, ctx, effects)?);
        }
        self.promote(ctx, effects)?;
        self.unsettled = false;
        Ok(self.pending.take().expect("the answer was set above"))
    }

    fn apply(
        &mut self,
        op: &Op,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Need> {
        match op {
            Op::Acquire { key, request } => self.acquire(key, request, ctx, effects),
            Op::Leave { key, can_return } => self.leave(key, *can_return, ctx, effects).map(Ok),
            Op::Cancel { key } => self.cancel(key, ctx, effects).map(Ok),
            Op::Renew { key, token, ttl_ms } => self.renew(key, *token, *ttl_ms, ctx),
            Op::Release { key, token } => self.release(key, *token, ctx, effects),
            Op::ForceRelease { token, reason } => self.force_release(*token, reason, ctx, effects),
            Op::Check { token } => {
                let live = self.holders.get(token).map(|claim| claim.mode());
                Ok(Ok(Reply::Checked { live, current_token: self.token }))
            }
            Op::Sweep { waiters } => self.sweep(waiters, ctx, effects).map(Ok),
        }
    }

    /// What is left of a claim once it has ended now. A waiter's event and row
    /// need no more; a lease's token was bumped before, if it was to be.
    fn ended(&self, claim: &Claim, reason: EndReason) -> Claim {
        let ended = Tombstone {
            ended_at: self.now,
            reason,
            lease: claim.lease().cloned(),
            current_token: self.token,
            cancel: None,
        };
        Claim { key: claim.key.clone(), request: claim.request.clone(), phase: Phase::Ended(ended) }
    }
}
