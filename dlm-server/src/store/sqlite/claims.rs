//! How the writer loads and writes claims.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sqlite::SqliteConnection;
use dlm_engine::{Claim, ClaimChange, ClaimKey, EndReason, Mode, Phase};

use super::fixed::{self, EndClaim, InsertClaim, InsertLease, LoadClaims, RenewClaim, UpdateClaim};
use crate::store::claim_columns::ClaimRecord;
use crate::store::rows::{ClaimRow, claims_in_order};
use crate::store::{Name, StoreError};

/// Loads claims.
pub(super) fn load(
    connection: &mut SqliteConnection,
    keys: &[(&Name, &ClaimKey)],
) -> Result<Vec<Option<Claim>>, StoreError> {
    let asked: Vec<[&str; 3]> = keys.iter().map(|(name, key)| [&*key.key, name, &*key.principal]).collect();
    let asked = serde_json::to_string(&asked).map_err(|error| StoreError::Rejected(error.to_string()))?;
    let rows: Vec<(String, ClaimRow)> = fixed::load::<LoadClaims, _, 1>(connection, [(&*asked).into()])?;
    claims_in_order(rows, keys)
}

/// Writes a claim. The most frequent changes have statements of their own,
/// which touch no index.
pub(super) fn write(
    connection: &mut SqliteConnection,
    name: &str,
    change: &ClaimChange,
) -> Result<(), StoreError> {
    let record = ClaimRecord::new(name, change);
    let claim = &*change.claim;
    let written = match &claim.phase {
        Phase::Live(lease) if change.insert && lease.ticket.is_none() => {
            fixed::run_claim::<InsertLease, _>(connection, &record)
        }
        _ if change.insert => fixed::run_claim::<InsertClaim, _>(connection, &record),
        Phase::Live(_) if change.was_live => fixed::run_claim::<RenewClaim, _>(connection, &record),
        Phase::Ended(tombstone)
            if change.was_live
                && claim.mode() == Mode::Exclusive
                && tombstone.reason != EndReason::ForceReleased =>
        {
            fixed::run_claim::<EndClaim, _>(connection, &record)
        }
        _ => fixed::run_claim::<UpdateClaim, _>(connection, &record),
    };
    match written {
        Ok(written) => one_row(written),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if change.insert => {
            Err(StoreError::KeyExists)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn one_row(written: usize) -> Result<(), StoreError> {
    match written {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt(format!("a write changed {written} rows instead of one"))),
    }
}

#[cfg(test)]
mod tests {
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

    fn change(claim: &Claim, insert: bool, was_live: bool) -> ClaimChange {
        ClaimChange { claim: Arc::new(claim.clone()), insert, was_live, was_waiting: false, check_at: None }
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
                write(&mut connection, "a", &change(&claim, true, false)).unwrap();
                assert_eq!(stored(&mut connection, &claim), claim);
                if let Phase::Live(lease) = &mut claim.phase {
                    let mut connection = database();
                    lease.ticket = None;
                    write(&mut connection, "a", &change(&claim, true, false)).unwrap();
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
                let (before, after) = (claim(mode, before.clone()), claim(mode, after.clone()));
                write(&mut connection, "a", &change(&before, true, false)).unwrap();
                write(&mut connection, "a", &change(&after, false, was_live)).unwrap();
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
            write(&mut connection, "a", &change(claim, true, false)).unwrap();
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
    fn a_claim_with_a_known_key_is_not_inserted_again() {
        let mut connection = database();
        let inserted = change(&claim(Mode::Exclusive, phases().remove(0)), true, false);
        write(&mut connection, "a", &inserted).unwrap();
        assert!(matches!(write(&mut connection, "a", &inserted), Err(StoreError::KeyExists)));
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
}
