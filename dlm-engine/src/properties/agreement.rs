//! Engine and model agree on every answer, event, wake and state, whatever the
//! batches, failures and restarts.

use proptest::prelude::*;

use super::answers::{heard, said, woken};
use super::disk::{Observed, World};
use super::model::Model;
use super::script::script;
use crate::Phase;

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
                    prop_assert_eq!(disk.token(), token);
                    if let Some(row) = disk.row {
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
