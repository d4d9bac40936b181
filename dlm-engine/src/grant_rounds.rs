//! In which order the waiters of a queue would be granted, if nobody else came or left.

use crate::{Claim, Context, Mode};

/// Says in which round each waiter of a queue would be granted if, in each round, all holders
/// let go at once: counted from 0, which is those who are next. `None` for waiters that would be
/// passed over, because they are away or overdue. `queue` has the waiters in FIFO order, from the
/// first one on.
///
/// An exclusive waiter has a round of its own; shared waiters that follow each other share one.
///
/// ```
/// use dlm_engine::{
///     Claim, ClaimKey, Context, Limits, Micros, Mode, Phase, Presence, QueueEntry, ReplicaId, Replicas, Request,
///     grant_rounds,
/// };
///
/// let limits = Limits { away_grace_ms: 10_000, idle_retention_ms: 0, holders_shown: 100, max_transitions: 256 };
/// let replicas = Replicas::single_node(ReplicaId(1), Micros(0));
/// let ctx = Context { now: Micros(0), replicas: &replicas, limits: &limits };
/// let waiter = |ticket, mode| {
///     let request = Request { mode, ttl_ms: 1000, wait_ms: 1000, owner: "".into(), metadata: "{}".into() };
///     let presence = Presence::Parked(ReplicaId(1));
///     let entry = QueueEntry { ticket, enqueued_at: Micros(0), deadline: Micros(1_000_000), presence };
///     let key = ClaimKey::new("", ticket.to_string());
///     Claim { key, request: Some(request.into()), phase: Phase::Waiting(entry) }
/// };
/// let queue = [waiter(1, Mode::Shared), waiter(2, Mode::Shared), waiter(3, Mode::Exclusive)];
/// assert_eq!(grant_rounds(&queue, &ctx), [Some(0), Some(0), Some(1)]);
/// ```
#[must_use]
pub fn grant_rounds<'a>(queue: impl IntoIterator<Item = &'a Claim>, ctx: &Context<'_>) -> Vec<Option<u64>> {
    // The round and the mode of the waiter before.
    let mut before: Option<(u64, Mode)> = None;
    let round = |claim: &Claim| {
        let entry = claim.queue_entry()?;
        if entry.away_since(ctx).is_some() || entry.due_at(ctx) <= ctx.now {
            return None;
        }
        let round = match before {
            None => 0,
            Some((round, Mode::Shared)) if claim.mode() == Mode::Shared => round,
            Some((round, _)) => round + 1,
        };
        before = Some((round, claim.mode()));
        Some(round)
    };
    queue.into_iter().map(round).collect()
}
