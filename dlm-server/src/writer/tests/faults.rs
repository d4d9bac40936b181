//! What callers learn of each fault, and what becomes of those that wait.

use dlm_engine::{ClaimKey, KnowsKey, Micros, Op, Refusal, Reply};

use super::harness::{TestWriter, answer, is_open, is_unavailable, token};
use super::scripted_store::{Fault, Step};
use crate::store::Name;
use crate::writer::job::{Completion, Job, OperationError};

const WAIT: u64 = 3_600_000;

/// A writer with a lock that is held with the key `holder`, with token 1.
fn held() -> TestWriter {
    let mut writer = TestWriter::new();
    let (_, mut holder) = writer.acquire("a", "holder", 0);
    writer.turn();
    assert_eq!(token(&answer(&mut holder)), 1);
    writer
}

#[test]
fn an_unclear_commit_that_was_applied_is_answered() {
    let mut writer = held();
    let (_, mut waiter) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    writer.next_check.clear();
    writer.script.add(Step::Commit, Fault::AppliedUnclear);
    let (_, mut release) = writer.release("a", "holder", 1);
    writer.turn();
    assert!(matches!(answer(&mut release), Ok(Completion::Reply(Reply::Released(1)))));
    assert_eq!(token(&answer(&mut waiter)), 2);
    // What the batch scheduled was in the memory that the reconnect has cleared.
    assert_eq!(writer.next_check.at(), Micros(0));
}

#[test]
fn an_unclear_commit_that_was_not_applied_is_repeated() {
    let mut writer = held();
    let (_, mut waiter) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    writer.script.add(Step::Commit, Fault::Unavailable);
    let (_, mut release) = writer.release("a", "holder", 1);
    writer.turn();
    assert!(matches!(answer(&mut release), Ok(Completion::Reply(Reply::Released(1)))));
    assert_eq!(token(&answer(&mut waiter)), 2);
}

/// Runs a release whose outcome stays unknown to its caller, then lets the database
/// work again.
fn release_with_unknown_outcome(commit: Fault, then: Step) -> (TestWriter, bool) {
    let mut writer = held();
    let (_, mut waiter) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    writer.script.add(Step::Commit, commit);
    for _ in 0..1_000 {
        writer.script.add(then, Fault::Unavailable);
    }
    let (_, mut release) = writer.release("a", "holder", 1);
    writer.turn();
    assert!(is_unavailable(&answer(&mut release)));
    assert!(is_open(&mut waiter));
    writer.next_check.clear();
    writer.script.clear();
    writer.finish();
    assert_eq!(writer.next_check.at(), Micros(0), "the sweeper is woken");
    let granted = match waiter.try_recv() {
        Ok(answered) => token(&answered.outcome) == 2,
        Err(_) => false,
    };
    (writer, granted)
}

#[test]
fn a_waiter_is_answered_after_an_unclear_commit_whose_reconnect_fails() {
    for then in [Step::Reconnect, Step::LastBatch] {
        let (mut writer, granted) = release_with_unknown_outcome(Fault::AppliedUnclear, then);
        assert!(granted, "the waiter was granted the lock, and nobody told it: {then:?}");
        assert!(writer.claim("a", "waiter").unwrap().is_live());
        let (mut writer, granted) = release_with_unknown_outcome(Fault::Unavailable, then);
        assert!(!granted);
        assert!(writer.claim("a", "waiter").unwrap().is_parked());
    }
}

#[test]
fn many_waiters_are_answered_in_bounded_batches() {
    let mut writer = TestWriter::new();
    let mut holders = Vec::new();
    let mut waiters = Vec::new();
    for index in 0..600 {
        let name = format!("a/{index}");
        holders.push(writer.acquire(&name, "holder", 0));
        waiters.push(writer.acquire(&name, "waiter", WAIT).1);
    }
    writer.finish();
    writer.script.add(Step::Commit, Fault::AppliedUnclear);
    (0..1_000).for_each(|_| writer.script.add(Step::Reconnect, Fault::Unavailable));
    for index in 0..400 {
        writer.release(&format!("a/{index}"), "holder", 1);
    }
    writer.turn();
    writer.script.clear();
    let before = writer.script.lock().commits;
    writer.finish();
    assert!(writer.script.lock().commits >= before + 3);
    let answered = waiters.iter_mut().map(|waiter| !is_open(waiter)).collect::<Vec<_>>();
    assert_eq!(answered.iter().filter(|answered| **answered).count(), 400);
}

#[test]
fn callers_learn_that_the_database_is_unavailable() {
    let mut writer = held();
    (0..1_000).for_each(|_| writer.script.add(Step::Reconnect, Fault::Unavailable));
    writer.script.add(Step::Begin, Fault::Unavailable);
    let (_, mut first) = writer.acquire("b", "k", 0);
    writer.turn();
    assert!(is_unavailable(&answer(&mut first)));
    writer.script.clear();
    let (_, mut second) = writer.acquire("b", "k", 0);
    writer.turn();
    assert_eq!(token(&answer(&mut second)), 1);
}

#[test]
fn a_broken_connection_is_replaced_before_anyone_notices() {
    let mut writer = held();
    writer.script.add(Step::Lock, Fault::Unavailable);
    let (_, mut first) = writer.acquire("b", "k", 0);
    writer.turn();
    assert_eq!(token(&answer(&mut first)), 1);
}

#[test]
fn a_batch_that_never_commits_fails() {
    let mut writer = held();
    (0..1_000).for_each(|_| writer.script.add(Step::Write, Fault::NotCommitted));
    let (_, mut acquire) = writer.acquire("b", "k", 0);
    writer.turn();
    assert!(is_unavailable(&answer(&mut acquire)));
    writer.script.clear();
    writer.finish();
    assert!(writer.claim("b", "k").is_none());
}

#[test]
fn only_the_operation_that_the_database_rejects_fails() {
    let mut writer = held();
    let mut acquires: Vec<_> = (0..5).map(|index| writer.acquire(&format!("b/{index}"), "k", 0).1).collect();
    // The batch, and of its operations the third.
    for fault in [Fault::Rejected, Fault::None, Fault::None, Fault::Rejected] {
        writer.script.add(Step::Write, fault);
    }
    writer.turn();
    for (index, acquire) in acquires.iter_mut().enumerate() {
        let outcome = answer(acquire);
        match index {
            2 => assert!(matches!(outcome, Err(OperationError::Internal)), "{outcome:?}"),
            _ => assert_eq!(token(&outcome), 1),
        }
    }
}

#[test]
fn operations_stay_in_order_when_a_batch_is_run_one_by_one_while_their_resource_is_deferred() {
    let mut writer = TestWriter::new();
    let (_, mut first) = writer.acquire("a", "first", WAIT);
    let (_, mut other) = writer.acquire("b", "other", 0);
    let (_, mut second) = writer.acquire("a", "second", WAIT);
    writer.script.add(Step::Write, Fault::Rejected);
    // For the batch, and for the first operation alone.
    writer.script.lock_elsewhere("a", 2);
    writer.finish();
    assert_eq!(token(&answer(&mut other)), 1);
    assert_eq!(token(&answer(&mut first)), 1);
    assert!(is_open(&mut second), "the second operation overtook the first");
}

#[test]
fn a_leave_survives_an_outage() {
    for knows_key in [KnowsKey::Yes, KnowsKey::No] {
        let mut writer = held();
        let (request, mut waiter) = writer.acquire("a", "waiter", WAIT);
        writer.turn();
        writer.script.add(Step::Begin, Fault::Unavailable);
        (0..1_000).for_each(|_| writer.script.add(Step::Reconnect, Fault::Unavailable));
        writer.leave("a", "waiter", Some(request), knows_key);
        writer.turn();
        assert!(is_unavailable(&answer(&mut waiter)));
        assert!(writer.claim("a", "waiter").unwrap().is_parked());
        writer.script.clear();
        // Not granted: the leave goes first.
        let (_, mut release) = writer.release("a", "holder", 1);
        writer.turn();
        assert!(answer(&mut release).is_ok());
        let claim = writer.claim("a", "waiter").unwrap();
        assert!(!claim.is_parked() && !claim.is_live(), "{claim:?}");
    }
}

#[test]
fn a_leave_that_the_database_rejects_is_repeated() {
    let mut writer = held();
    let (request, mut waiter) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    (0..2).for_each(|_| writer.script.add(Step::Write, Fault::Rejected));
    writer.leave("a", "waiter", Some(request), KnowsKey::Yes);
    writer.turn();
    assert!(matches!(answer(&mut waiter), Err(OperationError::Internal)));
    writer.finish();
    assert!(!writer.claim("a", "waiter").unwrap().is_parked());
}

#[test]
fn a_recheck_does_not_revive_a_waiter_that_leaves_in_the_same_batch() {
    let mut writer = held();
    let (request, mut waiter) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    writer.leave("a", "waiter", Some(request), KnowsKey::Yes);
    writer.inbox.push(Job::Recheck(Name::from("a"), ClaimKey::new("", "waiter"))).unwrap();
    writer.turn();
    assert!(matches!(answer(&mut waiter), Ok(Completion::StillQueued(_))));
    assert!(!writer.claim("a", "waiter").unwrap().is_parked());
}

#[test]
fn an_acquire_behind_its_cancel_is_refused() {
    let mut writer = TestWriter::new();
    let (_, mut acquire) = writer.acquire("a", "k", WAIT);
    let (_, mut cancel) = writer.execute("a", None, Op::Cancel { key: ClaimKey::new("", "k") });
    writer.turn();
    assert!(matches!(answer(&mut cancel), Ok(Completion::Reply(Reply::Cancelled(_)))));
    let refused = answer(&mut acquire);
    let cancelled = Some(dlm_engine::EndReason::Cancelled);
    assert!(matches!(&refused, Err(OperationError::Refused(Refusal::Ended(reason))) if *reason == cancelled));
    assert!(!writer.claim("a", "k").unwrap().is_live());
}
