//! Leave: the caller of a waiter disconnected.

use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, KnowsKey, Need, Phase, Presence, QueueEntry, Reply,
    Resource,
};

impl Resource {
    /// Marks the waiter as away, unless its caller has retried at another
    /// replica. If the caller knows the key and can retry, the waiter keeps its
    /// place for the away grace; otherwise it loses it at once, and a lease that
    /// was granted meanwhile is released.
    pub(crate) fn leave(
        &mut self,
        key: &ClaimKey,
        knows_key: KnowsKey,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Need> {
        let Some(claim) = self.require_claim(key)? else { return Ok(Reply::Left) };
        let Some(entry) = claim.queue_entry() else {
            if knows_key == KnowsKey::No && matches!(claim.phase, Phase::Live(_)) {
                self.release_lease(&claim, ctx, effects);
            }
            return Ok(Reply::Left);
        };
        let parked = entry.presence == Presence::Parked(ctx.replicas.local());
        let away = matches!(entry.presence, Presence::Away(_));
        let (stays, ends) = match knows_key {
            KnowsKey::Yes => (parked, false),
            KnowsKey::No => (false, parked || away),
            KnowsKey::Unsure => (false, away),
        };
        if stays {
            let entry = QueueEntry { presence: Presence::Away(self.now), ..entry.clone() };
            self.put(Some(&claim), Claim { phase: Phase::Waiting(entry), ..Claim::clone(&claim) }, ctx);
        } else if ends {
            self.end_waiter(&claim, EndReason::Away, ctx, effects);
        }
        Ok(Reply::Left)
    }
}
