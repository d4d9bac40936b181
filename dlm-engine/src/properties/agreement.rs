//! Engine and model agree on every answer, event, wake and state, whatever the
//! batches, failures and restarts.

use proptest::prelude::*;

use super::disk::{Done, Observed, World};
use super::model::{Heard, Model, Said};
use super::script::script;
use crate::{Claim, ClaimKey, News, Phase, Refusal, Reply, Snapshot};

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
        Refusal::Ended(end) => Said::Ended(*end),
        Refusal::KeyReused => Said::KeyReused,
        Refusal::HolderChanged(snapshot) => Said::HolderChanged(tokens(snapshot)),
    }
}

fn said(result: &Result<Reply, Refusal>) -> Said {
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

fn heard(done: &Done) -> Vec<Heard> {
    let heard = |event: &crate::Event| {
        (event.kind, event.token, event.current_token, event.version, event.ticket, event.queue_len)
    };
    done.events.iter().map(heard).collect()
}

fn woken(done: &Done) -> Vec<(ClaimKey, Said)> {
    let woken = done.wakes.iter().map(|wake| match &wake.news {
        News::Granted(claim) => (wake.key.clone(), lease(claim)),
        News::Ended(refusal) => (wake.key.clone(), refused(refusal)),
    });
    woken.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn engine_and_model_agree(script in script()) {
        let mut world = World::new(None);
        let mut model = Model::default();
        for happening in &script {
            match world.happen(happening) {
                None => {}
                Some(Observed::Restarted(now)) => model.restart(now.0),
                Some(Observed::Committed(done, disk)) => {
                    for done in &done {
                        let (says, hears, wakes) = model.step(&done.op, done.now.0);
                        prop_assert_eq!(said(&done.result), says, "{:?}", done.op);
                        prop_assert_eq!(heard(done), hears, "{:?}", done.op);
                        prop_assert_eq!(woken(done), wakes, "{:?}", done.op);
                    }
                    let (token, holding, queue) = model.state();
                    if let Some(row) = disk.row {
                        prop_assert_eq!(row.token, token);
                        prop_assert_eq!(row.holder_count, holding.len() as u64);
                        prop_assert_eq!(row.queue_len, queue.len() as u64);
                    }
                    let mut live = Vec::new();
                    let mut waiting = Vec::new();
                    for (claim, _) in disk.claims.values() {
                        match &claim.phase {
                            Phase::Live(lease) => live.push((lease.token, lease.expires_at.0)),
                            Phase::Waiting(place) => waiting.push(place.ticket),
                            Phase::Ended(_) => {}
                        }
                    }
                    live.sort_unstable();
                    waiting.sort_unstable();
                    prop_assert_eq!(live, holding);
                    prop_assert_eq!(waiting, queue);
                }
            }
        }
    }
}
