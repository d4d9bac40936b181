//! What is written of a claim, and read back.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_migrations::MigrationHarness;
use dlm_engine::{CancelOutcome, Lease, Micros, Presence, QueueEntry, ReplicaId, Request, Tombstone};

use super::*;
use crate::store::claim_columns::{ALL, Getter};
use crate::store::queries::Queries;
use crate::store::sqlite::MIGRATIONS;
use crate::store::sqlite::fixed::Value;
use crate::store::statement::statements;

fn database() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    connection
}

/// A claim in each phase, with a different value in every column.
fn phases() -> Vec<Phase> {
    let lease = Lease {
        token: 11,
        granted_at: Micros(12),
        term_at: Micros(13),
        ttl_ms: 14,
        expires_at: Micros(15),
        ticket: Some(16),
    };
    let queued = |presence| {
        Phase::Waiting(QueueEntry { ticket: 1, enqueued_at: Micros(2), deadline: Micros(3), presence })
    };
    let ended = |reason, lease: Option<&Lease>, cancel| {
        let (ended_at, lease) = (Micros(21), lease.cloned());
        Phase::Ended(Tombstone { ended_at, reason, lease, current_token: 22, cancel })
    };
    vec![
        queued(Presence::Parked(ReplicaId(4))),
        queued(Presence::Away(Micros(5))),
        Phase::Live(lease.clone()),
        Phase::Live(Lease { term_at: Micros(17), ttl_ms: 18, expires_at: Micros(19), ..lease.clone() }),
        ended(EndReason::Released, Some(&lease), Some(CancelOutcome::Released)),
        ended(EndReason::ForceReleased, Some(&lease), None),
        ended(EndReason::TimedOut, None, None),
    ]
}

fn claim(mode: Mode, phase: Phase) -> Claim {
    let request =
        Request { mode, ttl_ms: 6, wait_ms: 7, owner: "owner".into(), metadata: "{\"a\":1}".into() };
    Claim { key: ClaimKey::new("principal", "key"), request: Some(Arc::new(request)), phase }
}

fn dirty(claim: &Claim, stored: StoredClaim) -> DirtyClaim {
    DirtyClaim { first: 1, claim: Arc::new(claim.clone()), mode: claim.mode(), check_at: None, stored }
}

fn stored(connection: &mut SqliteConnection, claim: &Claim) -> Claim {
    connection.claim("a", &claim.key).unwrap().unwrap().into_claim().unwrap()
}

#[test]
fn an_inserted_claim_is_read_back_unchanged() {
    for mode in [Mode::Exclusive, Mode::Shared] {
        for phase in phases() {
            let mut connection = database();
            let mut claim = claim(mode, phase);
            write(&mut connection, "a", &dirty(&claim, StoredClaim::Absent)).unwrap();
            assert_eq!(stored(&mut connection, &claim), claim);
            if let Phase::Live(lease) = &mut claim.phase {
                let mut connection = database();
                lease.ticket = None;
                write(&mut connection, "a", &dirty(&claim, StoredClaim::Absent)).unwrap();
                assert_eq!(stored(&mut connection, &claim), claim);
            }
        }
    }
}

#[test]
fn an_updated_claim_is_read_back_unchanged() {
    let [parked, away, live, renewed, released, force_released, timed_out] =
        phases().try_into().unwrap_or_else(|_| panic!("a phase was added"));
    let transitions = [
        (&parked, &away),
        (&away, &parked),
        (&parked, &live),
        (&parked, &timed_out),
        (&live, &renewed),
        (&live, &released),
        (&live, &force_released),
    ];
    for mode in [Mode::Exclusive, Mode::Shared] {
        for (before, after) in transitions {
            let mut connection = database();
            let was_live = matches!(before, Phase::Live(_));
            let stored_before = if was_live { StoredClaim::Live } else { StoredClaim::Other };
            let (before, after) = (claim(mode, before.clone()), claim(mode, after.clone()));
            write(&mut connection, "a", &dirty(&before, StoredClaim::Absent)).unwrap();
            write(&mut connection, "a", &dirty(&after, stored_before)).unwrap();
            assert_eq!(stored(&mut connection, &after), after, "before: {before:?}");
        }
    }
}

#[test]
fn several_claims_are_loaded_in_the_order_of_their_keys() {
    let mut connection = database();
    let stored: Vec<Claim> = phases()
        .into_iter()
        .enumerate()
        .map(|(index, phase)| {
            let key = ClaimKey::new("principal", format!("{index} \"key\" é"));
            Claim { key, ..claim(Mode::Exclusive, phase) }
        })
        .collect();
    for claim in &stored {
        write(&mut connection, "a", &dirty(claim, StoredClaim::Absent)).unwrap();
    }
    let (name, other) = (Name::from("a"), Name::from("b"));
    let unknown = ClaimKey::new("principal", "unknown");
    let other_principal = ClaimKey::new("", stored[0].key.key.clone());
    let mut keys = vec![(&name, &unknown), (&name, &other_principal), (&other, &stored[0].key)];
    keys.extend(stored.iter().rev().map(|claim| (&name, &claim.key)));
    let expected: Vec<Option<Claim>> =
        [None, None, None].into_iter().chain(stored.iter().rev().cloned().map(Some)).collect();
    assert_eq!(load(&mut connection, &keys).unwrap(), expected);
}

#[test]
fn a_claim_of_which_the_table_has_an_unknown_state_is_replaced() {
    for mode in [Mode::Exclusive, Mode::Shared] {
        for before in phases() {
            for after in phases() {
                let mut connection = database();
                let (before, after) = (claim(mode, before.clone()), claim(mode, after));
                write(&mut connection, "a", &dirty(&before, StoredClaim::Unknown)).unwrap();
                write(&mut connection, "a", &dirty(&after, StoredClaim::Unknown)).unwrap();
                assert_eq!(stored(&mut connection, &after), after, "before: {before:?}");
            }
        }
    }
}

#[test]
fn a_claim_that_the_table_lacks_is_not_updated() {
    let [_, _, live, _, released, _, _] = phases().try_into().unwrap_or_else(|_| panic!("a phase was added"));
    for (phase, stored) in [
        (live.clone(), StoredClaim::Live),
        (live, StoredClaim::Other),
        (released.clone(), StoredClaim::Live),
        (released, StoredClaim::Other),
    ] {
        let dirty = dirty(&claim(Mode::Exclusive, phase), stored);
        assert!(matches!(write(&mut database(), "a", &dirty), Err(StoreError::Corrupt(_))));
    }
}

#[test]
fn any_claim_that_exists_is_found() {
    let mut connection = database();
    let existing = claim(Mode::Exclusive, phases().remove(0));
    write(&mut connection, "a", &dirty(&existing, StoredClaim::Absent)).unwrap();
    let (name, other) = (Name::from("a"), Name::from("b"));
    let other_principal = ClaimKey::new("", existing.key.key.clone());
    let unknown = [(&other, &existing.key), (&name, &other_principal)];
    assert!(!any_exists(&mut connection, &[]).unwrap());
    assert!(!any_exists(&mut connection, &unknown).unwrap());
    assert!(any_exists(&mut connection, &[unknown[0], (&name, &existing.key), unknown[1]]).unwrap());
}

#[test]
fn the_column_list_agrees_with_the_table() {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        kind: String,
    }
    let columns: Vec<Column> =
        diesel::sql_query("SELECT name, type AS kind FROM pragma_table_info('claims') ORDER BY cid")
            .load(&mut database())
            .unwrap();
    assert_eq!(columns.len(), ALL.len());
    for (stored, listed) in columns.iter().zip(ALL) {
        let kinds: &[_] = match listed.get {
            Getter::Int(_) => &["BIGINT", "SMALLINT"],
            Getter::Bool(_) => &["BOOLEAN"],
            Getter::Text(_) => &["TEXT"],
        };
        assert_eq!(stored.name, listed.name);
        assert!(kinds.contains(&&*stored.kind), "{} is {}", stored.name, stored.kind);
    }
}

#[test]
fn a_wrong_number_of_parameters_is_an_error() {
    statements! {
        Mark -> () = "INSERT INTO writers (id, batch, at) VALUES (?, ?, ?)";
    }
    let mut connection = database();
    let value = || Value::from(1_i64);
    for (few_or_many, result) in [
        ("few", fixed::run::<Mark, _>(&mut connection, [value(), value()])),
        ("many", fixed::run::<Mark, _>(&mut connection, [value(), value(), value(), value()])),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(&format!("too {few_or_many} parameters")), "{error}");
    }
    assert_eq!(fixed::run::<Mark, _>(&mut connection, [value(), value(), value()]), Ok(1));
}
