//! The rounds in which waiters are expected to be granted, beside what the rules grant.

use proptest::prelude::*;

use super::cases;
use super::scenario::Scenario;
use super::script::key;
use crate::{Claim, Context, Mode, Op, grant_rounds};

/// What becomes of a waiter before the lock is released.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Parked,
    Away,
    TimesOut,
}

/// The waiters of the resource, in FIFO order.
fn queue(scenario: &Scenario) -> Vec<Claim> {
    let mut waiters: Vec<Claim> = scenario
        .resource
        .claim_changes()
        .map(|change| Claim::clone(&change.claim))
        .filter(|claim| claim.queue_entry().is_some())
        .collect();
    waiters.sort_by_key(|claim| claim.queue_entry().map(|entry| entry.ticket));
    waiters
}

fn waiters() -> impl Strategy<Value = Vec<(Mode, Fate)>> {
    let mode = prop::sample::select(vec![Mode::Exclusive, Mode::Shared, Mode::Shared]);
    let fate =
        prop::sample::select(vec![Fate::Parked, Fate::Parked, Fate::Parked, Fate::Away, Fate::TimesOut]);
    prop::collection::vec((mode, fate), 0..9)
}

proptest! {
    #![proptest_config(cases(256))]

    /// Each time that all holders let go, exactly the next round is granted.
    #[test]
    fn each_release_grants_the_waiters_of_the_next_round(waiters in waiters()) {
        let mut scenario = Scenario::new();
        let mut holders = vec![(0, scenario.lock(0))];
        for (index, (mode, fate)) in (1..).zip(&waiters) {
            let wait_ms = if matches!(fate, Fate::TimesOut) { 100 } else { 60_000 };
            scenario.acquire(index, *mode, 1000, wait_ms).expect("the acquire is queued");
            if matches!(fate, Fate::Away) {
                scenario.leave(index);
            }
        }
        scenario.advance(100);
        let context = Context { now: scenario.now, replicas: &scenario.replicas, limits: &scenario.limits };
        let queue = queue(&scenario);
        prop_assert_eq!(queue.len(), waiters.len());
        let rounds = grant_rounds(&queue, &context);
        let last = rounds.iter().flatten().max().map_or(0, |last| last + 1);
        for round in 0..=last {
            let of_round = (1..).zip(&rounds).filter(|(_, of)| **of == Some(round));
            let expected: Vec<usize> = of_round.map(|(index, _)| index).collect();
            let mut granted = Vec::new();
            for (index, token) in std::mem::take(&mut holders) {
                scenario.run(Op::Release { key: key(index), token }).expect("the lease is live");
                granted.extend(scenario.effects.wakes.iter().filter_map(|wake| match &wake.outcome {
                    crate::WaitOutcome::Granted(claim) => Some(Claim::clone(claim)),
                    crate::WaitOutcome::Ended(..) => None,
                }));
            }
            let index_of = |claim: &Claim| (0..10).find(|index| claim.key == key(*index)).unwrap_or(usize::MAX);
            let indexes: Vec<usize> = granted.iter().map(index_of).collect();
            prop_assert_eq!(&indexes, &expected, "round {} of {:?}", round, waiters);
            holders = granted
                .iter()
                .map(|claim| (index_of(claim), claim.lease().map_or(0, |lease| lease.token)))
                .collect();
        }
        prop_assert!(holders.is_empty());
    }
}
