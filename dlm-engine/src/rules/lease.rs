//! Operations on a lease: renew, release, force-release, and the request to let go.

use std::sync::Arc;

use crate::resource::EventDetails;
use crate::{
    Claim, ClaimKey, Context, Effects, EndReason, EventKind, Lease, Need, Phase, Refusal, Reply, Resource,
};

impl Resource {
    /// Starts a new term. A renewal never moves the expiry to an earlier
    /// instant, because the holder may rely on the one it knows.
    pub(crate) fn renew(
        &mut self,
        key: &ClaimKey,
        token: u64,
        ttl_ms: Option<u64>,
        ctx: &Context<'_>,
    ) -> Result<Result<Reply, Refusal>, Need> {
        let Some(claim) = self.lease_of(key, token) else {
            return self.end_reason(key, token).map(|reason| Err(Refusal::Ended(reason)));
        };
        let Some(lease) = claim.lease() else { return Ok(Err(Refusal::Ended(None))) };
        let ttl_ms = ttl_ms.unwrap_or(lease.ttl_ms);
        let expires_at = lease.expires_at.max(self.now.plus_ms(ttl_ms));
        #[cfg(test)]
        let expires_at = match self.fault {
            Some(crate::fault::Fault::RenewalShortensTerm) => self.now.plus_ms(ttl_ms),
            _ => expires_at,
        };
        let lease = Lease { term_at: self.now, ttl_ms, expires_at, ..lease.clone() };
        let renewed =
            self.put(Some(&claim), Claim { phase: Phase::Live(lease), ..Claim::clone(&claim) }, ctx);
        Ok(Ok(Reply::Lease(renewed)))
    }

    /// Ends the lease on behalf of its holder. Releasing it again succeeds.
    pub(crate) fn release(
        &mut self,
        key: &ClaimKey,
        token: u64,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Need> {
        if let Some(claim) = self.lease_of(key, token) {
            self.release_lease(&claim, ctx, effects);
            return Ok(Ok(Reply::Released(token)));
        }
        Ok(match self.end_reason(key, token)? {
            Some(EndReason::Released) => Ok(Reply::Released(token)),
            reason => Err(Refusal::Ended(reason)),
        })
    }

    /// Ends the lease with this token on behalf of an operator. The token
    /// counter is incremented, so that a fence raised to it rejects the old
    /// holder.
    pub(crate) fn force_release(
        &mut self,
        token: u64,
        reason: &Arc<str>,
        by: Option<&Arc<str>>,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<Result<Reply, Refusal>, Need> {
        let Some(claim) = self.holders.get(&token).cloned() else {
            return Ok(match self.require_force_released(token)? {
                Some(claim) => Ok(Reply::ForceReleased(claim)),
                None => Err(Refusal::HolderChanged(self.snapshot(ctx))),
            });
        };
        self.token += 1;
        let ended = self.put(Some(&claim), self.ended(&claim, EndReason::ForceReleased), ctx);
        let details =
            EventDetails { reason: Some(Arc::clone(reason)), by: by.cloned(), ..EventDetails::default() };
        self.emit(EventKind::ForceReleased, &ended, details, ctx, effects);
        Ok(Ok(Reply::ForceReleased(ended)))
    }

    /// Decides whether the holder of the lease with this token can be asked to let go of it, and
    /// until when. The request is kept outside of the resource. At its deadline it can be enforced
    /// by [`Self::force_release`], which ends this lease or none.
    pub(crate) fn request_release(
        &self,
        token: u64,
        within_ms: u64,
        ctx: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        if !self.holders.contains_key(&token) {
            return Err(Refusal::HolderChanged(self.snapshot(ctx)));
        }
        Ok(Reply::ReleaseRequested { requested_at: self.now, deadline: self.now.plus_ms(within_ms) })
    }

    pub(crate) fn release_lease(
        &mut self,
        claim: &Claim,
        ctx: &Context<'_>,
        effects: &mut Effects,
    ) -> Arc<Claim> {
        let ended = self.put(Some(claim), self.ended(claim, EndReason::Released), ctx);
        self.emit(EventKind::Released, &ended, EventDetails::default(), ctx, effects);
        ended
    }

    /// The live lease with this token, if it belongs to this key.
    fn lease_of(&self, key: &ClaimKey, token: u64) -> Option<Arc<Claim>> {
        #[cfg(test)]
        if self.fault == Some(crate::fault::Fault::TokenSuffices) {
            return self.holders.get(&token).cloned();
        }
        self.holders.get(&token).filter(|claim| claim.key == *key).cloned()
    }

    /// How the lease with this token ended; `None` if its tombstone is gone.
    fn end_reason(&self, key: &ClaimKey, token: u64) -> Result<Option<EndReason>, Need> {
        let claim = self.require_claim(key)?;
        Ok(claim.and_then(|claim| match &claim.phase {
            Phase::Ended(tombstone) if claim.lease().is_some_and(|lease| lease.token == token) => {
                Some(tombstone.reason)
            }
            _ => None,
        }))
    }
}
