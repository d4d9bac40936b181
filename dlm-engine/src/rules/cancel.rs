//! Cancel: give up an acquire, whether it has not arrived yet, waits, is
//! granted or has ended.

use std::sync::Arc;

use crate::{
    CancelOutcome, Claim, ClaimKey, Context, Effects, EndReason, Need, Phase, Reply, Resource, Tombstone,
};

impl Resource {
    pub(crate) fn cancel(
        &mut self,
        key: &ClaimKey,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, Need> {
        let Some(claim) = self.require_claim(key)? else {
            // The acquire may arrive later. The tombstone makes sure that it is
            // refused.
            let phase = Phase::Ended(Tombstone {
                ended_at: self.now,
                reason: EndReason::Cancelled,
                lease: None,
                current_token: self.token,
                cancel: Some(CancelOutcome::None),
            });
            self.put(None, Claim { key: key.clone(), request: None, phase }, ctx);
            return Ok(Reply::Cancelled(CancelOutcome::None));
        };
        let (ended, outcome) = match &claim.phase {
            Phase::Waiting(_) => {
                (self.end_waiter(&claim, EndReason::Cancelled, ctx, effects), CancelOutcome::Cancelled)
            }
            Phase::Live(_) => (self.release_lease(&claim, ctx, effects), CancelOutcome::Released),
            Phase::Ended(Tombstone { cancel: Some(outcome), .. }) => return Ok(Reply::Cancelled(*outcome)),
            Phase::Ended(_) => (Arc::clone(&claim), CancelOutcome::None),
        };
        if let Phase::Ended(tombstone) = &ended.phase {
            let phase = Phase::Ended(Tombstone { cancel: Some(outcome), ..tombstone.clone() });
            self.put(Some(&ended), Claim { phase, ..Claim::clone(&ended) }, ctx);
        }
        Ok(Reply::Cancelled(outcome))
    }
}
