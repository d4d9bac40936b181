//! Results of the engine, reduced to values that the model computes as well.

use super::simulation::ExecutedOp;
use crate::{
    CancelOutcome, Claim, ClaimKey, EndReason, EventKind, Mode, Phase, Refusal, Reply, Snapshot, WaitOutcome,
};

/// A reply or a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ComparableReply {
    Lease {
        token: u64,
        expires_at: i64,
        ttl_ms: u64,
    },
    Queued,
    Left,
    Cancelled(CancelOutcome),
    Released(u64),
    ForceReleased {
        token: u64,
        counter: u64,
    },
    Checked(Option<Mode>, u64),
    /// Until when.
    ReleaseRequested(i64),
    Swept,
    Held(Vec<u64>, u64),
    TimedOut(Vec<u64>, u64),
    Ended(Option<EndReason>),
    KeyReused,
    HolderChanged(Vec<u64>),
}

/// An event: kind, token, token counter, version, ticket, queue length.
pub(super) type ComparableEvent = (EventKind, Option<u64>, u64, u64, Option<u64>, u64);

fn lease_of(claim: &Claim) -> ComparableReply {
    let lease = claim.lease().expect("the claim has a lease");
    ComparableReply::Lease { token: lease.token, expires_at: lease.expires_at.0, ttl_ms: lease.ttl_ms }
}

fn tokens(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.holders.iter().filter_map(|claim| Some(claim.lease()?.token)).collect()
}

fn refusal_of(refusal: &Refusal) -> ComparableReply {
    match refusal {
        Refusal::Held(snapshot) => ComparableReply::Held(tokens(snapshot), snapshot.queue_len),
        Refusal::TimedOut(snapshot) => ComparableReply::TimedOut(tokens(snapshot), snapshot.queue_len),
        Refusal::Ended(reason) => ComparableReply::Ended(*reason),
        Refusal::KeyReused => ComparableReply::KeyReused,
        Refusal::HolderChanged(snapshot) => ComparableReply::HolderChanged(tokens(snapshot)),
    }
}

pub(super) fn reply_of(result: &Result<Reply, Refusal>) -> ComparableReply {
    match result {
        Ok(Reply::Lease(claim)) => lease_of(claim),
        Ok(Reply::Queued) => ComparableReply::Queued,
        Ok(Reply::Left) => ComparableReply::Left,
        Ok(Reply::Cancelled(outcome)) => ComparableReply::Cancelled(*outcome),
        Ok(Reply::Released(token)) => ComparableReply::Released(*token),
        Ok(Reply::ForceReleased(claim)) => match &claim.phase {
            Phase::Ended(tombstone) => {
                let token = claim.lease().expect("the claim has a lease").token;
                ComparableReply::ForceReleased { token, counter: tombstone.current_token }
            }
            phase => panic!("a force-released claim is in phase {phase:?}"),
        },
        Ok(Reply::Checked { live, current_token }) => ComparableReply::Checked(*live, *current_token),
        Ok(Reply::ReleaseRequested { deadline, .. }) => ComparableReply::ReleaseRequested(deadline.0),
        Ok(Reply::Swept) => ComparableReply::Swept,
        Err(refusal) => refusal_of(refusal),
    }
}

pub(super) fn events_of(executed: &ExecutedOp) -> Vec<ComparableEvent> {
    let comparable = |event: &crate::Event| {
        (event.kind, event.token, event.current_token, event.version, event.ticket, event.queue_len)
    };
    executed.events.iter().map(comparable).collect()
}

pub(super) fn wakes_of(executed: &ExecutedOp) -> Vec<(ClaimKey, ComparableReply)> {
    let wakes = executed.wakes.iter().map(|wake| match &wake.outcome {
        WaitOutcome::Granted(claim) => (wake.key.clone(), lease_of(claim)),
        WaitOutcome::Ended(refusal) => (wake.key.clone(), refusal_of(refusal)),
    });
    wakes.collect()
}
