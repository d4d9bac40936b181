//! The events of one resource among those of others.

use super::harness::{TestWriter, answer, token};
use crate::store::{LogRow, Name};

/// The positions of the rows with events of a resource, newest first.
fn positions(rows: &[LogRow], name: &str) -> Vec<i64> {
    let has_events = |row: &&LogRow| row.decode().unwrap().iter().any(|event| event.resource == name);
    rows.iter().rev().filter(has_events).map(|row| row.position).collect()
}

#[test]
fn the_events_of_a_resource_are_read_without_those_of_others() {
    let mut writer = TestWriter::new();
    for round in 0..30 {
        let names: &[&str] = if round % 7 == 0 { &["a", "b"] } else { &["b", "c"] };
        let key = format!("k{round}");
        let mut leases: Vec<_> = names.iter().map(|name| writer.acquire(name, &key, 0).1).collect();
        writer.turn();
        for (name, lease) in names.iter().zip(&mut leases) {
            let token = token(&answer(lease));
            writer.release(name, &key, token);
        }
        writer.turn();
        if round == 15 {
            writer.state.store.finish().unwrap();
        }
    }
    let rows = writer.reader.log(0, i64::MAX).unwrap().rows;
    for name in ["a", "b", "c", "unknown"] {
        let mut read = Vec::new();
        let history = writer.reader.history(&Name::from(name), i64::MAX, &mut |row| {
            read.push(row.position);
            true
        });
        assert_eq!(history.unwrap().search_from, None);
        assert_eq!(read, positions(&rows, name), "{name}");
    }
    assert_eq!(positions(&rows, "a").len(), 10);
}

#[test]
fn no_more_of_a_history_is_read_than_wanted() {
    let mut writer = TestWriter::new();
    for round in 0..10 {
        let (_, mut lease) = writer.acquire("a", &format!("k{round}"), 0);
        writer.turn();
        writer.release("a", &format!("k{round}"), token(&answer(&mut lease)));
        writer.turn();
    }
    let mut read = Vec::new();
    let history = writer.reader.history(&Name::from("a"), i64::MAX, &mut |row| {
        read.push(row.position);
        read.len() < 3
    });
    assert_eq!((history.unwrap().search_from, read), (None, vec![20, 19, 18]));
}
