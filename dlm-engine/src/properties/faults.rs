//! Fault injection: each known fault makes the property that it violates fail.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use super::agreement::agreement;
use super::bounded::{bound, finishes};
use super::invariants;
use super::schedule::{check_at, everything_ends};
use super::script::{ScriptStep, script};
use super::simulation::observe;
use crate::fault::Fault;

const CASES: usize = 1000;

type Property = fn(&[ScriptStep], Option<Fault>) -> TestCaseResult;

/// Asserts that one of the first [`CASES`] random scripts violates the property
/// because of the fault.
fn assert_finds(property: Property, fault: Fault) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut scripts = std::iter::repeat_with(|| {
        script().new_tree(&mut runner).expect("scripts are generated without rejection").current()
    });
    let violating = scripts.by_ref().take(CASES).find(|script| property(script, Some(fault)).is_err());
    let script = violating.unwrap_or_else(|| panic!("no script shows {fault:?}"));
    property(&script, None).expect("the property holds without the fault");
}

macro_rules! invariant_on_script {
    ($($name:ident)*) => {
        $(fn $name(script: &[ScriptStep], fault: Option<Fault>) -> TestCaseResult {
            invariants::$name(&observe(script, fault))
        })*
    };
}

invariant_on_script! { i1 i2 i3 i4 i5 i6 }

macro_rules! finds {
    ($($name:ident: $property:ident finds $fault:ident;)*) => {
        $(#[test]
        fn $name() {
            assert_finds($property, Fault::$fault);
        })*
    };
}

finds! {
    i1_finds_a_second_exclusive_holder: i1 finds SecondExclusiveHolder;
    i2_finds_an_expiry_without_an_increment: i2 finds NoIncrementOnExpiry;
    i3_finds_a_renewal_of_an_expired_lease: i3 finds ExpiredLeaseStaysLive;
    i4_finds_a_release_by_another_key: i4 finds TokenSuffices;
    i5_finds_a_lost_tombstone: i5 finds TombstoneLost;
    i6_finds_last_in_first_out: i6 finds LastInFirstOut;
    i6_finds_a_grant_to_an_away_waiter: i6 finds AwayWaiterGranted;
    i6_finds_an_overtaken_unfinished_promotion: i6 finds OvertakesUnfinishedPromotion;
    agreement_finds_a_shortened_term: agreement finds RenewalShortensTerm;
    agreement_finds_a_waiter_that_a_sweep_skips: agreement finds OverdueWaiterSkipped;
    check_at_finds_a_late_check: check_at finds CheckTooLate;
    check_at_finds_unfinished_work_that_is_not_scheduled: check_at finds UnfinishedWorkForgotten;
    everything_ends_finds_a_lease_that_does_not_expire: everything_ends finds ExpiredLeaseStaysLive;
    everything_ends_finds_an_idle_resource_that_is_kept: everything_ends finds IdleResourceKept;
    bound_finds_an_unlimited_batch: bound finds UnlimitedTransitions;
    finishes_finds_forgotten_work: finishes finds UnfinishedWorkForgotten;
}
