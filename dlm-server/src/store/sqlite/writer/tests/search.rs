//! Searches for a part of a name, of which each looks at a bounded number of names.

use std::sync::Arc;

use dlm_engine::{ClaimKey, Micros, Mode, Op, Request};
use dlm_protocol::StateFilter;

use super::node::{End, Node};
use super::reads;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{ListQuery, Name, Names, Reader};

const NOW: Micros = Micros(1_000_000_000);

/// Thirty locks, of which those with an even number are held.
fn database(directory: &tempfile::TempDir) -> Node {
    let mut node = Node::open(directory.path().join("dlm.db").display().to_string());
    let (owner, metadata) = ("owner".into(), "{}".into());
    let request = Arc::new(Request { mode: Mode::Exclusive, ttl_ms: 10_000, wait_ms: 0, owner, metadata });
    for number in 0..30 {
        let (name, key) = (Name::from(format!("lock/{number:02}")), ClaimKey::new("p", "key"));
        let acquire = Op::Acquire { key: key.clone(), request: Arc::clone(&request) };
        node.batch(NOW, &[(name.clone(), acquire)], End::Commit).unwrap();
        if number % 2 == 1 {
            node.batch(NOW, &[(name, Op::Release { key, token: 1 })], End::Commit).unwrap();
        }
    }
    node
}

/// The names that each search found, until there are no more.
fn searches(reader: &SqliteReader, query: &ListQuery, names: &Names) -> Vec<Vec<String>> {
    let (mut query, mut found) = (query.clone(), Vec::new());
    loop {
        let page = reader.list(&query, names).unwrap();
        found.push(page.views.iter().map(|view| view.name.to_string()).collect());
        match page.next {
            Some(next) => query.after = Some(next.to_string()),
            None => return found,
        }
    }
}

fn search_for(part: &str, state: StateFilter) -> ListQuery {
    ListQuery { prefix: String::new(), contains: part.into(), state, limit: 100, after: None }
}

#[test]
fn a_search_ends_after_ten_names_and_the_next_one_goes_on_behind_them() {
    let directory = tempfile::tempdir().unwrap();
    let reader = reads::one(&database(&directory));
    let all = searches(&reader, &search_for("5", StateFilter::All), &Names::All);
    assert_eq!(all, [vec!["lock/05"], vec!["lock/15"], vec!["lock/25"], vec![]]);
    let none = searches(&reader, &search_for("lost", StateFilter::All), &Names::All);
    assert_eq!(none, [[""; 0]; 4]);
    // Only the fifteen that are held count.
    let held = searches(&reader, &search_for("LOCK/2", StateFilter::Held), &Names::All);
    assert_eq!(held, [vec![], vec!["lock/20", "lock/22", "lock/24", "lock/26", "lock/28"]]);
}

#[test]
fn a_search_ends_with_its_limit_and_stays_among_the_names_in_sight() {
    let directory = tempfile::tempdir().unwrap();
    let reader = reads::one(&database(&directory));
    let query = ListQuery { limit: 2, ..search_for("0", StateFilter::All) };
    let found = searches(&reader, &query, &Names::All).concat();
    let expected: Vec<String> = (0..10).chain([10, 20]).map(|number| format!("lock/{number:02}")).collect();
    assert_eq!(found, expected);
    assert!(searches(&reader, &query, &Names::All).iter().all(|page| page.len() <= 2));
    let some = Names::below(["lock/05", "lock/10", "lock/29"]);
    assert_eq!(
        searches(&reader, &search_for("lock", StateFilter::All), &some).concat(),
        ["lock/05", "lock/10", "lock/29"]
    );
    let query = ListQuery { prefix: "lock/1".into(), ..search_for("9", StateFilter::All) };
    assert_eq!(searches(&reader, &query, &Names::All).concat(), ["lock/19"]);
}
