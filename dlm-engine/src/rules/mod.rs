//! The lock rules. Every operation runs between an expiry and a promotion.

mod acquire;
mod cancel;
mod expire;
mod lease;
mod leave;
mod promote;

use crate::{Blocked, Claim, Context, Effects, EndReason, Op, Phase, Refusal, Reply, Resource, Tombstone};

impl Resource {
    /// Executes one operation.
    ///
    /// Leases that have expired by `ctx.now` end first, so the operation never
    /// sees them as live. Afterwards waiters that can be granted are granted.
    /// Each grant adds a [`Wake`](crate::Wake) to `effects`, even if the waiter
    /// is the caller of this operation.
    ///
    /// [`Limits::max_transitions`](crate::Limits::max_transitions) bounds how
    /// many leases and waits end or are granted between two commits besides the
    /// operation's own. If it leaves work, [`Self::is_unfinished`] is true
    /// afterwards.
    ///
    /// # Errors
    ///
    /// The inner error is a [`Refusal`]: the operation was executed and
    /// refused.
    ///
    /// The outer error is a [`Blocked`]: the operation was not executed yet.
    /// After a [`Blocked::Need`], provide the data, then call again with the
    /// same operation and the same `effects`. Until then no other operation may
    /// be executed on this resource. After a [`Blocked::LimitReached`], commit
    /// the effects and changes so far, then call again.
    pub fn execute(
        &mut self,
        op: &Op,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Blocked> {
        self.now = self.now.max(ctx.now);
        self.unfinished = false;
        if self.pending.is_none() {
            if !self.expire_leases(ctx, effects) {
                self.mark_unfinished();
                // The sweeper has other resources to look at.
                let sweeps = matches!(op, Op::Sweep { .. });
                return if sweeps { Ok(Ok(Reply::Swept)) } else { Err(Blocked::LimitReached) };
            }
            // A replica that was declared dead may be alive again without any
            // operation on this resource. Its waiters come before a new
            // acquire.
            let acquires = matches!(op, Op::Acquire { .. });
            self.promotion_due |= acquires && self.holders.is_empty() && self.queue.len() > 0;
            // A waiter that gives up now must not be granted first.
            let gives_up = matches!(op, Op::Leave { .. } | Op::Cancel { .. });
            if self.promotion_due && !gives_up {
                self.promote(ctx, effects)?;
            }
            let applied = self.apply(op, ctx, effects);
            if matches!(applied, Err(Blocked::LimitReached)) {
                self.mark_unfinished();
            }
            self.pending = Some(applied?);
        }
        self.promote(ctx, effects)?;
        if self.promotion_due {
            self.mark_unfinished();
        }
        Ok(self.pending.take().expect("the result was set above"))
    }

    fn apply(
        &mut self,
        op: &Op,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Blocked> {
        Ok(match op {
            Op::Acquire { key, request } => self.acquire(key, request, ctx, effects)?,
            Op::Leave { key, knows_key } => Ok(self.leave(key, *knows_key, ctx, effects)?),
            Op::Cancel { key } => Ok(self.cancel(key, ctx, effects)?),
            Op::Renew { key, token, ttl_ms } => self.renew(key, *token, *ttl_ms, ctx)?,
            Op::Release { key, token } => self.release(key, *token, ctx, effects)?,
            Op::ForceRelease { token, reason, by } => {
                self.force_release(*token, reason, by.as_ref(), ctx, effects)?
            }
            Op::Check { token } => {
                let live = self.holders.get(token).map(|claim| claim.mode());
                Ok(Reply::Checked { live, current_token: self.token })
            }
            Op::RequestRelease { token, within_ms } => self.request_release(*token, *within_ms, ctx),
            Op::Sweep { waiters } => Ok(self.sweep(waiters, ctx, effects)?),
        })
    }

    /// The claim as ended now. The caller increments the token counter before,
    /// where the rules require it.
    fn ended(&self, claim: &Claim, reason: EndReason) -> Claim {
        let tombstone = Tombstone {
            ended_at: self.now,
            reason,
            lease: claim.lease().cloned(),
            current_token: self.token,
            cancel: None,
        };
        Claim { key: claim.key.clone(), request: claim.request.clone(), phase: Phase::Ended(tombstone) }
    }
}
