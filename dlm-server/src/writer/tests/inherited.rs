//! Claims of the anonymous principal, which others inherit.

use dlm_engine::{CancelOutcome, ClaimKey, KnowsKey, Op, Refusal, Reply};

use super::harness::{Answer, TestWriter, acquire, answer, is_open, is_unavailable, token};
use super::scripted_store::{Fault, Step};
use crate::writer::job::{Admission, Completion, OperationError, RequestId};

const WAIT: u64 = 3_600_000;

/// A writer with a lock that the anonymous principal holds with the key `holder` and
/// token 1, and waits for with these keys. From now on `p` sends.
fn held(waiters: &[&str]) -> (TestWriter, Vec<(RequestId, Answer)>) {
    let mut writer = TestWriter::new();
    writer.acquire("a", "holder", 0);
    let waiting = waiters.iter().map(|key| writer.acquire("a", key, WAIT)).collect();
    writer.finish();
    writer.send_as("p");
    (writer, waiting)
}

fn release_of_anonymous(writer: &mut TestWriter, key: &str, token: u64) -> Answer {
    writer.execute("a", None, Op::Release { key: ClaimKey::new("", key), token }).1
}

fn keys_of(writer: &mut TestWriter, name: &str) -> usize {
    writer.claims().iter().filter(|claim| claim.resource == name).count()
}

#[test]
fn a_key_that_is_unknown_stands_for_the_claim_of_the_anonymous_principal() {
    let (mut writer, mut waiting) = held(&["waiter"]);
    let (_, mut again) = writer.acquire("a", "holder", 0);
    let (_, mut returned) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    assert_eq!(token(&answer(&mut again)), 1);
    assert!(is_open(&mut returned));
    release_of_anonymous(&mut writer, "holder", 1);
    writer.turn();
    assert_eq!(token(&answer(&mut returned)), 2);
    assert_eq!(token(&answer(&mut waiting[0].1)), 2);
    assert_eq!(keys_of(&mut writer, "a"), 2);
    assert!(writer.parked.all().is_empty());
}

#[test]
fn a_key_that_is_known_is_the_principals_own() {
    let mut writer = TestWriter::new();
    writer.send_as("p");
    let (_, mut own) = writer.acquire("a", "key", 0);
    writer.turn();
    assert_eq!(token(&answer(&mut own)), 1);
    // A server without authentication has the same key.
    writer.send_as("");
    writer.acquire("a", "key", WAIT);
    writer.turn();
    writer.send_as("p");
    let (_, mut again) = writer.acquire("a", "key", 0);
    writer.turn();
    assert_eq!(token(&answer(&mut again)), 1);
    let key = writer.key("key");
    let (_, mut cancel) = writer.execute("a", None, Op::Cancel { key });
    writer.finish();
    let cancelled = answer(&mut cancel);
    assert!(
        matches!(cancelled, Ok(Completion::Reply(Reply::Cancelled(CancelOutcome::Released)))),
        "{cancelled:?}"
    );
    // Its tombstone is the principal's own too.
    let (_, mut ended) = writer.acquire("a", "key", 0);
    writer.finish();
    assert!(matches!(answer(&mut ended), Err(OperationError::Refused(Refusal::Ended(_)))));
}

#[test]
fn a_cancel_without_any_claim_leaves_a_tombstone_of_its_principal() {
    let mut writer = TestWriter::new();
    writer.send_as("p");
    let key = writer.key("key");
    writer.execute("a", None, Op::Cancel { key });
    let (_, mut refused) = writer.acquire("a", "key", 0);
    writer.send_as("q");
    let (_, mut other) = writer.acquire("a", "key", 0);
    writer.finish();
    assert!(matches!(answer(&mut refused), Err(OperationError::Refused(Refusal::Ended(_)))));
    answer(&mut other).unwrap();
}

#[test]
fn a_request_that_leaves_is_told_the_claim_that_it_waited_for() {
    let (mut writer, waiting) = held(&["waiter"]);
    let (request, mut returned) = writer.acquire("a", "waiter", WAIT);
    writer.turn();
    writer.leave("a", "waiter", Some(request), KnowsKey::Yes);
    writer.turn();
    let told = answer(&mut returned);
    let waiter = ClaimKey::new("", "waiter");
    assert!(matches!(&told, Ok(Completion::StillQueued(key)) if *key == waiter), "{told:?}");
    // The request from before is still open.
    assert!(writer.claim("a", "waiter").unwrap().is_parked());
    writer.leave_of(waiter, "a", Some(waiting[0].0), KnowsKey::Yes);
    writer.turn();
    assert!(!writer.claim("a", "waiter").unwrap().is_parked());
}

#[test]
fn a_request_that_joins_and_leaves_in_one_batch_makes_the_waiter_away() {
    let (mut writer, waiting) = held(&["waiter"]);
    let (request, mut returned) = writer.acquire("a", "waiter", WAIT);
    writer.leave_of(ClaimKey::new("", "waiter"), "a", Some(waiting[0].0), KnowsKey::Yes);
    writer.leave_once_executed("a", "waiter", request);
    writer.turn();
    assert!(matches!(answer(&mut returned), Ok(Completion::StillQueued(_))));
    assert!(!writer.claim("a", "waiter").unwrap().is_parked());
    assert!(writer.parked.all().is_empty());
}

#[test]
fn a_leave_that_fails_is_answered_and_repeated() {
    let (mut writer, waiting) = held(&["waiter"]);
    writer.leave_of(ClaimKey::new("", "waiter"), "a", Some(waiting[0].0), KnowsKey::Yes);
    let (request, mut returned) = writer.acquire("a", "waiter", WAIT);
    writer.finish();
    writer.script.add(Step::Begin, Fault::Unavailable);
    writer.script.add(Step::Reconnect, Fault::Unavailable);
    for _ in 0..1_000 {
        writer.script.add(Step::Reconnect, Fault::Unavailable);
    }
    writer.leave("a", "waiter", Some(request), KnowsKey::Yes);
    writer.turn();
    assert!(is_unavailable(&answer(&mut returned)));
    writer.script.clear();
    writer.finish();
    let claim = writer.claim("a", "waiter").unwrap();
    assert!(claim.ticket.is_some() && !claim.is_parked(), "{claim:?}");
}

#[test]
fn a_quota_does_not_refuse_an_inherited_claim() {
    let (mut writer, _) = held(&[]);
    let known = writer.key("holder");
    let mut known = writer.execute_admitted("a", None, acquire(known, 0), Admission::IfKeyIsKnown).1;
    let new = writer.key("new");
    let mut new = writer.execute_admitted("b", None, acquire(new, 0), Admission::IfKeyIsKnown).1;
    writer.turn();
    assert_eq!(token(&answer(&mut known)), 1);
    assert!(matches!(answer(&mut new), Err(OperationError::QuotaExceeded)));
}

#[test]
fn inherited_claims_cost_a_batch_one_lookup_and_nothing_when_there_are_none() {
    let mut writer = TestWriter::new();
    writer.send_as("p");
    let lookups = |writer: &TestWriter| std::mem::take(&mut writer.script.lock().lookups);
    let new_keys = |writer: &mut TestWriter, prefix: &str| {
        let acquire = |index| writer.acquire(&format!("{prefix}/{index}"), "k", 0).1;
        let mut acquires: Vec<_> = (0..100).map(acquire).collect();
        writer.turn();
        assert!(acquires.iter_mut().all(|acquire| token(&answer(acquire)) == 1));
    };
    new_keys(&mut writer, "a");
    assert_eq!(lookups(&writer), 1);
    writer.anonymous_claims.next_step();
    assert!(writer.anonymous_claims.found_none());
    new_keys(&mut writer, "b");
    assert_eq!(lookups(&writer), 0);
}
