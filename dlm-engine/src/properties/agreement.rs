//! Engine and model agree on every reply, event, wake and committed state,
//! across batches, failed commits and restarts.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::comparable::{events_of, reply_of, wakes_of};
use super::model::Model;
use super::script::{ScriptStep, script};
use super::simulation::{Observation, Simulation};
use super::store::StoreState;
use crate::Phase;
use crate::fault::Fault;

/// Runs a script with the engine and with the model, and compares them.
pub(super) fn agreement(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
    let mut simulation = Simulation::new(fault);
    let mut model = Model::default();
    for step in script {
        match simulation.run_step(step) {
            None => {}
            Some(Observation::Restarted(now)) => model.restart(now.0),
            Some(Observation::Committed(batch, store)) => {
                for executed in &batch {
                    let (reply, events, wakes) = model.step(&executed.op, executed.now.0);
                    prop_assert_eq!(executed.result.as_ref().map(reply_of), reply, "{:?}", executed.op);
                    prop_assert_eq!(events_of(executed), events, "{:?}", executed.op);
                    prop_assert_eq!(wakes_of(executed), wakes, "{:?}", executed.op);
                    if executed.result.is_none() {
                        // The operations behind it stay behind it.
                        break;
                    }
                }
                model.commit();
                compare_states(&store, &model)?;
            }
        }
    }
    Ok(())
}

fn compare_states(store: &StoreState, model: &Model) -> TestCaseResult {
    let (token, leases, queue) = model.state();
    prop_assert_eq!(store.token(), token);
    if let Some(row) = store.row {
        prop_assert_eq!(row.holder_count, leases.len() as u64);
        prop_assert_eq!(row.queue_len, queue.len() as u64);
    }
    let mut live = Vec::new();
    let mut waiting = Vec::new();
    for (claim, _) in store.claims.values() {
        match &claim.phase {
            Phase::Live(lease) => live.push((lease.token, lease.expires_at.0)),
            Phase::Waiting(entry) => waiting.push(entry.ticket),
            Phase::Ended(_) => {}
        }
    }
    live.sort_unstable();
    waiting.sort_unstable();
    prop_assert_eq!(live, leases);
    prop_assert_eq!(waiting, queue);
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(4000))]

    #[test]
    fn engine_and_model_agree(script in script()) {
        agreement(&script, None)?;
    }
}
