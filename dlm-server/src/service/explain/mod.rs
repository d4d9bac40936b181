//! Why a lock is not free: who holds it, who is next, and how long that may take.
//!
//! - `holds`: how long locks were held, from the event log
//! - `kept`: the last statistics of each lock

mod holds;
mod kept;

use dlm_engine::{Claim, Context, grant_rounds};
use dlm_protocol::limits::MAX_NEXT;
use dlm_protocol::{
    Blocker, EstimatedWait, Explanation, HoldStatistics, HoldStatisticsList, LockHolds, QueuedWaiter,
    ResourceName,
};

use super::access::{OnResource, View};
use super::operation::OwnerFilter;
use super::wait_graph::blocker;
use super::{Error, Outcome, Service, wire};
use crate::log::wire::damaged;
use crate::store::{Name, ResourceView, StoreError};

pub(super) use kept::KeptHolds;

/// How many waiters are looked at, and how many if one of an owner is looked for.
const WAITERS: usize = 1_000;
const WAITERS_OF_OWNER: usize = 20_000;

impl Service {
    pub(super) async fn explain(
        &self,
        on: &OnResource,
        view: View,
        owner: Option<OwnerFilter>,
    ) -> Result<Outcome, Error> {
        let waiters = if owner.is_some() { WAITERS_OF_OWNER } else { WAITERS };
        // The other reads wait for permits of their own.
        let (now, mut lock, _) = self.fresh(on.name(), waiters, &on.reads().permit().await?).await?;
        let (next, first) = {
            let replicas = self.0.membership.current();
            let queue = Queue::new(&lock, &self.context(now, &replicas));
            (queue.next()?, owner.map(|owner| queue.first_of(&owner)).transpose()?.flatten())
        };
        // They may take much memory, and the other reads may take long.
        lock.waiters = Vec::new();
        let waits_for = self.waits_of(view, lock.holders.clone()).await?;
        let hold = self.holds_of(on.reads(), vec![Name::clone(on.name())]).await?.pop().flatten();
        // Past holds do not tell how long a holder waits for another lock, in a deadlock forever.
        let usual = hold.as_ref().filter(|_| waits_for.iter().all(Option::is_none));
        let release_in_ms = usual.and_then(|hold| release_in_ms(&lock.holders, now.0, hold.p50_ms));
        let estimate = |rounds: u64| {
            let further = rounds.saturating_mul(usual?.p50_ms);
            Some(release_in_ms.unwrap_or(0).saturating_add(further))
        };
        let waiter = first
            .map(|(waiter, round)| EstimatedWait { waiter, estimated_wait_ms: round.and_then(estimate) });
        let holders = lock.holders.iter().zip(waits_for);
        Ok(Outcome::Explanation(Box::new(Explanation {
            at: wire::time(now),
            resource: on.resource().clone(),
            holders: holders
                .map(|(claim, waits_for)| {
                    let holder = blocker(claim, waits_for)?;
                    let checked_at = self.0.checks.of(on.name(), holder.fencing_token.get());
                    Ok(Blocker { checked_at: checked_at.map(wire::time), ..holder })
                })
                .collect::<Result<_, StoreError>>()?,
            holder_count: lock.row.holder_count,
            queue_len: lock.row.queue_len,
            next,
            estimated_release_in_ms: release_in_ms,
            waiter,
            hold,
        })))
    }

    /// How long these locks were held, as far as they are in sight.
    pub(super) async fn hold_statistics(
        &self,
        mut view: View,
        resources: Vec<ResourceName>,
    ) -> Result<Outcome, Error> {
        let visibility = view.visibility();
        let seen: Vec<_> = resources.into_iter().filter(|name| visibility.sees(name.as_str())).collect();
        let names = seen.iter().map(ResourceName::to_shared).collect();
        let reads = self.0.access.reads(&view);
        let holds = self.holds_of(reads, names).await?;
        let now = reads.permit().await?.read(|reader| reader.now()).await?;
        let locks = seen.into_iter().zip(holds).map(|(resource, hold)| LockHolds { resource, hold });
        Ok(Outcome::HoldStatistics(HoldStatisticsList { at: wire::time(now), locks: locks.collect() }))
    }
}

/// In how long the last of these holders may have let go, if each holds the lock this long.
fn release_in_ms(holders: &[Claim], now: i64, usual_ms: u64) -> Option<u64> {
    let held_ms = |claim: &Claim| {
        let held = now.saturating_sub(claim.lease()?.granted_at.0);
        Some(u64::try_from(held).unwrap_or(0) / 1000)
    };
    holders.iter().filter_map(held_ms).map(|held_ms| usual_ms.saturating_sub(held_ms)).max()
}

/// The first waiters of a lock, each with the round in which it would be granted.
struct Queue<'a> {
    waiters: &'a [Claim],
    rounds: Vec<Option<u64>>,
}

impl<'a> Queue<'a> {
    fn new(lock: &'a ResourceView, context: &Context<'_>) -> Self {
        Self { waiters: &lock.waiters, rounds: grant_rounds(&lock.waiters, context) }
    }

    /// Who would be granted if all holders let go now.
    fn next(&self) -> Result<Vec<QueuedWaiter>, StoreError> {
        let is_next = |(_, round): &(_, &Option<u64>)| **round == Some(0);
        let next = (1..).zip(self.waiters).zip(&self.rounds).filter(is_next);
        next.take(MAX_NEXT).map(|((position, claim), _)| waiter(claim, position)).collect()
    }

    /// The first waiter of an owner, and in which round it would be granted.
    fn first_of(&self, owner: &OwnerFilter) -> Result<Option<(QueuedWaiter, Option<u64>)>, StoreError> {
        let mut waiters = (1..).zip(self.waiters).zip(&self.rounds);
        let Some(((position, claim), round)) = waiters.find(|((_, claim), _)| owner.matches(claim)) else {
            return Ok(None);
        };
        Ok(Some((waiter(claim, position)?, *round)))
    }
}

fn waiter(claim: &Claim, position: u64) -> Result<QueuedWaiter, StoreError> {
    let entry = claim.queue_entry().ok_or_else(|| damaged("waiter"))?;
    Ok(QueuedWaiter {
        owner: wire::owner(claim)?,
        principal: wire::principal(claim),
        mode: wire::mode(claim.mode()),
        position,
        enqueued_at: wire::time(entry.enqueued_at),
    })
}

/// In wire terms, of what the log tells.
fn statistics(holds: &holds::Holds) -> Option<HoldStatistics> {
    let ended = holds.in_order();
    let since = ended.iter().map(|hold| hold.granted_at).min()?;
    let recent_ms: Vec<u64> = ended.iter().map(holds::Hold::ms).collect();
    let mut sorted = recent_ms.clone();
    sorted.sort_unstable();
    // The smallest value that this many percent do not exceed.
    let percentile = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
    Some(HoldStatistics {
        samples: u32::try_from(sorted.len()).unwrap_or(u32::MAX),
        p50_ms: percentile(50),
        p95_ms: percentile(95),
        max_ms: percentile(100),
        recent_ms,
        since: wire::time(dlm_engine::Micros(since)),
    })
}

#[cfg(test)]
mod tests;
