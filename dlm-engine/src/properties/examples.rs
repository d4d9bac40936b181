//! The subtle cases, one by one.

use super::script::{key, request};
use crate::{
    CancelOutcome, Claim, Context, Effects, EndReason, EventKind, Floor, KeyLookup, Limits, Micros, Mode, Op,
    Phase, Refusal, ReplicaId, Replicas, Reply, Resource,
};

/// A resource of which nothing is stored yet, and a clock.
struct Story {
    resource: Resource,
    replicas: Replicas,
    limits: Limits,
    now: Micros,
    effects: Effects,
}

impl Story {
    fn begins() -> Self {
        Self {
            resource: Resource::absent(Floor::default()),
            replicas: Replicas::single_node(ReplicaId(1), Micros(0)),
            limits: super::disk::limits(),
            now: Micros(0),
            effects: Effects::default(),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    fn run(&mut self, op: impl std::borrow::Borrow<Op>) -> Result<Reply, Refusal> {
        let ctx = Context {
            now: self.now,
            replicas: &self.replicas,
            limits: &self.limits,
            key_lookup: KeyLookup::Required,
        };
        self.effects = Effects::default();
        loop {
            match self.resource.execute(op.borrow(), &ctx, &mut self.effects) {
                Ok(result) => return result,
                Err(crate::Need::Claim(key)) => self.resource.provide_claim(key, None),
                Err(crate::Need::ForceReleased { token }) => {
                    self.resource.provide_force_released(token, None);
                }
                // Nothing is committed, so the waiters are all among its changes.
                Err(crate::Need::Waiters { .. }) => self.resource.provide_waiters(Vec::new(), true),
            }
        }
    }

    fn acquire(&mut self, index: usize, mode: Mode, ttl_ms: u64, wait_ms: u64) -> Result<Reply, Refusal> {
        self.run(Op::Acquire { key: key(index), request: request(mode, ttl_ms, wait_ms) })
    }

    fn lock(&mut self, index: usize) -> u64 {
        token(&self.acquire(index, Mode::Exclusive, 1000, 0))
    }

    fn wait(&mut self, index: usize, mode: Mode) {
        assert_eq!(self.acquire(index, mode, 1000, 60_000), Ok(Reply::Queued));
    }

    fn release(&mut self, index: usize, token: u64) -> Result<Reply, Refusal> {
        self.run(Op::Release { key: key(index), token })
    }

    fn renew(&mut self, index: usize, token: u64, ttl_ms: Option<u64>) -> Result<Reply, Refusal> {
        self.run(Op::Renew { key: key(index), token, ttl_ms })
    }

    fn leave(&mut self, index: usize) {
        assert_eq!(self.run(Op::Leave { key: key(index), can_return: true }), Ok(Reply::Left));
    }

    fn woken(&self) -> Vec<usize> {
        let index =
            |wake: &crate::Wake| (0..10).find(|index| wake.key == key(*index)).expect("a key of the story");
        self.effects.wakes.iter().map(index).collect()
    }
}

fn leased(result: &Result<Reply, Refusal>) -> &Claim {
    match result {
        Ok(Reply::Lease(claim)) => claim,
        other => panic!("no lease: {other:?}"),
    }
}

fn token(result: &Result<Reply, Refusal>) -> u64 {
    leased(result).lease().expect("a lease").token
}

fn ended(reason: EndReason) -> Result<Reply, Refusal> {
    Err(Refusal::Ended(Some(reason)))
}

#[test]
fn an_acquire_that_arrives_after_its_cancel_is_refused() {
    let mut story = Story::begins();
    let cancel = || Op::Cancel { key: key(1) };
    assert_eq!(story.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::None)));
    assert_eq!(story.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::None)));
    assert_eq!(story.acquire(1, Mode::Exclusive, 1000, 0), ended(EndReason::Cancelled));
}

#[test]
fn a_cancel_after_the_grant_releases_and_the_lease_id_knows() {
    let mut story = Story::begins();
    let token = story.lock(1);
    let cancel = || Op::Cancel { key: key(1) };
    assert_eq!(story.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::Released)));
    assert_eq!(story.run(cancel()), Ok(Reply::Cancelled(CancelOutcome::Released)));
    assert_eq!(story.release(1, token), Ok(Reply::Released(token)));
    assert_eq!(story.renew(1, token, None), ended(EndReason::Released));
    assert_eq!(story.acquire(1, Mode::Exclusive, 1000, 0), ended(EndReason::Cancelled));
}

#[test]
fn a_wait_that_timed_out_stays_timed_out() {
    let mut story = Story::begins();
    story.acquire(0, Mode::Exclusive, 3000, 0).expect("a free lock");
    assert_eq!(story.acquire(1, Mode::Exclusive, 1000, 500), Ok(Reply::Queued));
    story.pass(500);
    for _ in 0..2 {
        let again = story.acquire(1, Mode::Exclusive, 1000, 500);
        assert!(matches!(again, Err(Refusal::TimedOut(_))), "{again:?}");
    }
    story.pass(10_000);
    let again = story.acquire(1, Mode::Exclusive, 1000, 500);
    assert!(matches!(again, Err(Refusal::TimedOut(_))), "the lock is free, and {again:?}");
}

#[test]
fn a_renewal_never_moves_the_expiry_to_an_earlier_instant() {
    let mut story = Story::begins();
    let token = story.lock(1);
    story.pass(100);
    let renewed = story.renew(1, token, Some(200));
    let lease = leased(&renewed).lease().expect("a lease");
    assert_eq!((lease.ttl_ms, lease.expires_at), (200, Micros(1_000_000)));
    story.pass(800);
    let renewed = story.renew(1, token, None);
    assert_eq!(leased(&renewed).lease().expect("a lease").expires_at, Micros(1_100_000));
}

#[test]
fn a_renewal_after_the_expiry_is_refused() {
    let mut story = Story::begins();
    let token = story.lock(1);
    story.pass(1000);
    assert_eq!(story.renew(1, token, None), ended(EndReason::Expired));
    assert_eq!(story.release(1, token), ended(EndReason::Expired));
}

#[test]
fn one_who_is_away_is_passed_over_and_first_again_when_it_is_back() {
    let mut story = Story::begins();
    let first = story.lock(0);
    story.wait(1, Mode::Exclusive);
    story.wait(2, Mode::Exclusive);
    story.wait(3, Mode::Exclusive);
    story.leave(1);
    story.release(0, first).expect("the holder releases");
    assert_eq!(story.woken(), [2]);
    story.wait(1, Mode::Exclusive);
    story.release(2, first + 1).expect("the holder releases");
    assert_eq!(story.woken(), [1]);
}

#[test]
fn one_whose_replica_was_missed_for_a_moment_goes_before_who_asks_now() {
    let (here, there) = (ReplicaId(1), ReplicaId(2));
    let at = |me, gone: &[ReplicaId]| {
        Replicas::cluster(me, gone.iter().map(|replica| (*replica, Micros(0))).collect())
    };
    let mut story = Story::begins();
    story.replicas = at(here, &[]);
    let first = story.lock(1);
    story.replicas = at(there, &[]);
    story.wait(2, Mode::Exclusive);
    story.replicas = at(here, &[there]);
    assert!(story.release(1, first).is_ok());
    assert_eq!(story.woken(), [] as [usize; 0], "it is passed over while its replica is gone");
    story.replicas = at(here, &[]);
    assert!(matches!(story.acquire(3, Mode::Exclusive, 1000, 0), Err(Refusal::Held(_))));
    assert_eq!(story.woken(), [2]);
}

#[test]
fn one_who_is_away_too_long_loses_its_place() {
    let mut story = Story::begins();
    story.acquire(0, Mode::Exclusive, 60_000, 0).expect("a free lock");
    story.wait(1, Mode::Exclusive);
    story.leave(1);
    story.pass(9_999);
    story.run(Op::Sweep { waiters: vec![key(1)] }).expect("a sweep");
    assert!(story.effects.events.is_empty());
    story.pass(1);
    story.run(Op::Sweep { waiters: vec![key(1)] }).expect("a sweep");
    assert_eq!(story.effects.events[0].kind, EventKind::Cancelled);
    assert_eq!(story.effects.events[0].reason.as_deref(), Some("away"));
    assert_eq!(story.acquire(1, Mode::Exclusive, 1000, 60_000), ended(EndReason::Away));
}

#[test]
fn shared_ones_behind_an_exclusive_one_that_is_away_are_granted_together() {
    let mut story = Story::begins();
    let first = story.lock(0);
    story.wait(1, Mode::Exclusive);
    story.wait(2, Mode::Shared);
    story.wait(3, Mode::Shared);
    story.wait(4, Mode::Exclusive);
    story.wait(5, Mode::Shared);
    story.leave(1);
    story.release(0, first).expect("the holder releases");
    assert_eq!(story.woken(), [2, 3]);
}

#[test]
fn a_reader_does_not_pass_a_writer_that_waits() {
    let mut story = Story::begins();
    story.acquire(0, Mode::Shared, 60_000, 0).expect("a free lock");
    story.acquire(1, Mode::Shared, 60_000, 0).expect("readers share");
    story.wait(2, Mode::Exclusive);
    let refused = story.acquire(3, Mode::Shared, 1000, 0);
    assert!(matches!(refused, Err(Refusal::Held(_))), "{refused:?}");
}

#[test]
fn the_grant_that_ends_a_wait_says_how_long_it_took() {
    let mut story = Story::begins();
    let waited = |story: &Story| {
        let granted = story.effects.events.iter().find(|event| event.kind == EventKind::Granted);
        granted.expect("somebody is granted").waited_ms
    };
    let first = story.lock(0);
    assert_eq!(waited(&story), None, "it did not wait");
    story.wait(1, Mode::Exclusive);
    story.pass(250);
    story.run(Op::Release { key: key(0), token: first }).expect("the lease is live");
    assert_eq!(waited(&story), Some(250));
}

#[test]
fn after_a_force_release_the_next_grant_is_two_above_the_old() {
    let mut story = Story::begins();
    let old = story.lock(0);
    story.wait(1, Mode::Exclusive);
    let force = || Op::ForceRelease { token: old, reason: "host is gone".into() };
    let first = story.run(force());
    let Ok(Reply::ForceReleased(claim)) = &first else { panic!("the lease is live, and {first:?}") };
    let Phase::Ended(tombstone) = &claim.phase else { panic!("force-released, and {claim:?}") };
    assert_eq!(tombstone.current_token, old + 1);
    let granted = story.effects.events.iter().find(|event| event.kind == EventKind::Granted);
    assert_eq!(granted.and_then(|event| event.token), Some(old + 2));
    assert_eq!(story.run(force()), first, "a repeat gives the same");
    assert_eq!(story.acquire(0, Mode::Exclusive, 1000, 0), ended(EndReason::ForceReleased));
    assert_eq!(story.renew(0, old, None), ended(EndReason::ForceReleased));
}

#[test]
fn a_force_release_ends_one_shared_holder_of_several() {
    let mut story = Story::begins();
    let first = token(&story.acquire(0, Mode::Shared, 60_000, 0));
    let second = token(&story.acquire(1, Mode::Shared, 60_000, 0));
    story.run(Op::ForceRelease { token: first, reason: "host is gone".into() }).expect("the lease is live");
    let checked = |story: &mut Story, token| story.run(Op::Check { token });
    assert_eq!(checked(&mut story, first), Ok(Reply::Checked { live: None, current_token: 3 }));
    assert_eq!(
        checked(&mut story, second),
        Ok(Reply::Checked { live: Some(Mode::Shared), current_token: 3 })
    );
}

#[test]
fn a_key_with_another_request_is_refused_whatever_became_of_it() {
    let mut story = Story::begins();
    let token = story.lock(1);
    let other = |story: &mut Story| story.acquire(1, Mode::Exclusive, 2000, 0);
    assert_eq!(other(&mut story), Err(Refusal::KeyReused));
    story.release(1, token).expect("the holder releases");
    assert_eq!(other(&mut story), Err(Refusal::KeyReused));
}

#[test]
fn one_who_gives_up_as_the_lock_expires_is_not_granted() {
    let mut story = Story::begins();
    story.lock(0);
    story.wait(1, Mode::Exclusive);
    story.wait(2, Mode::Exclusive);
    story.pass(1000);
    story.leave(1);
    assert_eq!(story.woken(), [2]);
}

#[test]
fn a_key_is_told_how_its_lease_or_wait_ended() {
    let mut story = Story::begins();
    let again = |story: &mut Story, index| story.acquire(index, Mode::Exclusive, 1000, 60_000);
    let token_of = |story: &mut Story, index| token(&again(story, index));

    let released = token_of(&mut story, 1);
    story.release(1, released).expect("the holder releases");
    let forced = token_of(&mut story, 2);
    story.run(Op::ForceRelease { token: forced, reason: "host is gone".into() }).expect("a live lease");
    token_of(&mut story, 3);
    story.pass(1000);
    let holder = token_of(&mut story, 4);
    story.wait(5, Mode::Exclusive);
    story.run(Op::Cancel { key: key(5) }).expect("a waiter");
    story.wait(6, Mode::Exclusive);
    story.run(Op::Leave { key: key(6), can_return: false }).expect("a waiter");

    let reasons = [
        (1, EndReason::Released),
        (2, EndReason::ForceReleased),
        (3, EndReason::Expired),
        (5, EndReason::Cancelled),
        (6, EndReason::Away),
    ];
    for (index, reason) in reasons {
        assert_eq!(again(&mut story, index), ended(reason));
    }
    story.release(4, holder).expect("the holder releases");
    for (index, reason) in reasons {
        assert_eq!(again(&mut story, index), ended(reason), "also when the lock is free");
    }
}

#[test]
fn a_clock_that_goes_back_brings_nothing_back() {
    let mut story = Story::begins();
    let token = story.lock(1);
    story.pass(1000);
    story.run(Op::Check { token }).expect("a check");
    story.now = Micros(0);
    assert_eq!(story.renew(1, token, None), ended(EndReason::Expired));
}
