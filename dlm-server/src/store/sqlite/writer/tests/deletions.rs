//! What readers see of resources whose deletion only the journal has.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros, Mode, Op, Request};
use dlm_protocol::StateFilter;

use super::node::{End, Node};
use super::reads;
use crate::store::sqlite::journal::apply::Budget;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{ListQuery, Name, Names, Reader, Store, floor_bucket};

const NOW: Micros = Micros(1_000_000_000);
/// When a resource that was used at `NOW` has been idle for long enough.
const IDLE: Micros = Micros(1_000_600_000);

/// Acquires and releases a resource so many times.
fn cycle(node: &mut Node, name: &Name, times: u64) {
    for round in 0..times {
        let key = ClaimKey::new("p", format!("{name}/{}/{round}", node.store.last_batch));
        let request = Request {
            mode: Mode::Exclusive,
            ttl_ms: 10_000,
            wait_ms: 0,
            owner: "owner".into(),
            metadata: "{}".into(),
        };
        let acquire = Op::Acquire { key: key.clone(), request: Arc::new(request) };
        let acquired = node.batch(NOW, &[(Name::clone(name), acquire)], End::Commit).unwrap();
        let release = Op::Release { key, token: acquired.granted[0].2 };
        node.batch(NOW, &[(Name::clone(name), release)], End::Commit).unwrap();
    }
}

fn delete(node: &mut Node, name: &Name) {
    node.batch(IDLE, &[(Name::clone(name), Op::Sweep { waiters: Vec::new() })], End::Commit).unwrap();
}

fn token(reader: &SqliteReader, name: &str) -> u64 {
    reader.view(&Name::from(name), 1).unwrap().0.row.token
}

fn listed(reader: &SqliteReader) -> Vec<Name> {
    let query = ListQuery {
        prefix: String::new(),
        contains: String::new(),
        state: StateFilter::All,
        limit: 10,
        after: None,
    };
    reader.list(&query, &Names::All).unwrap().views.into_iter().map(|view| view.name).collect()
}

fn open(directory: &tempfile::TempDir) -> Node {
    Node::open(directory.path().join("dlm.db").display().to_string())
}

#[test]
fn a_deleted_resource_is_not_listed_and_its_counters_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory);
    let name = Name::from("a");
    cycle(&mut node, &name, 3);
    let reader = reads::one(&node);
    for is_applied in [false, true] {
        if is_applied {
            node.store.finish().unwrap();
        }
        assert_eq!((listed(&reader), token(&reader, "a")), (vec![Name::clone(&name)], 3));
    }
    // The reader has a row in the journal before it is deleted.
    cycle(&mut node, &name, 1);
    assert_eq!((listed(&reader), token(&reader, "a")), (vec![Name::clone(&name)], 4));
    delete(&mut node, &name);
    for is_applied in [false, true] {
        if is_applied {
            node.store.finish().unwrap();
        }
        assert_eq!((listed(&reader), token(&reader, "a")), (vec![], 4), "applied: {is_applied}");
    }
    cycle(&mut node, &name, 1);
    assert_eq!((listed(&reader), token(&reader, "a")), (vec![name], 5));
}

#[test]
fn the_floor_of_a_bucket_is_that_of_all_its_deleted_resources() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(&directory);
    let [first, second, never_used] = names_of_one_bucket();
    cycle(&mut node, &first, 2);
    cycle(&mut node, &second, 5);
    node.store.finish().unwrap();
    delete(&mut node, &first);
    delete(&mut node, &second);
    let readers = [reads::one(&node), reads::one(&node)];
    assert_eq!(token(&readers[0], &never_used), 5);
    // The tables get the first deletion, and the journal keeps the second one.
    let until = node.store.last_batch - 1;
    let first_alone = Budget { until, claims: usize::MAX, rows: usize::MAX, time: Duration::MAX };
    node.apply(first_alone, false);
    for reader in &readers {
        assert_eq!(token(reader, &never_used), 5);
    }
    node.store.finish().unwrap();
    for reader in &readers {
        assert_eq!(token(reader, &never_used), 5);
    }
}

fn names_of_one_bucket() -> [Name; 3] {
    let bucket = floor_bucket("a");
    let names = (0..).map(|number| format!("a/{number}")).filter(|name| floor_bucket(name) == bucket);
    let mut names = names.map(Name::from);
    [(); 3].map(|()| names.next().unwrap())
}
