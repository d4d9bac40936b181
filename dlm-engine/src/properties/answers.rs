//! What engine and model say, in words that they share.

use super::disk::Done;
use crate::{
    CancelOutcome, Claim, ClaimKey, EndReason, EventKind, Mode, Phase, Refusal, Reply, Snapshot, WaitOutcome,
};

/// An answer, as far as it can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Lease { token: u64, expires_at: i64, ttl_ms: u64 },
    Queued,
    Left,
    Cancelled(CancelOutcome),
    Released(u64),
    ForceReleased { token: u64, counter: u64 },
    Checked(Option<Mode>, u64),
    Swept,
    Held(Vec<u64>, u64),
    TimedOut(Vec<u64>, u64),
    Ended(Option<EndReason>),
    KeyReused,
    HolderChanged(Vec<u64>),
}

/// An event: kind, token, counter, version, ticket, waiters.
pub(super) type Heard = (EventKind, Option<u64>, u64, u64, Option<u64>, u64);

fn lease(claim: &Claim) -> Said {
    let lease = claim.lease().expect("a lease");
    Said::Lease { token: lease.token, expires_at: lease.expires_at.0, ttl_ms: lease.ttl_ms }
}

fn tokens(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.holders.iter().filter_map(|claim| Some(claim.lease()?.token)).collect()
}

fn refused(refusal: &Refusal) -> Said {
    match refusal {
        Refusal::Held(snapshot) => Said::Held(tokens(snapshot), snapshot.queue_len),
        Refusal::TimedOut(snapshot) => Said::TimedOut(tokens(snapshot), snapshot.queue_len),
        Refusal::Ended(reason) => Said::Ended(*reason),
        Refusal::KeyReused => Said::KeyReused,
        Refusal::HolderChanged(snapshot) => Said::HolderChanged(tokens(snapshot)),
    }
}

pub(super) fn said(result: &Result<Reply, Refusal>) -> Said {
    match result {
        Ok(Reply::Lease(claim)) => lease(claim),
        Ok(Reply::Queued) => Said::Queued,
        Ok(Reply::Left) => Said::Left,
        Ok(Reply::Cancelled(outcome)) => Said::Cancelled(*outcome),
        Ok(Reply::Released(token)) => Said::Released(*token),
        Ok(Reply::ForceReleased(claim)) => match &claim.phase {
            Phase::Ended(ended) => {
                let token = claim.lease().expect("a lease").token;
                Said::ForceReleased { token, counter: ended.current_token }
            }
            phase => panic!("force-released, and {phase:?}"),
        },
        Ok(Reply::Checked { live, current_token }) => Said::Checked(*live, *current_token),
        Ok(Reply::Swept) => Said::Swept,
        Err(refusal) => refused(refusal),
    }
}

pub(super) fn heard(done: &Done) -> Vec<Heard> {
    let heard = |event: &crate::Event| {
        (event.kind, event.token, event.current_token, event.version, event.ticket, event.queue_len)
    };
    done.events.iter().map(heard).collect()
}

pub(super) fn woken(done: &Done) -> Vec<(ClaimKey, Said)> {
    let woken = done.wakes.iter().map(|wake| match &wake.outcome {
        WaitOutcome::Granted(claim) => (wake.key.clone(), lease(claim)),
        WaitOutcome::Ended(refusal) => (wake.key.clone(), refused(refusal)),
    });
    woken.collect()
}
