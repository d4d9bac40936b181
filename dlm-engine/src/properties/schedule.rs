//! Check instants: a sweeper that follows the stored ones does everything on
//! time.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::script::{Action, ScriptStep, script};
use super::simulation::Simulation;
use crate::Phase;
use crate::fault::Fault;
use crate::resource::CONTINUE_WITHIN_MS;

/// Stored check instants are never later than what they cover, and what a batch
/// has left is due soon after it.
pub(super) fn check_at(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
    let mut simulation = Simulation::new(fault);
    for step in script {
        simulation.run_step(step);
        let ctx = simulation.context();
        let continue_at = simulation.store.committed_at.plus_ms(CONTINUE_WITHIN_MS);
        if matches!(step, ScriptStep::Batch(_)) && simulation.work_left() {
            let row = simulation.store.row.expect("a resource in use has a row");
            prop_assert!(row.check_at <= continue_at, "{:?} is checked late: {:?}", row, step);
        }
        for (claim, check_at) in simulation.store.claims.values() {
            match &claim.phase {
                Phase::Live(lease) => {
                    let row = simulation.store.row.expect("a held resource has a row");
                    let overdue = !lease.is_live(simulation.store.committed_at);
                    let due_at = if overdue { continue_at } else { lease.expires_at };
                    prop_assert!(row.check_at <= due_at, "{:?} is checked late: {:?}", lease, row);
                }
                Phase::Waiting(entry) => {
                    let check_at = check_at.expect("a waiter has a check instant");
                    prop_assert!(check_at <= entry.due_at(&ctx), "{:?} is checked late", entry);
                }
                Phase::Ended(_) => prop_assert_eq!(*check_at, None),
            }
        }
    }
    Ok(())
}

/// Once enough time has passed, sweeps end every claim and delete the resource.
pub(super) fn everything_ends(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
    let mut simulation = Simulation::new(fault);
    for step in script {
        simulation.run_step(step);
    }
    for _ in 0..8 {
        simulation.run_step(&ScriptStep::Advance(100_000));
        simulation.run_step(&ScriptStep::Batch(vec![Action::Sweep]));
    }
    let claims = simulation.store.claims.values();
    let left = claims.filter(|(claim, _)| !matches!(claim.phase, Phase::Ended(_))).count();
    prop_assert_eq!(left, 0);
    prop_assert!(simulation.store.row.is_none(), "an idle resource is deleted");
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(2000))]

    #[test]
    fn check_at_is_never_late(script in script()) {
        check_at(&script, None)?;
    }

    #[test]
    fn sweeps_end_everything(script in script()) {
        everything_ends(&script, None)?;
    }
}
