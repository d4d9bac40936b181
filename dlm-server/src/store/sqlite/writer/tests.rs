//! What the writer stores and loads.

mod deletions;
mod equivalence;
mod garbage;
mod in_use;
mod node;
mod reads;
mod search;
mod settling;

use std::sync::Arc;

use dlm_engine::{ClaimChange, Event, EventKind, Lease, Mode, Phase, Request, ResourceRecord};

use super::*;
use crate::store::{LogRow, OpenStore, ResourceWrite, sqlite};

fn open(directory: &tempfile::TempDir) -> Box<dyn Store> {
    let path = directory.path().join("dlm.db").display().to_string();
    let OpenStore { mut stores, .. } = sqlite::open(&path).unwrap();
    stores.remove(0)
}

fn claim(key: &ClaimKey) -> Claim {
    let request = Request {
        mode: Mode::Exclusive,
        ttl_ms: 1,
        wait_ms: 2,
        owner: "owner".into(),
        metadata: "{}".into(),
    };
    let lease = Lease {
        token: 7,
        granted_at: Micros(3),
        term_at: Micros(4),
        ttl_ms: 5,
        expires_at: Micros(6),
        ticket: None,
    };
    Claim { key: key.clone(), request: Some(Arc::new(request)), phase: Phase::Live(lease) }
}

fn write(store: &mut dyn Store, writes: &[ResourceWrite<'_>]) {
    store.begin(LockWait::Skip).unwrap();
    store.write(&BatchWrite { now: Micros(1), writes, events: &[] }).unwrap();
    store.commit().unwrap();
}

#[test]
fn resources_of_a_batch_are_loaded_in_the_order_of_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(&directory);
    let [free, held, deleted, new] = ["a \"quoted\" é", "held", "deleted", "new"].map(Name::from);
    let record = |number: u64| ResourceRecord {
        version: number,
        token: number + 1,
        touched_at: Micros(number as i64 + 2),
        check_at: Micros(number as i64 + 3),
        queue_len: number + 4,
        holder_count: 0,
    };
    let held_record = ResourceRecord { holder_count: 1, ..record(100) };
    let key = ClaimKey::new("principal", "key");
    let change = ClaimChange {
        claim: Arc::new(claim(&key)),
        insert: true,
        was_live: false,
        was_waiting: false,
        check_at: None,
    };
    let row = |name, row, holder, claims| ResourceWrite {
        name,
        row: RowChange::Write { row, holder },
        stored_check_at: None,
        last_events: 0,
        has_events: false,
        claims,
    };
    let writes = [
        row(&free, record(10), None, vec![]),
        row(&held, held_record, Some(key.clone()), vec![&change]),
        row(&deleted, record(20), None, vec![]),
    ];
    write(&mut *store, &writes);
    let floor = Floor { token: 8, version: 9 };
    let deletion = RowChange::Delete(floor);
    write(
        &mut *store,
        &[ResourceWrite {
            name: &deleted,
            row: deletion,
            stored_check_at: None,
            last_events: 0,
            has_events: false,
            claims: vec![],
        }],
    );

    store.begin(LockWait::Skip).unwrap();
    let cached = Some(crate::store::CachedVersion { revision: 1, version: 10 });
    let targets = [
        LockTarget { name: &held, cached: None },
        LockTarget { name: &new, cached: None },
        LockTarget { name: &free, cached },
        LockTarget { name: &deleted, cached: None },
        LockTarget { name: &free, cached: None },
    ];
    let locked = store.lock(&targets, LockWait::Skip).unwrap();
    let [
        LockResult::Loaded(is_held),
        LockResult::Loaded(is_new),
        LockResult::Unchanged,
        LockResult::Loaded(is_deleted),
        LockResult::Loaded(is_free),
    ] = &locked[..]
    else {
        panic!("another order of results")
    };
    assert_eq!(is_held.resource.to_record(), held_record);
    assert_eq!(is_held.stored_check_at, Some(held_record.check_at));
    assert_eq!(is_held.resource.holders().map(|claim| (**claim).clone()).collect::<Vec<_>>(), [claim(&key)]);
    assert_eq!(is_free.resource.to_record(), record(10));
    assert_eq!(is_new.resource.to_record(), Resource::absent(Floor::default()).to_record());
    assert_eq!(is_deleted.resource.to_record(), Resource::absent(floor).to_record());
    assert_eq!((is_new.stored_check_at, is_deleted.stored_check_at), (None, None));
    store.rollback();
}

#[test]
fn events_of_a_batch_are_a_row_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dlm.db").display().to_string();
    let OpenStore { mut stores, reader, .. } = sqlite::open(&path).unwrap();
    let store = &mut *stores[0];
    let event = |version| {
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
    };
    for (at, events) in [(1000, vec![event(1), event(2)]), (2000, vec![event(3)])] {
        store.begin(LockWait::Skip).unwrap();
        store.write(&BatchWrite { now: Micros(at), writes: &[], events: &events }).unwrap();
        store.commit().unwrap();
    }
    let rows = |from| {
        let page = reader.log(from, 10).unwrap();
        let versions = |row: &LogRow| row.decode().unwrap().iter().map(|event| event.version).collect();
        page.rows.iter().map(|row| (row.position, versions(row))).collect::<Vec<(i64, Vec<u64>)>>()
    };
    assert_eq!(rows(0), [(1, vec![1, 2]), (2, vec![3])]);
    assert_eq!(store.last_batch().unwrap(), 2);
    let trim = LogTrim { before: Micros(1500), keep: i64::MAX, limit: 10 };
    // Only what the tables have is trimmed.
    assert_eq!(store.trim_log(&trim).unwrap(), 0);
    store.finish().unwrap();
    assert_eq!(store.trim_log(&trim).unwrap(), 1);
    let trim = LogTrim { before: Micros(0), keep: 2, limit: 10 };
    assert_eq!(store.trim_log(&trim).unwrap(), 0);
    assert_eq!(rows(0), [(2, vec![3])]);
}
