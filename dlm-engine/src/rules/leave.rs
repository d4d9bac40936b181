//! A waiter whose caller is gone.

use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, Need, Phase, Presence, QueueEntry, Reply, Resource,
};

impl Resource {
    /// The waiter is passed over from now on. One that can return keeps its
    /// place for a while; one that can't loses it at once.
    pub(crate) fn leave(
        &mut self,
        key: &ClaimKey,
        can_return: bool,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Need> {
        let Some(claim) = self.look_up(key)? else { return Ok(Reply::Left) };
        let Some(entry) = claim.queue_entry() else { return Ok(Reply::Left) };
        if entry.presence != Presence::Parked(ctx.replicas.local()) {
            // It went on at another replica, or is away already.
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
