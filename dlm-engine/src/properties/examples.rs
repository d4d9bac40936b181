//! The subtle cases, one test each.

use super::scenario::{Scenario, claim_of, ended, token};
use super::script::key;
use crate::{
    CancelOutcome, EndReason, EventKind, KnowsKey, Micros, Mode, Op, Phase, Refusal, ReplicaId, Replicas,
    Reply,
};

#[test]
fn acquire_that_arrives_after_its_cancel_is_refused() {
    let mut scenario = Scenario::new();
    let cancel = || Op::Cancel { key: key(1) };
    assert_eq!(scenario.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::None)));
    assert_eq!(scenario.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::None)));
    assert_eq!(scenario.acquire(1, Mode::Exclusive, 1000, 0), ended(EndReason::Cancelled));
}

#[test]
fn cancel_after_the_grant_releases_the_lease() {
    let mut scenario = Scenario::new();
    let token = scenario.lock(1);
    let cancel = || Op::Cancel { key: key(1) };
    assert_eq!(scenario.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::Released)));
    assert_eq!(scenario.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::Released)));
    assert_eq!(scenario.release(1, token), Ok(Reply::Released(token)));
    assert_eq!(scenario.renew(1, token, None), ended(EndReason::Released));
    assert_eq!(scenario.acquire(1, Mode::Exclusive, 1000, 0), ended(EndReason::Cancelled));
}

#[test]
fn timed_out_wait_stays_timed_out() {
    let mut scenario = Scenario::new();
    scenario.acquire(0, Mode::Exclusive, 3000, 0).expect("the lock is free");
    assert_eq!(scenario.acquire(1, Mode::Exclusive, 1000, 500), Ok(Reply::Queued));
    scenario.advance(500);
    for _ in 0..2 {
        let again = scenario.acquire(1, Mode::Exclusive, 1000, 500);
        assert!(matches!(again, Err(Refusal::TimedOut(_))), "{again:?}");
    }
    scenario.advance(10_000);
    let again = scenario.acquire(1, Mode::Exclusive, 1000, 500);
    assert!(matches!(again, Err(Refusal::TimedOut(_))), "after the lock became free: {again:?}");
}

#[test]
fn renewal_never_moves_the_expiry_to_an_earlier_instant() {
    let mut scenario = Scenario::new();
    let token = scenario.lock(1);
    scenario.advance(100);
    let renewed = scenario.renew(1, token, Some(200));
    let lease = claim_of(&renewed).lease().expect("the claim has a lease");
    assert_eq!((lease.ttl_ms, lease.expires_at), (200, Micros(1_000_000)));
    scenario.advance(800);
    let renewed = scenario.renew(1, token, None);
    assert_eq!(claim_of(&renewed).lease().expect("the claim has a lease").expires_at, Micros(1_100_000));
}

#[test]
fn expired_lease_cannot_be_renewed_or_released() {
    let mut scenario = Scenario::new();
    let token = scenario.lock(1);
    scenario.advance(1000);
    assert_eq!(scenario.renew(1, token, None), ended(EndReason::Expired));
    assert_eq!(scenario.release(1, token), ended(EndReason::Expired));
}

#[test]
fn away_waiter_is_passed_over_and_keeps_its_place() {
    let mut scenario = Scenario::new();
    let first = scenario.lock(0);
    scenario.wait(1, Mode::Exclusive);
    scenario.wait(2, Mode::Exclusive);
    scenario.wait(3, Mode::Exclusive);
    scenario.leave(1);
    scenario.release(0, first).expect("the lease is live");
    assert_eq!(scenario.woken(), [2]);
    scenario.wait(1, Mode::Exclusive);
    scenario.release(2, first + 1).expect("the lease is live");
    assert_eq!(scenario.woken(), [1]);
}

#[test]
fn caller_that_was_never_sent_its_key_leaves_nothing_behind() {
    let mut scenario = Scenario::new();
    let leave = |knows_key| Op::Leave { key: key(1), knows_key };
    let first = scenario.lock(1);
    for knows_key in [KnowsKey::Yes, KnowsKey::Unsure] {
        assert_eq!(scenario.run(leave(knows_key)), Ok(Reply::Left));
        assert!(scenario.renew(1, first, None).is_ok(), "the caller may hold the lease");
    }
    assert_eq!(scenario.run(leave(KnowsKey::No)), Ok(Reply::Left));
    assert_eq!(scenario.renew(1, first, None), ended(EndReason::Released));
}

#[test]
fn waiter_that_may_not_have_received_its_key_leaves_unless_it_has_returned() {
    let mut scenario = Scenario::new();
    scenario.lock(0);
    scenario.wait(1, Mode::Exclusive);
    let unsure = Op::Leave { key: key(1), knows_key: KnowsKey::Unsure };
    assert_eq!(scenario.run(unsure.clone()), Ok(Reply::Left));
    scenario.wait(1, Mode::Exclusive);
    scenario.leave(1);
    assert_eq!(scenario.run(unsure), Ok(Reply::Left));
    assert_eq!(scenario.acquire(1, Mode::Exclusive, 1000, 60_000), ended(EndReason::Away));
}

#[test]
fn away_grace_does_not_run_while_no_replica_is_up() {
    let mut scenario = Scenario::new();
    scenario.lock(0);
    scenario.acquire(1, Mode::Exclusive, 1000, 600_000).expect("the acquire is queued");
    scenario.leave(1);
    let sweep = || Op::Sweep { waiters: vec![key(1)] };
    scenario.advance(13_000);
    scenario.replicas = Replicas::single_node(ReplicaId(9), scenario.now);
    scenario.advance(9_999);
    scenario.run(sweep()).expect("a sweep is never refused");
    assert_eq!(scenario.woken(), [] as [usize; 0]);
    scenario.advance(1);
    scenario.run(sweep()).expect("a sweep is never refused");
    assert_eq!(scenario.woken(), [1]);
}

#[test]
fn waiter_of_a_replica_wrongly_declared_dead_precedes_a_new_acquire() {
    let (here, there) = (ReplicaId(1), ReplicaId(2));
    let at = |me, gone: &[ReplicaId]| {
        Replicas::cluster(me, gone.iter().map(|replica| (*replica, Micros(0))).collect(), Micros(0))
    };
    let mut scenario = Scenario::new();
    scenario.replicas = at(here, &[]);
    let first = scenario.lock(1);
    scenario.replicas = at(there, &[]);
    scenario.wait(2, Mode::Exclusive);
    scenario.replicas = at(here, &[there]);
    assert!(scenario.release(1, first).is_ok());
    assert_eq!(scenario.woken(), [] as [usize; 0], "passed over while its replica is dead");
    scenario.replicas = at(here, &[]);
    assert!(matches!(scenario.acquire(3, Mode::Exclusive, 1000, 0), Err(Refusal::Held(_))));
    assert_eq!(scenario.woken(), [2]);
}

#[test]
fn waiter_loses_its_place_after_the_away_grace() {
    let mut scenario = Scenario::new();
    scenario.acquire(0, Mode::Exclusive, 60_000, 0).expect("the lock is free");
    scenario.wait(1, Mode::Exclusive);
    scenario.leave(1);
    scenario.advance(9_999);
    scenario.run(Op::Sweep { waiters: vec![key(1)] }).expect("a sweep is never refused");
    assert!(scenario.effects.events.is_empty());
    scenario.advance(1);
    scenario.run(Op::Sweep { waiters: vec![key(1)] }).expect("a sweep is never refused");
    assert_eq!(scenario.effects.events[0].kind, EventKind::Cancelled);
    assert_eq!(scenario.effects.events[0].reason.as_deref(), Some("away"));
    assert_eq!(scenario.acquire(1, Mode::Exclusive, 1000, 60_000), ended(EndReason::Away));
}

#[test]
fn shared_waiters_behind_an_away_exclusive_waiter_are_granted_together() {
    let mut scenario = Scenario::new();
    let first = scenario.lock(0);
    scenario.wait(1, Mode::Exclusive);
    scenario.wait(2, Mode::Shared);
    scenario.wait(3, Mode::Shared);
    scenario.wait(4, Mode::Exclusive);
    scenario.wait(5, Mode::Shared);
    scenario.leave(1);
    scenario.release(0, first).expect("the lease is live");
    assert_eq!(scenario.woken(), [2, 3]);
}

#[test]
fn shared_acquire_does_not_overtake_an_exclusive_waiter() {
    let mut scenario = Scenario::new();
    scenario.acquire(0, Mode::Shared, 60_000, 0).expect("the lock is free");
    scenario.acquire(1, Mode::Shared, 60_000, 0).expect("shared holders can join");
    scenario.wait(2, Mode::Exclusive);
    let refused = scenario.acquire(3, Mode::Shared, 1000, 0);
    assert!(matches!(refused, Err(Refusal::Held(_))), "{refused:?}");
}

#[test]
fn grant_event_has_the_length_of_the_wait() {
    let mut scenario = Scenario::new();
    let waited = |scenario: &Scenario| {
        let granted = scenario.effects.events.iter().find(|event| event.kind == EventKind::Granted);
        granted.expect("a waiter is granted").waited_ms
    };
    let first = scenario.lock(0);
    assert_eq!(waited(&scenario), None, "granted without a wait");
    scenario.wait(1, Mode::Exclusive);
    scenario.advance(250);
    scenario.run(Op::Release { key: key(0), token: first }).expect("the lease is live");
    assert_eq!(waited(&scenario), Some(250));
}

#[test]
fn force_release_increments_the_token_before_the_next_grant() {
    let mut scenario = Scenario::new();
    let old = scenario.lock(0);
    scenario.wait(1, Mode::Exclusive);
    let force = || Op::ForceRelease { token: old, reason: "host is gone".into(), by: None };
    let first = scenario.run(force());
    let Ok(Reply::ForceReleased(claim)) = &first else { panic!("expected a force-release, got {first:?}") };
    let Phase::Ended(tombstone) = &claim.phase else { panic!("expected an ended claim, got {claim:?}") };
    assert_eq!(tombstone.current_token, old + 1);
    let granted = scenario.effects.events.iter().find(|event| event.kind == EventKind::Granted);
    assert_eq!(granted.and_then(|event| event.token), Some(old + 2));
    assert_eq!(scenario.run(force()), first, "a retry gets the same reply");
    assert_eq!(scenario.acquire(0, Mode::Exclusive, 1000, 0), ended(EndReason::ForceReleased));
    assert_eq!(scenario.renew(0, old, None), ended(EndReason::ForceReleased));
}

#[test]
fn release_is_requested_of_a_live_lease_only_and_changes_nothing() {
    let mut scenario = Scenario::new();
    let held = scenario.lock(0);
    let ask = |token| Op::RequestRelease { token, within_ms: 5_000 };
    let requested =
        Reply::ReleaseRequested { requested_at: scenario.now, deadline: scenario.now.plus_ms(5_000) };
    assert_eq!(scenario.run(ask(held)), Ok(requested));
    assert!(scenario.effects.events.is_empty());
    assert!(matches!(scenario.run(ask(held + 1)), Err(Refusal::HolderChanged(_))));
    scenario.run(Op::Release { key: key(0), token: held }).expect("the lease is live");
    assert!(matches!(scenario.run(ask(held)), Err(Refusal::HolderChanged(_))));
}

#[test]
fn force_release_ends_only_one_of_several_shared_holders() {
    let mut scenario = Scenario::new();
    let first = token(&scenario.acquire(0, Mode::Shared, 60_000, 0));
    let second = token(&scenario.acquire(1, Mode::Shared, 60_000, 0));
    scenario
        .run(Op::ForceRelease { token: first, reason: "host is gone".into(), by: None })
        .expect("the lease is live");
    let checked = |scenario: &mut Scenario, token| scenario.run(Op::Check { token });
    assert_eq!(checked(&mut scenario, first), Ok(Reply::Checked { live: None, current_token: 3 }));
    assert_eq!(
        checked(&mut scenario, second),
        Ok(Reply::Checked { live: Some(Mode::Shared), current_token: 3 })
    );
}

#[test]
fn key_reused_with_other_parameters_is_refused() {
    let mut scenario = Scenario::new();
    let token = scenario.lock(1);
    let other = |scenario: &mut Scenario| scenario.acquire(1, Mode::Exclusive, 2000, 0);
    assert_eq!(other(&mut scenario), Err(Refusal::KeyReused));
    scenario.release(1, token).expect("the lease is live");
    assert_eq!(other(&mut scenario), Err(Refusal::KeyReused));
}

#[test]
fn waiter_that_leaves_as_the_lease_expires_is_not_granted() {
    let mut scenario = Scenario::new();
    scenario.lock(0);
    scenario.wait(1, Mode::Exclusive);
    scenario.wait(2, Mode::Exclusive);
    scenario.advance(1000);
    scenario.leave(1);
    assert_eq!(scenario.woken(), [2]);
}

#[test]
fn retry_learns_how_its_lease_or_wait_ended() {
    let mut scenario = Scenario::new();
    let again = |scenario: &mut Scenario, index| scenario.acquire(index, Mode::Exclusive, 1000, 60_000);
    let token_of = |scenario: &mut Scenario, index| token(&again(scenario, index));

    let released = token_of(&mut scenario, 1);
    scenario.release(1, released).expect("the lease is live");
    let forced = token_of(&mut scenario, 2);
    scenario
        .run(Op::ForceRelease { token: forced, reason: "host is gone".into(), by: None })
        .expect("the lease is live");
    token_of(&mut scenario, 3);
    scenario.advance(1000);
    let holder = token_of(&mut scenario, 4);
    scenario.wait(5, Mode::Exclusive);
    scenario.run(Op::Cancel { key: key(5) }).expect("the key is waiting");
    scenario.wait(6, Mode::Exclusive);
    scenario.run(Op::Leave { key: key(6), knows_key: KnowsKey::No }).expect("the key is waiting");

    let reasons = [
        (1, EndReason::Released),
        (2, EndReason::ForceReleased),
        (3, EndReason::Expired),
        (5, EndReason::Cancelled),
        (6, EndReason::Away),
    ];
    for (index, reason) in reasons {
        assert_eq!(again(&mut scenario, index), ended(reason));
    }
    scenario.release(4, holder).expect("the lease is live");
    for (index, reason) in reasons {
        assert_eq!(again(&mut scenario, index), ended(reason), "after the lock became free");
    }
}

#[test]
fn clock_that_goes_back_does_not_revive_a_lease() {
    let mut scenario = Scenario::new();
    let token = scenario.lock(1);
    scenario.advance(1000);
    scenario.run(Op::Check { token }).expect("a check is never refused");
    scenario.now = Micros(0);
    assert_eq!(scenario.renew(1, token, None), ended(EndReason::Expired));
}
