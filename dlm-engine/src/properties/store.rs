//! The committed state of the simulated store.

use std::collections::BTreeMap;

use crate::{Claim, ClaimKey, Context, Floor, Micros, Mode, Phase, ResourceRecord};

/// The committed state.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreState {
    pub(super) row: Option<ResourceRecord>,
    pub(super) holder: Option<ClaimKey>,
    pub(super) floor: Floor,
    /// The claims with their check instants.
    pub(super) claims: BTreeMap<ClaimKey, (Claim, Option<Micros>)>,
    pub(super) committed_at: Micros,
}

impl StoreState {
    pub(super) fn live(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values().map(|(claim, _)| claim).filter(|claim| matches!(claim.phase, Phase::Live(_)))
    }

    /// The token counter, or its floor if the row was deleted.
    pub(super) fn token(&self) -> u64 {
        self.row.map_or(self.floor.token, |row| row.token)
    }

    /// Whether there is something to end or to grant at this time.
    pub(super) fn work_left(&self, ctx: &Context<'_>) -> bool {
        if self.live().any(|claim| claim.lease().is_some_and(|lease| !lease.is_live(ctx.now))) {
            return true;
        }
        let is_next = |claim: &&Claim| {
            let entry = claim.queue_entry();
            entry.is_some_and(|entry| entry.away_since(ctx).is_none() || entry.due_at(ctx) <= ctx.now)
        };
        let waiters = self.claims.values().map(|(claim, _)| claim).filter(is_next);
        let Some(next) = waiters.min_by_key(|claim| claim.queue_entry().map(|entry| entry.ticket)) else {
            return false;
        };
        let exclusive = self.live().any(|claim| claim.mode() == Mode::Exclusive);
        let overdue = next.queue_entry().is_some_and(|entry| entry.due_at(ctx) <= ctx.now);
        !exclusive && (overdue || next.mode() == Mode::Shared || self.live().next().is_none())
    }
}
