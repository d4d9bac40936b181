//! Fault injection: each known fault makes the invariant that it violates fail.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::invariants::{self, Property};
use super::script::script;
use super::simulation::observe;
use crate::fault::Fault;

const CASES: usize = 1000;

/// The number of random scripts, out of [`CASES`], that violate the property.
fn violations(property: Property, fault: Option<Fault>) -> usize {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..CASES)
        .filter(|_| {
            let script =
                script().new_tree(&mut runner).expect("scripts are generated without rejection").current();
            property(&observe(&script, fault)).is_err()
        })
        .count()
}

macro_rules! finds {
    ($($name:ident: $property:ident finds $fault:ident;)*) => {
        $(#[test]
        fn $name() {
            assert!(violations(invariants::$property, Some(Fault::$fault)) > 0);
            assert_eq!(violations(invariants::$property, None), 0);
        })*
    };
}

finds! {
    i1_finds_a_second_exclusive_holder: i1 finds SecondExclusiveHolder;
    i2_finds_an_expiry_without_an_increment: i2 finds NoIncrementOnExpiry;
    i3_finds_a_renewal_of_an_expired_lease: i3 finds ExpiredLeaseStaysLive;
    i5_finds_a_lost_tombstone: i5 finds TombstoneLost;
    i6_finds_last_in_first_out: i6 finds LastInFirstOut;
    i6_finds_a_grant_to_an_away_waiter: i6 finds AwayWaiterGranted;
}
