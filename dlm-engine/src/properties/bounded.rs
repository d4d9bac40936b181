//! The limit of transitions: it holds, nothing that it leaves is lost, and it
//! changes nothing but when things happen.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::comparable::{ComparableEvent, ComparableReply, events_of, reply_of};
use super::model::MAX_TRANSITIONS;
use super::script::{Action, KeyChoice, ScriptStep, TokenChoice, script};
use super::simulation::{ExecutedOp, Observation, Simulation, limits, observe};
use crate::fault::Fault;
use crate::{EventKind, Limits, Op};

/// Of one batch, at most so many leases and waits end or are granted as the
/// limit says, besides those of its operations.
pub(super) fn bound(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
    let is_transition = |executed: &ExecutedOp, kind: EventKind, waited: bool| match kind {
        EventKind::Expired | EventKind::WaitTimedOut => true,
        EventKind::Granted => waited,
        EventKind::Cancelled => !matches!(executed.op, Op::Cancel { .. } | Op::Leave { .. }),
        EventKind::Queued | EventKind::Released | EventKind::ForceReleased => false,
    };
    for observed in observe(script, fault) {
        let Observation::Committed(batch, _) = observed else { continue };
        // A retry may end its own wait.
        let retries = batch.iter().filter(|executed| matches!(executed.result, Some(Err(_)))).count();
        let transitions: usize = batch
            .iter()
            .map(|executed| {
                let events = executed.events.iter();
                events.filter(|event| is_transition(executed, event.kind, event.ticket.is_some())).count()
            })
            .sum();
        prop_assert!(transitions <= MAX_TRANSITIONS + retries, "{} transitions: {:?}", transitions, batch);
    }
    Ok(())
}

/// A server that goes on finishes what the limit left, within a few batches.
pub(super) fn finishes(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
    let mut simulation = Simulation::new(fault);
    for step in script {
        simulation.run_step(step);
    }
    simulation.run_step(&ScriptStep::Batch(vec![Action::Sweep]));
    drain(&mut simulation)?;
    prop_assert!(!simulation.work_left(), "left: {:?}", simulation.store);
    Ok(())
}

/// Runs batches of nothing new until nothing is left to do. Returns what was
/// executed.
fn drain(simulation: &mut Simulation) -> Result<Vec<ExecutedOp>, TestCaseError> {
    let mut executed = Vec::new();
    for _ in 0..16 {
        if !simulation.is_unfinished() {
            return Ok(executed);
        }
        if let Some(Observation::Committed(batch, _)) = simulation.run_step(&ScriptStep::Batch(Vec::new())) {
            executed.extend(batch);
        }
    }
    Err(TestCaseError::fail("a batch always leaves something to do"))
}

/// What an action caused: the reply, and all events until nothing was left to do.
/// What is due before the action comes before it.
fn outcome(
    simulation: &mut Simulation,
    action: &Action,
) -> Result<(Option<ComparableReply>, Vec<ComparableEvent>), TestCaseError> {
    let check = Action::Check { key: KeyChoice::Any(0), token: TokenChoice::Any(0) };
    let mut reply = None;
    let mut events = Vec::new();
    for action in [&check, &Action::Sweep, action] {
        let mut executed: Vec<ExecutedOp> = Vec::new();
        let step = ScriptStep::Batch(vec![action.clone()]);
        if let Some(Observation::Committed(batch, _)) = simulation.run_step(&step) {
            executed.extend(batch);
        }
        executed.extend(drain(simulation)?);
        let replies = executed.iter().filter(|executed| !matches!(executed.op, Op::Sweep { .. }));
        reply = replies.filter_map(|executed| executed.result.as_ref()).map(reply_of).next_back();
        events.extend(executed.iter().flat_map(events_of));
    }
    Ok((reply, events))
}

proptest! {
    #![proptest_config(super::cases(2000))]

    #[test]
    fn batch_is_bounded(script in script()) {
        bound(&script, None)?;
    }

    #[test]
    fn unfinished_work_is_finished(script in script()) {
        finishes(&script, None)?;
    }

    /// If nothing is left to do before each operation and after it, replies and
    /// events are those of a server without the limit.
    #[test]
    fn limit_changes_neither_replies_nor_events(script in script()) {
        let mut bounded = Simulation::new(None);
        let unlimited = Limits { max_transitions: usize::MAX, ..limits() };
        let mut unbounded = Simulation::with_limits(None, unlimited);
        for step in &script {
            match step {
                ScriptStep::Batch(actions) => {
                    for action in actions {
                        let expected = outcome(&mut unbounded, action)?;
                        prop_assert_eq!(outcome(&mut bounded, action)?, expected, "{:?}", action);
                    }
                }
                step => {
                    bounded.run_step(step);
                    unbounded.run_step(step);
                }
            }
        }
    }
}
