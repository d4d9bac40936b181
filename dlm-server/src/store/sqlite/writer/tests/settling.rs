//! How the tables follow, and what happens if they can't.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use dlm_engine::{ClaimKey, Micros, Mode, Op, Request};

use super::node::{End, Node};
use crate::clock::since_boot;
use crate::store::sqlite::journal::apply::Budget;
use crate::store::{LockWait, Name, Store, StoreError};

const NOW: Micros = Micros(1_000_000_000);

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn open(directory: &tempfile::TempDir, name: &str) -> Node {
    Node::open(directory.path().join(name).display().to_string())
}

fn acquire(name: &str) -> (Name, Op) {
    acquire_with(name, name, Mode::Exclusive)
}

fn acquire_with(name: &str, key: &str, mode: Mode) -> (Name, Op) {
    let request = Request { mode, ttl_ms: 10_000, wait_ms: 0, owner: "owner".into(), metadata: "{}".into() };
    (Name::from(name), Op::Acquire { key: ClaimKey::new("p", key), request: Arc::new(request) })
}

fn number(node: &mut Node, sql: &str) -> i64 {
    let query = diesel::sql_query(format!("SELECT ({sql}) AS number"));
    query.get_result::<Number>(&mut *node.store.connection).unwrap().number
}

/// Makes every transaction that applies something fail, by its last statement, until the
/// trigger is dropped.
fn fail_applying(node: &mut Node, message: &str) {
    let raise = format!("BEGIN SELECT RAISE(ABORT, '{message}'); END");
    let sql = format!(
        "CREATE TRIGGER fail_insert BEFORE INSERT ON writers {raise}; \
         CREATE TRIGGER fail_update BEFORE UPDATE ON writers {raise}"
    );
    node.store.connection.batch_execute(&sql).unwrap();
}

fn stop_failing(node: &mut Node) {
    node.store.connection.batch_execute("DROP TRIGGER fail_insert; DROP TRIGGER fail_update").unwrap();
}

/// Settles until nothing is left, with the pauses.
fn settle(node: &mut Node) {
    let until = since_boot() + Duration::from_secs(60);
    while let Some(pause) = node.store.settle().unwrap() {
        assert!(since_boot() < until, "the tables do not follow");
        std::thread::sleep(pause);
    }
}

const FULL: &str = "database or disk is full";

#[test]
fn tables_follow_once_the_writer_is_idle() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    assert_eq!(node.store.settle().unwrap(), None);
    node.batch(NOW, &[acquire("a")], End::Commit).unwrap();
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 0, "the batch wrote a journal row alone");
    settle(&mut node);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 1);
    assert_eq!(number(&mut node, "SELECT count(*) FROM journal"), 0);
}

#[test]
fn batches_are_synced_and_what_follows_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    let (synced, unsynced) = (2, 1);
    let synchronous = "SELECT synchronous FROM pragma_synchronous";
    for round in 0..3 {
        node.batch(NOW, &[acquire(&format!("a/{round}"))], End::Commit).unwrap();
        assert_eq!(number(&mut node, synchronous), synced, "round {round}");
        settle(&mut node);
        assert_eq!(number(&mut node, synchronous), unsynced, "round {round}");
        node.store.begin(LockWait::Skip).unwrap();
        assert_eq!(number(&mut node, synchronous), synced, "round {round}");
        node.store.rollback();
    }
}

#[test]
fn what_fails_in_the_middle_of_applying_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut node, mut model) = (open(&directory, "dlm.db"), open(&directory, "model.db"));
    for name in ["a", "b", "c"] {
        node.batch(NOW, &[acquire(name)], End::Commit).unwrap();
        model.batch(NOW, &[acquire(name)], End::Commit).unwrap();
    }
    fail_applying(&mut node, FULL);
    assert!(matches!(node.store.finish(), Err(StoreError::Unavailable(_))));
    assert_eq!(number(&mut node, "SELECT count(*) FROM journal"), 3);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 0);
    assert_eq!(number(&mut node, "SELECT count(*) FROM log"), 0);
    stop_failing(&mut node);
    assert_eq!(node.restart().dump(), model.dump());
}

#[test]
fn batches_go_on_while_tables_cannot_follow_until_the_tail_is_too_long() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    fail_applying(&mut node, FULL);
    let mut acquired = 0;
    let refused = loop {
        let ops: Vec<_> = (0..1000).map(|index| acquire(&format!("{acquired}/{index}"))).collect();
        match node.store.begin(LockWait::Skip) {
            Ok(()) => node.store.rollback(),
            Err(error) => break error,
        }
        node.batch(NOW, &ops, End::Commit).unwrap();
        acquired += ops.len();
        assert!(node.store.settle().unwrap().is_some(), "it is tried again");
        assert!(acquired < 100_000, "the tail grows on and on");
    };
    assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains(FULL)), "{refused}");
    assert!(acquired > 10_000, "batches are refused too early: {acquired}");
    stop_failing(&mut node);
    node.batch(NOW, &[acquire("last")], End::Commit).unwrap();
    settle(&mut node);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), acquired as i64 + 1);
}

#[test]
fn an_error_of_the_data_is_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    node.batch(NOW, &[acquire("a")], End::Commit).unwrap();
    fail_applying(&mut node, "no");
    std::thread::sleep(Duration::from_millis(60));
    assert!(matches!(node.store.settle(), Err(StoreError::Rejected(_))));
}

#[test]
fn a_part_of_the_tail_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    let ops: Vec<_> = (0..2000).map(|index| acquire(&index.to_string())).collect();
    node.batch(NOW, &ops, End::Commit).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(node.store.settle().unwrap(), Some(Duration::ZERO));
    let first = number(&mut node, "SELECT count(*) FROM claims");
    assert!((1..=200).contains(&first), "{first}, but a 16th is 125");
    assert_eq!(
        number(&mut node, "SELECT count(*) FROM journal"),
        1,
        "it is needed until all of it is applied"
    );
    settle(&mut node);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 2000);
}

#[test]
fn claims_are_applied_in_the_order_of_their_batches() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    for number in 0..80 {
        // In turns, of a few resources.
        let op = acquire_with(&(number % 4).to_string(), &number.to_string(), Mode::Shared);
        node.batch(NOW, &[op], End::Commit).unwrap();
    }
    node.apply(Budget { claims: 30, ..Budget::ALL }, false);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims WHERE CAST(key AS INTEGER) < 30"), 30);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 30);
    settle(&mut node);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 80);
}

#[test]
fn a_key_that_was_applied_without_the_rest_of_its_resource_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    let op =
        |number| acquire_with("a", &format!("01900000-000{number}-7000-8000-000000000000"), Mode::Shared);
    let granted: Vec<_> = (0..4)
        .flat_map(|number| node.batch(NOW, &[op(number)], End::Commit).unwrap().granted)
        .map(|(name, key, token)| (name, Op::Release { key, token }))
        .collect();
    node.batch(NOW, &granted, End::Commit).unwrap();
    node.apply(Budget { claims: 2, ..Budget::ALL }, false);
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 2);
    for key in 0..4 {
        node.evict_all();
        let repeated = node.batch(NOW, &[op(key)], End::Commit).unwrap();
        assert!(repeated.granted.is_empty(), "key {key} was granted again");
    }
}

#[test]
fn the_floor_of_a_deleted_resource_is_raised_although_the_resource_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    let granted = node.batch(NOW, &[acquire("a")], End::Commit).unwrap().granted;
    let (name, key, token) = granted[0].clone();
    let release = Op::Release { key, token };
    node.batch(NOW, &[(Name::clone(&name), release)], End::Commit).unwrap();
    node.store.finish().unwrap();
    let later = NOW.plus_ms(1_000);
    node.batch(later, &[(Name::clone(&name), Op::Sweep { waiters: Vec::new() })], End::Commit).unwrap();
    let again = (name, acquire("b").1);
    node.batch(later, &[again], End::Commit).unwrap();
    node.store.finish().unwrap();
    assert_eq!(number(&mut node, "SELECT count(*) FROM floors"), 1);
    assert_eq!(number(&mut node, "SELECT token FROM floors"), 1);
    assert_eq!(number(&mut node, "SELECT token FROM resources"), 2);
}

#[test]
fn a_start_names_the_journal_row_that_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    for name in ["a", "b", "c"] {
        node.batch(NOW, &[acquire(name)], End::Commit).unwrap();
    }
    let damage = "UPDATE journal SET data = CAST(substr(data, 1, length(data) - 1) || x'7f' AS BLOB) WHERE position = 2";
    node.store.connection.batch_execute(damage).unwrap();
    let path = directory.path().join("dlm.db").display().to_string();
    drop(node);
    let error = crate::store::sqlite::open(&path).map(drop).unwrap_err().to_string();
    assert!(error.contains("journal row 2") && error.contains("checksum"), "{error}");
}

#[test]
fn waiters_of_a_long_queue_are_loaded_without_the_tables_following() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory, "dlm.db");
    let wait = |key: usize| {
        let request = Request {
            mode: Mode::Exclusive,
            ttl_ms: 10_000,
            wait_ms: 10_000,
            owner: "owner".into(),
            metadata: "{}".into(),
        };
        let key = ClaimKey::new("p", format!("{key:02}"));
        (Name::from("a"), Op::Acquire { key, request: Arc::new(request) })
    };
    let acquired = node.batch(NOW, &[wait(0)], End::Commit).unwrap();
    let (name, mut holder, mut token) = acquired.granted[0].clone();
    (1..=12).for_each(|key| _ = node.batch(NOW, &[wait(key)], End::Commit).unwrap());
    node.store.finish().unwrap();
    node.evict(&name);
    // Some of the waiters that the tables have leave, and new ones come.
    let cancels = [2, 4, 5, 6, 7, 11].map(|key| {
        let key = ClaimKey::new("p", format!("{key:02}"));
        (Name::clone(&name), Op::Cancel { key })
    });
    node.batch(NOW, &cancels, End::Commit).unwrap();
    (13..=20).for_each(|key| _ = node.batch(NOW, &[wait(key)], End::Commit).unwrap());
    let mut order = Vec::new();
    loop {
        let outcome = node
            .batch(NOW, &[(Name::clone(&name), Op::Release { key: holder, token })], End::Commit)
            .unwrap();
        let Some((_, next, next_token)) = outcome.granted.first().cloned() else { break };
        order.push(next.key.parse::<usize>().unwrap());
        (holder, token) = (next, next_token);
    }
    let left = (1..=20).filter(|key| ![2, 4, 5, 6, 7, 11].contains(key));
    assert_eq!(order, left.collect::<Vec<_>>());
    assert_eq!(number(&mut node, "SELECT count(*) FROM claims"), 13, "the tables have not followed");
}
