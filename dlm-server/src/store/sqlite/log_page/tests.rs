//! The log goes on in the journal.

use diesel_migrations::MigrationHarness;
use dlm_engine::{Event, EventKind, Mode};

use super::*;
use crate::store::sqlite::MIGRATIONS;
use crate::store::sqlite::journal::Encoder;
use crate::store::{BatchWrite, Name, event};

fn event(version: u64) -> (Name, Event) {
    let event = Event {
        kind: EventKind::Queued,
        mode: Mode::Exclusive,
        token: None,
        current_token: 0,
        version,
        owner: "owner".into(),
        ticket: Some(version),
        waited_ms: None,
        ttl_ms: None,
        expires_at: None,
        queue_len: 1,
        at: Micros(3),
        reason: None,
        principal: None,
        by: None,
    };
    (Name::from("a"), event)
}

/// A batch at `100 * position` as a row of the journal, and its part that moves to the log.
fn encoded(position: i64, versions: &[u64]) -> (Vec<u8>, Vec<u8>) {
    let events: Vec<_> = versions.iter().map(|version| event(*version)).collect();
    let mut encoder = Encoder::default();
    let batch = BatchWrite { now: Micros(100 * position), writes: &[], events: &events };
    let encoded = encoder.encode(position, &batch);
    (encoded.data.to_vec(), encoded.data[encoded.events].to_vec())
}

fn insert_journal(connection: &mut SqliteConnection, position: i64, data: &[u8]) {
    let row = (journal::position.eq(position), journal::at.eq(100 * position), journal::upto.eq(0));
    diesel::insert_into(journal::table).values((row, journal::data.eq(data))).execute(connection).unwrap();
}

fn insert_log(connection: &mut SqliteConnection, position: i64, data: &[u8]) {
    let row = (log::position.eq(position), log::at.eq(100 * position), log::upto.eq(0));
    diesel::insert_into(log::table).values((row, log::data.eq(data))).execute(connection).unwrap();
}

/// Two rows of an older server, two that moved to the log, and a journal.
fn database() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    for (position, versions) in [(1, [1, 2]), (2, [3, 4])] {
        let json = format!("[{}]", event::to_json(&versions.map(event), &[]).unwrap().join(","));
        diesel::sql_query("INSERT INTO log (position, at, upto, data) VALUES (?, 0, 0, ?)")
            .bind::<diesel::sql_types::BigInt, _>(position)
            .bind::<diesel::sql_types::Text, _>(json)
            .execute(&mut connection)
            .unwrap();
    }
    insert_log(&mut connection, 3, &encoded(3, &[5]).1);
    insert_log(&mut connection, 5, &encoded(5, &[6, 7]).1);
    insert_journal(&mut connection, 6, &encoded(6, &[8]).0);
    // A batch without events is not a row of the log.
    insert_journal(&mut connection, 7, &encoded(7, &[]).0);
    insert_journal(&mut connection, 8, &encoded(8, &[9, 10]).0);
    insert_journal(&mut connection, 9, &encoded(9, &[]).0);
    connection
}

/// The versions of the events in each row of a page; `None` if it is damaged.
fn versions(page: &LogPage) -> Vec<(i64, Option<Vec<u64>>)> {
    let versions =
        |row: &LogRow| row.decode().ok().map(|events| events.iter().map(|event| event.version).collect());
    page.rows.iter().map(|row| (row.position, versions(row))).collect()
}

#[test]
fn a_page_goes_on_from_the_log_into_the_journal() {
    let mut connection = database();
    let all = [
        (1, Some(vec![1, 2])),
        (2, Some(vec![3, 4])),
        (3, Some(vec![5])),
        (5, Some(vec![6, 7])),
        (6, Some(vec![8])),
        (8, Some(vec![9, 10])),
    ];
    for from in 0..=10 {
        let rest: Vec<_> = all.iter().filter(|(position, _)| *position >= from).cloned().collect();
        for limit in 1..=7 {
            let page = read(&mut connection, from, limit).unwrap();
            let expected = &rest[..rest.len().min(limit as usize)];
            assert_eq!(versions(&page), expected, "from {from}, limit {limit}");
            assert_eq!(page.more, rest.len() >= limit as usize, "from {from}, limit {limit}");
            assert_eq!(page.head, LogHead(9));
        }
    }
}

#[test]
fn a_large_row_ends_a_page() {
    let mut connection = database();
    insert_log(&mut connection, 4, &vec![0; LOG_PAGE_BYTES]);
    let page = read(&mut connection, 3, 100).unwrap();
    assert_eq!(versions(&page), [(3, Some(vec![5])), (4, None)]);
    assert!(page.more);
    insert_journal(&mut connection, 10, &vec![0; LOG_PAGE_BYTES]);
    insert_journal(&mut connection, 11, &encoded(11, &[11]).0);
    let page = read(&mut connection, 8, 100).unwrap();
    assert_eq!(versions(&page), [(8, Some(vec![9, 10])), (10, None)]);
    assert!(page.more);
}

#[test]
fn a_damaged_row_does_not_hide_the_others() {
    let mut connection = database();
    let (mut journaled, mut logged) = encoded(10, &[11]);
    *journaled.last_mut().unwrap() ^= 1;
    *logged.last_mut().unwrap() ^= 1;
    insert_journal(&mut connection, 10, &journaled);
    insert_journal(&mut connection, 11, &encoded(11, &[12]).0);
    insert_log(&mut connection, 4, &logged);
    let page = read(&mut connection, 3, 100).unwrap();
    let expected = [
        (3, Some(vec![5])),
        (4, None),
        (5, Some(vec![6, 7])),
        (6, Some(vec![8])),
        (8, Some(vec![9, 10])),
        (10, None),
        (11, Some(vec![12])),
    ];
    assert_eq!(versions(&page), expected);
}

#[test]
fn the_head_is_the_last_batch_of_the_journal_or_the_marker() {
    let mut connection = database();
    assert_eq!(head(&mut connection).unwrap(), LogHead(9));
    diesel::delete(journal::table).execute(&mut connection).unwrap();
    assert_eq!(head(&mut connection).unwrap(), LogHead(0));
    let marker = (writers::id.eq(0), writers::batch.eq(9), writers::at.eq(900));
    diesel::insert_into(writers::table).values(marker).execute(&mut connection).unwrap();
    assert_eq!(head(&mut connection).unwrap(), LogHead(9));
}

#[test]
fn events_of_older_servers_are_left_to_a_search() {
    let mut connection = database();
    for (name, last) in [("a", 8), ("old", 2)] {
        diesel::sql_query(format!(
            "INSERT INTO resources (name, version, token, touched_at, check_at, queue_len, holder_count, \
             last_events) VALUES ('{name}', 0, 0, 0, 0, 0, 0, {last})"
        ))
        .execute(&mut connection)
        .unwrap();
    }
    let mut read = |name: &str, upto: i64| {
        let mut positions = Vec::new();
        let history = history(&mut connection, name, upto, &mut |row| {
            positions.push(row.position);
            true
        });
        (positions, history.unwrap().search_from)
    };
    // Row 8 has its name, and tells that there may be more up to the batch before.
    assert_eq!(read("a", i64::MAX), (vec![8], Some(7)));
    assert_eq!(read("old", i64::MAX), (vec![], Some(2)));
    assert_eq!(read("never used", i64::MAX), (vec![], None));
    // An earlier page begins at its end, or is searched for.
    assert_eq!(read("a", 5), (vec![5], Some(4)));
    assert_eq!(read("a", 1), (vec![], Some(1)));
}
