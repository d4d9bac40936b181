//! What readers return while the tables lag behind.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use dlm_engine::{ClaimKey, Micros};
use dlm_protocol::StateFilter;

use super::node::Node;
use crate::random::Random;
use crate::store::sqlite::DatabasePath;
use crate::store::sqlite::reader::SqliteReader;
use crate::store::{InUseLimits, ListQuery, LogHead, Name, Names, Reader, StoreError, views};

/// Readers of one store, which look at it at different times.
pub(super) struct Readers {
    /// Always the same connection, and it reads every time.
    constant: SqliteReader,
    /// As a rule always the same connection, and it reads now and then.
    occasional: SqliteReader,
}

impl Readers {
    pub(super) fn of(node: &Node) -> Self {
        Self { constant: one(node), occasional: pool(node) }
    }

    /// Some of the readers must read this.
    pub(super) fn check(
        &self,
        node: &Node,
        random: &mut Random,
        expected: &[String],
        read: impl Fn(&SqliteReader) -> Vec<String>,
    ) {
        assert_eq!(read(&self.constant), expected, "a reader that reads every time");
        assert_eq!(applied_and_shown(&self.constant), 0, "it forgets what the tables have");
        if random.below(3) == 0 {
            // One that fails must not be left with half of it.
            if random.below(3) == 0 {
                let failed = self.occasional.read(|_| Err::<(), _>(StoreError::KeyExists));
                assert!(matches!(failed, Err(StoreError::KeyExists)));
            }
            assert_eq!(read(&self.occasional), expected, "a reader that reads now and then");
        }
        if random.below(10) == 0 {
            assert_eq!(read(&one(node)), expected, "a new reader");
        }
    }
}

/// A reader with a connection of its own.
pub(super) fn one(node: &Node) -> SqliteReader {
    let path = DatabasePath(node.path.clone());
    SqliteReader::one(&path, node.store.clock.clone(), node.store._lock.clone())
}

fn pool(node: &Node) -> SqliteReader {
    let path = DatabasePath(node.path.clone());
    SqliteReader::pool(&path, node.store.clock.clone(), node.store._lock.clone()).unwrap()
}

/// How many rows a reader still has that the journal no longer changes.
fn applied_and_shown(reader: &SqliteReader) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let text = "SELECT count(*) AS number FROM (SELECT position FROM changed_resources \
        UNION ALL SELECT position FROM changed_claims UNION ALL SELECT position FROM changed_floors) \
        WHERE position < coalesce((SELECT min(position) FROM journal), position + 1)";
    reader.read(|connection| Ok(diesel::sql_query(text).get_result::<Row>(connection)?.number)).unwrap()
}

/// What a reader returns for each of its calls, and for what is due around this instant.
pub(super) fn everything(
    reader: &SqliteReader,
    names: &[Name],
    keys: &[(Name, ClaimKey)],
    now: Micros,
) -> Vec<String> {
    let mut texts = Vec::new();
    for name in names {
        texts.push(format!("view {:?}", reader.view(name, 100).unwrap()));
    }
    for (name, key) in keys.iter().rev().take(10) {
        texts.push(format!("position {name} {key:?} {:?}", reader.queue_position(name, key).unwrap()));
    }
    for name in names {
        texts.push(format!("queue {name} {:?}", reader.queue(name).unwrap()));
    }
    let versions: BTreeMap<_, _> = reader.versions(names).unwrap().into_iter().collect();
    texts.push(format!("versions {versions:?}"));
    let part = Names::below(["b", "d"]);
    for state in [StateFilter::All, StateFilter::Held, StateFilter::Waiting] {
        for (names, limit, after) in [(&Names::All, 2, Some("a")), (&part, 100, None)] {
            let after = after.map(str::to_owned);
            let query = ListQuery { prefix: String::new(), contains: String::new(), state, limit, after };
            texts.push(format!("list {query:?} {:?}", reader.list(&query, names).unwrap()));
        }
    }
    texts.push(format!("list again {:?}", reader.list_again(names).unwrap()));
    let long = Micros(now.0 - 50_000);
    for names in [&Names::All, &part] {
        texts.push(format!("counts {:?}", reader.lock_counts(long, names).unwrap()));
        for number in [2, 1_000] {
            let within = Duration::from_secs(60);
            let limits = InUseLimits { queues: number, waiters: number, leases: number, within };
            texts.push(format!("in use {:?}", reader.in_use(names, limits).unwrap()));
        }
    }
    let totals = reader.claim_totals(&[Names::All, part]).unwrap();
    for below in totals.below {
        let below: BTreeMap<_, _> = below.into_iter().collect();
        texts.push(format!("totals {below:?} as of {:?}", totals.writers));
    }
    texts.extend(due(reader, now));
    texts.extend(log(reader));
    texts
}

fn due(reader: &SqliteReader, now: Micros) -> Vec<String> {
    let instants = [-300, -50, 0, 50, 300, 1000].map(|ms| Micros(now.0 + 1000 * ms));
    let due = |by| {
        let mut due = reader.read(|connection| views::due(connection, by, 1000)).unwrap();
        // Equal instants are in any order.
        due.resources.sort();
        due.waiters.sort();
        format!("due by {by:?}: {:?} {:?}, then {:?}", due.resources, due.waiters, due.next)
    };
    instants.map(due).to_vec()
}

fn log(reader: &SqliteReader) -> Vec<String> {
    let LogHead(head) = reader.log(i64::MAX, 1).unwrap().head;
    let mut texts = Vec::new();
    for (from, limit) in [(0, 3), (head - 10, 100), (head - 3, 2), (head, 10)] {
        let page = reader.log(from, limit).unwrap();
        texts.push(format!("log from {from}: head {:?}, more {}", page.head, page.more));
        texts.extend(page.rows.iter().map(|row| format!("{}: {:?}", row.position, row.decode().unwrap())));
    }
    texts
}
