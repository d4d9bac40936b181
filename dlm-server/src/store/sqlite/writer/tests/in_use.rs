//! How much of what is in use a reader looks at.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros, Mode, Op, Request};

use super::node::{End, Node};
use super::reads;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{Contended, InUseLimits, Name, Names, Reader};

const NOW: Micros = Micros(1_000_000_000);

fn acquire(node: &mut Node, name: &str, key: &str, mode: Mode) {
    let (owner, metadata) = ("owner".into(), "{}".into());
    let request = Arc::new(Request { mode, ttl_ms: 10_000, wait_ms: 10_000, owner, metadata });
    let op = Op::Acquire { key: ClaimKey::new("p", key), request };
    node.batch(NOW, &[(Name::from(name), op)], End::Commit).unwrap();
}

/// Seven held locks, of which two have waiters, and one shared lock with three holders.
fn database(directory: &tempfile::TempDir) -> Node {
    let mut node = Node::open(directory.path().join("dlm.db").display().to_string());
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        acquire(&mut node, name, "holder", Mode::Exclusive);
    }
    for (name, key) in [("d", "1"), ("f", "1"), ("f", "2"), ("f", "3")] {
        acquire(&mut node, name, key, Mode::Exclusive);
    }
    for key in ["1", "2", "3"] {
        acquire(&mut node, "shared", key, Mode::Shared);
    }
    node
}

const ENOUGH: InUseLimits =
    InUseLimits { queues: 100, waiters: 100, leases: 100, within: Duration::from_secs(60) };

/// The names, and how many holders and waiters were read; and whether these are all.
fn read(reader: &SqliteReader, names: &Names, limits: InUseLimits) -> (Vec<(String, usize, usize)>, bool) {
    let Contended { views, complete } = reader.in_use(names, limits).unwrap();
    let row =
        |view: crate::store::ResourceView| (view.name.to_string(), view.holders.len(), view.waiters.len());
    (views.into_iter().map(row).collect(), complete)
}

fn rows(expected: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
    expected.iter().map(|(name, holders, waiters)| ((*name).to_owned(), *holders, *waiters)).collect()
}

#[test]
fn everything_in_use_is_read_with_the_longest_queues_first() {
    let directory = tempfile::tempdir().unwrap();
    let reader = reads::one(&database(&directory));
    let others = [("a", 1, 0), ("b", 1, 0), ("c", 1, 0), ("e", 1, 0), ("g", 1, 0), ("shared", 3, 0)];
    let all = [&[("f", 1, 3), ("d", 1, 1)][..], &others].concat();
    assert_eq!(read(&reader, &Names::All, ENOUGH), (rows(&all), true));
    let part = Names::below(["c", "f", "none"]);
    assert_eq!(read(&reader, &part, ENOUGH), (rows(&[("f", 1, 3), ("c", 1, 0)]), true));
}

#[test]
fn what_is_left_out_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let reader = reads::one(&database(&directory));
    let read = |limits| read(&reader, &Names::All, limits);
    let (found, complete) = read(InUseLimits { leases: 4, ..ENOUGH });
    assert_eq!((found, complete), (rows(&[("f", 1, 3), ("d", 1, 1), ("a", 1, 0), ("b", 1, 0)]), false));
    let (found, complete) = read(InUseLimits { waiters: 2, ..ENOUGH });
    assert_eq!((found[0].clone(), complete), (rows(&[("f", 1, 2)])[0].clone(), false));
    let (found, complete) = read(InUseLimits { queues: 1, ..ENOUGH });
    assert_eq!((found[0].0.as_str(), found.len(), complete), ("f", 8, false));
    // Two of three shared holders.
    let (found, complete) = read(InUseLimits { leases: 9, ..ENOUGH });
    assert_eq!((found[7].clone(), complete), (rows(&[("shared", 2, 0)])[0].clone(), false));
    let (found, complete) = read(InUseLimits { within: Duration::ZERO, ..ENOUGH });
    assert_eq!((found, complete), (Vec::new(), false));
}
