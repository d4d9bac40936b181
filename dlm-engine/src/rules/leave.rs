//! Leave: the caller of a waiter disconnected.

use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, Need, Phase, Presence, QueueEntry, Reply, Resource,
};

impl Resource {
    /// Marks the waiter as away. If its caller knows the key and can retry, the
    /// waiter keeps its place for the away grace; otherwise it loses it at
    /// once.
    pub(crate) fn leave(
        &mut self,
        key: &ClaimKey,
        can_return: bool,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Need> {
        let Some(claim) = self.require_claim(key)? else { return Ok(Reply::Left) };
        let Some(entry) = claim.queue_entry() else { return Ok(Reply::Left) };
        if entry.presence != Presence::Parked(ctx.replicas.local()) {
            // The caller retried at another replica, or the waiter is away
            // already.
            return Ok(Reply::Left);
        }
        if can_return {
            let entry = QueueEntry { presence: Presence::Away(self.now), ..entry.clone() };
            self.put(Some(&claim), Claim { phase: Phase::Waiting(entry), ..Claim::clone(&claim) }, ctx);
        } else {
            self.end_waiter(&claim, EndReason::Away, ctx, effects);
        }
        Ok(Reply::Left)
    }
}
