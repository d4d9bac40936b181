//! Known faults are put back: the property named for each finds it.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::disk::observe;
use super::invariants::{self, Property};
use super::script::script;
use crate::fault::Fault;

const CASES: usize = 1000;

/// In how many of many random scripts the property does not hold.
fn found(property: Property, fault: Option<Fault>) -> usize {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..CASES)
        .filter(|_| {
            let script = script().new_tree(&mut runner).expect("a script").current();
            property(&observe(&script, fault)).is_err()
        })
        .count()
}

macro_rules! finds {
    ($($name:ident: $property:ident finds $fault:ident;)*) => {
        $(#[test]
        fn $name() {
            assert!(found(invariants::$property, Some(Fault::$fault)) > 0);
            assert_eq!(found(invariants::$property, None), 0);
        })*
    };
}

finds! {
    i1_finds_a_second_holder: i1 finds SecondExclusiveHolder;
    i2_finds_an_expiry_without_a_bump: i2 finds NoIncrementOnExpiry;
    i3_finds_a_renewal_that_revives: i3 finds ExpiredLeaseStaysLive;
    i5_finds_a_forgotten_key: i5 finds TombstoneLost;
    i6_finds_last_in_first_out: i6 finds LastInFirstOut;
    i6_finds_a_grant_to_one_who_is_away: i6 finds AwayWaiterGranted;
}
