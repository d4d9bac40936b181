//! Deletion of old keys while the tables lag behind.

use std::sync::Arc;

use dlm_engine::{ClaimKey, Micros, Mode, Op, Request};

use super::node::{End, Node};
use crate::store::{ClaimRowKey, Housekeeping, KeyDeletion, Name, Store};

const LONG_AGO: Micros = Micros(1_000_000_000);
const NOW: Micros = Micros(2_000_000_000);
const CUTOFF: Micros = Micros(1_500_000_000);

fn acquire(key: &ClaimKey) -> Op {
    let request = Request {
        mode: Mode::Exclusive,
        ttl_ms: 10_000,
        wait_ms: 0,
        owner: "owner".into(),
        metadata: "{}".into(),
    };
    Op::Acquire { key: key.clone(), request: Arc::new(request) }
}

/// A store whose tables have a key that was released long ago.
fn with_old_key(directory: &tempfile::TempDir, name: &Name, key: &ClaimKey) -> Node {
    let mut node = Node::open(directory.path().join("dlm.db").display().to_string());
    let acquired = node.batch(LONG_AGO, &[(Name::clone(name), acquire(key))], End::Commit).unwrap();
    let token = acquired.granted[0].2;
    let release = Op::Release { key: key.clone(), token };
    node.batch(LONG_AGO, &[(Name::clone(name), release)], End::Commit).unwrap();
    node.store.finish().unwrap();
    node
}

fn deletion() -> KeyDeletion {
    let last = ClaimRowKey { resource: "z".into(), principal: "z".into(), key: "z".into() };
    KeyDeletion { after: None, last, cutoff: CUTOFF }
}

#[test]
fn old_keys_are_deleted_while_the_tail_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (name, key) = (Name::from("a"), ClaimKey::new("p", "old"));
    let mut node = with_old_key(&directory, &name, &key);
    let other = ClaimKey::new("p", "new");
    node.batch(NOW, &[(Name::from("b"), acquire(&other))], End::Commit).unwrap();
    assert_eq!(node.store.delete_keys(&deletion()).unwrap(), 1);
    assert!(!node.store.tail.is_empty(), "the tables need not follow for that");
}

#[test]
fn a_key_that_the_journal_still_has_is_deleted_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let (name, key) = (Name::from("a"), ClaimKey::new("p", "old"));
    let mut node = with_old_key(&directory, &name, &key);
    // The row of another resource keeps the change of the old key in the journal, even if
    // that is in the tables.
    let other = ClaimKey::new("p", "new");
    node.batch(NOW, &[(Name::from("b"), acquire(&other))], End::Commit).unwrap();
    node.batch(NOW, &[(Name::clone(&name), Op::Cancel { key })], End::Commit).unwrap();
    node.evict(&name);
    node.batch(NOW, &[(name, acquire(&ClaimKey::new("p", "next")))], End::Commit).unwrap();
    assert_eq!(node.store.delete_keys(&deletion()).unwrap(), 1);
    let mut node = node.restart();
    assert_eq!(node.dump().iter().filter(|row| row.contains("'old'")).count(), 0);
}

#[test]
fn an_old_key_that_only_the_journal_has_is_deleted_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let (name, key) = (Name::from("a"), ClaimKey::new("p", "old"));
    let mut node = Node::open(directory.path().join("dlm.db").display().to_string());
    let acquired = node.batch(LONG_AGO, &[(Name::clone(&name), acquire(&key))], End::Commit).unwrap();
    let release = Op::Release { key, token: acquired.granted[0].2 };
    node.batch(LONG_AGO, &[(name, release)], End::Commit).unwrap();
    assert_eq!(node.store.delete_keys(&deletion()).unwrap(), 1);
    let mut node = node.restart();
    assert_eq!(node.dump().iter().filter(|row| row.contains("'old'")).count(), 0);
}
