//! Which troubles are reported, and when.

use dlm_protocol::{
    BlockedLock, Blocker, DeadlockedHolder, FencingToken, Mode, Owner, PossibleDeadlock, ResourceName,
    Timestamp, WaitGraph,
};
use serde_json::{Value, json};

use super::found::deadlock_id;
use super::open::{MAX_OPEN, MAX_UNSENT};
use std::time::Duration;

use super::*;
use crate::service::TroubleThresholds;

const LONG: TroubleThresholds = TroubleThresholds { wait: Duration::from_secs(60), hold: None };

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn lock(name: &str, since: i64) -> BlockedLock {
    BlockedLock {
        resource: ResourceName::try_from(name).unwrap(),
        queue_len: 1,
        blocked: 1,
        oldest_enqueued_at: at(since),
        holder_count: 0,
        holders: Vec::new(),
    }
}

fn graph(now: i64, locks: Vec<BlockedLock>) -> WaitGraph {
    WaitGraph { at: at(now), complete: true, locks, possible_deadlocks: Vec::new() }
}

/// The messages that are sent then.
fn update(
    troubles: &mut Troubles,
    graph: &WaitGraph,
    thresholds: TroubleThresholds,
    is_first: bool,
) -> Vec<Value> {
    troubles.update(graph, thresholds, is_first);
    let mut sent = Vec::new();
    let dropped = troubles.send(|message| {
        sent.push(serde_json::from_slice(&message).unwrap());
        Ok(())
    });
    assert_eq!(dropped, 0);
    sent
}

#[test]
fn long_wait_is_reported_when_it_begins_and_when_it_ends() {
    let mut troubles = Troubles::default();
    assert!(update(&mut troubles, &graph(59, vec![lock("a", 0)]), LONG, true).is_empty());
    let began = update(&mut troubles, &graph(60, vec![lock("a", 0)]), LONG, true);
    let resource = &began[0]["lock"]["resource"];
    assert_eq!(
        (&began[0]["event"], &began[0]["kind"], resource),
        (&json!("began"), &json!("long_wait"), &json!("a"))
    );
    assert!(update(&mut troubles, &graph(61, vec![lock("a", 0)]), LONG, true).is_empty());
    let ended = update(&mut troubles, &graph(62, vec![lock("a", 61)]), LONG, true);
    assert_eq!((&ended[0]["event"], &ended[0]["id"]), (&json!("ended"), &began[0]["id"]));
    assert_eq!(ended[0]["began_at"], began[0]["at"]);
    assert!(update(&mut troubles, &graph(63, Vec::new()), LONG, true).is_empty());
}

#[test]
fn trouble_that_was_left_out_has_not_ended() {
    let mut troubles = Troubles::default();
    update(&mut troubles, &graph(60, vec![lock("a", 0)]), LONG, true);
    let others = (0..1_000).map(|number| lock(&number.to_string(), 61)).collect();
    let partly = WaitGraph { complete: false, ..graph(61, others) };
    assert!(update(&mut troubles, &partly, LONG, true).is_empty());
    assert_eq!(update(&mut troubles, &graph(62, Vec::new()), LONG, true).len(), 1);
}

#[test]
fn wait_ends_though_holders_of_another_lock_were_left_out() {
    let mut troubles = Troubles::default();
    update(&mut troubles, &graph(60, vec![lock("a", 0), lock("b", 0)]), LONG, true);
    let partly = |locks| WaitGraph { complete: false, ..graph(61, locks) };
    // One is not waited for any more, the other by somebody who has just come.
    let ended = update(&mut troubles, &partly(vec![lock("b", 61)]), LONG, true);
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|message| message["event"] == "ended"));
}

#[test]
fn deadlock_is_reported_however_many_wait_long() {
    let mut troubles = Troubles::default();
    let many: Vec<_> = (0..2 * MAX_OPEN).map(|number| lock(&number.to_string(), 0)).collect();
    update(&mut troubles, &graph(60, many.clone()), LONG, true);
    let deadlock = PossibleDeadlock { holders: Vec::new() };
    let graph = WaitGraph { possible_deadlocks: vec![deadlock], ..graph(61, many) };
    let began = update(&mut troubles, &graph, LONG, true);
    assert_eq!((began.len(), &began[0]["kind"]), (1, &json!("possible_deadlock")));
}

#[test]
fn replica_that_becomes_the_first_reports_what_is_open() {
    let mut troubles = Troubles::default();
    assert!(update(&mut troubles, &graph(60, vec![lock("a", 0)]), LONG, false).is_empty());
    let began = update(&mut troubles, &graph(61, vec![lock("a", 0)]), LONG, true);
    assert_eq!((began.len(), &began[0]["event"]), (1, &json!("began")));
    assert_eq!(update(&mut troubles, &graph(62, Vec::new()), LONG, true)[0]["event"], "ended");
}

#[test]
fn number_of_open_troubles_is_bounded() {
    let mut troubles = Troubles::default();
    let many = |now| graph(now, (0..2 * MAX_OPEN).map(|number| lock(&number.to_string(), 0)).collect());
    assert_eq!(update(&mut troubles, &many(60), LONG, true).len(), MAX_OPEN);
    assert!(update(&mut troubles, &many(61), LONG, true).is_empty());
}

#[test]
fn deadlock_has_the_same_id_wherever_its_cycle_begins() {
    let holder = |name: &str, token| DeadlockedHolder {
        resource: ResourceName::try_from(name).unwrap(),
        owner: Owner::default(),
        principal: None,
        fencing_token: FencingToken::new(token),
    };
    let id = |holders| deadlock_id(&PossibleDeadlock { holders });
    assert_eq!(id(vec![holder("a", 1), holder("b", 2)]), id(vec![holder("b", 2), holder("a", 1)]));
    assert_ne!(id(vec![holder("a", 1), holder("b", 2)]), id(vec![holder("a", 1), holder("b", 3)]));
}

#[test]
fn long_hold_is_reported_while_others_wait() {
    let held = TroubleThresholds { hold: Some(Duration::from_secs(600)), ..LONG };
    let mut troubles = Troubles::default();
    let blocker = Blocker {
        mode: Mode::Exclusive,
        owner: Owner::default(),
        principal: None,
        fencing_token: FencingToken::new(1),
        acquired_at: at(0),
        expires_at: at(1_000),
        waits_for: None,
        checked_at: None,
    };
    let lock = |now| BlockedLock { holder_count: 1, holders: vec![blocker.clone()], ..lock("a", now) };
    assert!(update(&mut troubles, &graph(599, vec![lock(599)]), held, true).is_empty());
    let began = update(&mut troubles, &graph(600, vec![lock(600)]), held, true);
    assert_eq!((began.len(), &began[0]["kind"]), (1, &json!("long_hold")));
    assert_eq!(began[0]["id"], "long_hold:a");
    assert_eq!(update(&mut troubles, &graph(601, Vec::new()), held, true)[0]["event"], "ended");
    assert!(update(&mut Troubles::default(), &graph(600, vec![lock(600)]), LONG, true).is_empty());
}

#[test]
fn replica_that_becomes_the_first_reports_what_has_ended_lately() {
    let mut troubles = Troubles::default();
    update(&mut troubles, &graph(60, vec![lock("a", 0), lock("b", 0)]), LONG, false);
    update(&mut troubles, &graph(62, vec![lock("b", 0)]), LONG, false);
    update(&mut troubles, &graph(123, Vec::new()), LONG, false);
    let ended = update(&mut troubles, &graph(124, Vec::new()), LONG, true);
    assert_eq!(
        (ended.len(), &ended[0]["id"], &ended[0]["event"]),
        (1, &json!("long_wait:b"), &json!("ended"))
    );
    assert!(update(&mut troubles, &graph(125, Vec::new()), LONG, true).is_empty());
}

#[test]
fn message_without_a_place_in_the_queue_is_sent_later() {
    let mut troubles = Troubles::default();
    troubles.update(&graph(60, vec![lock("a", 0), lock("b", 0)]), LONG, true);
    let mut places = 1;
    let mut push = |message| {
        let place = places;
        places = 0;
        if place == 0 { Err(message) } else { Ok(()) }
    };
    assert_eq!(troubles.send(&mut push), 0);
    assert_eq!(troubles.send(&mut push), 0);
    let later = update(&mut troubles, &graph(61, vec![lock("a", 0), lock("b", 0)]), LONG, true);
    assert_eq!((later.len(), &later[0]["id"]), (1, &json!("long_wait:b")));
    // There is a bound.
    for round in 0..20 {
        let locks = (0..MAX_OPEN).map(|number| lock(&format!("{round}/{number}"), 0)).collect();
        troubles.update(&graph(62 + round, locks), LONG, true);
        troubles.send(Err);
    }
    assert_eq!(troubles.send(Err), 0);
    let mut left = 0;
    troubles.send(|_| {
        left += 1;
        Ok(())
    });
    assert_eq!(left, MAX_UNSENT);
}
