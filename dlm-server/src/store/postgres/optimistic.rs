//! The call that writes an optimistic batch: its statement and parameters.

use std::collections::HashMap;
use std::sync::LazyLock;

use diesel::sql_types::{Array, BigInt, Bool, Nullable};
use dlm_engine::Micros;

use super::batch_sql::{INSERTED, UPDATED};
use super::bulk::Param;
use super::columns::{Rows, claim_params, resource_params};
use crate::store::claim_columns::ClaimRecord;
use crate::store::optimistic::{Applied, Basis, OptimisticBatch};
use crate::store::statement::{Sql, Statement};
use crate::store::{Name, floor_bucket};

/// How far the estimate of the clock may lie behind it, in microseconds. The function has the
/// same number.
pub(super) const MAX_LAG: i64 = 2_000;

/// A call of the function of the migration `optimistic_batches`.
pub(super) struct CommitBatch;

/// The clock, the number of the batch, whether it is valid, which resources were omitted, and
/// whether commits wait for a standby.
pub(super) type Reply = (i64, Option<i64>, bool, Option<Vec<i64>>, bool);

/// The parameters besides columns: four of the batch, three of the basis, three of floors, two
/// of events, and a position for each of four kinds of rows.
const OTHERS: usize = 4 + 3 + 3 + 2 + 4;

/// The columns of a resource that are written.
const RESOURCE_COLUMNS: usize = 8;

impl Statement for CommitBatch {
    type Row = (BigInt, Nullable<BigInt>, Bool, Nullable<Array<BigInt>>, Bool);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| {
            // A claim's resource is a position.
            let columns = RESOURCE_COLUMNS + INSERTED.len() - 1 + UPDATED.len() - 1;
            let parameters = vec!["?"; OTHERS + columns].join(", ");
            Sql::new(&format!(
                "SELECT clock, number, is_valid, omitted, is_replicated FROM commit_batch_1({parameters})"
            ))
        });
        &SQL
    }
}

/// The parameters of a call by a writer whose marker row has this number.
pub(super) fn params<'a>(
    batch: &'a OptimisticBatch<'_>,
    rows: &'a Rows<'_>,
    events: &'a [String],
    writer: i64,
    last_batch: i64,
) -> Vec<Param<'a>> {
    let positions: HashMap<&str, i64> =
        batch.resources.iter().zip(1..).map(|((name, _), position)| (&**name, position)).collect();
    let position = |name: &str| positions.get(name).copied().unwrap_or_default();
    let stored =
        |get: fn(&Basis) -> i64| Param::ints(batch.resources.iter().map(move |(_, basis)| get(basis)));
    let absent = batch.resources.iter().filter_map(|(name, basis)| match basis {
        Basis::Absent(floor) => Some((name, floor)),
        Basis::Stored(_) => None,
    });
    let of_claims = |claims: &[ClaimRecord<'_>]| {
        Param::ints(claims.iter().map(|claim| position(claim.resource)).collect::<Vec<_>>())
    };
    let mut params = vec![
        batch.decided_at.0.into(),
        writer.into(),
        last_batch.into(),
        i64::from(batch.must_mark).into(),
        Param::texts(batch.resources.iter().map(|(name, _)| &**name)),
        stored(|basis| match basis {
            Basis::Stored(version) => version.revision as i64,
            Basis::Absent(_) => 0,
        }),
        stored(|basis| match basis {
            Basis::Stored(version) => version.version as i64,
            Basis::Absent(_) => 0,
        }),
        Param::ints(absent.clone().map(|(name, _)| floor_bucket(name))),
        Param::ints(absent.clone().map(|(_, floor)| floor.token as i64)),
        Param::ints(absent.map(|(_, floor)| floor.version as i64)),
    ];
    let written: Vec<_> = rows.new.iter().chain(&rows.changed).copied().collect();
    params.push(Param::ints(written.iter().map(|(name, ..)| position(name))));
    params.extend(resource_params(&written).into_iter().skip(1));
    params.push(Param::ints(rows.touched.iter().map(|name| position(name))));
    params.push(of_claims(&rows.inserted));
    params.extend(claim_params(&INSERTED[1..], &rows.inserted));
    params.push(of_claims(&rows.updated));
    params.extend(claim_params(&UPDATED[1..], &rows.updated));
    params.push(Param::ints(batch.events.iter().map(|(name, _): &(Name, _)| position(name))));
    params.push(Param::texts(events.iter().map(String::as_str)));
    params
}

/// The positions as indexes.
pub(super) fn indexes(positions: Option<Vec<i64>>) -> Vec<usize> {
    positions.into_iter().flatten().filter_map(|position| usize::try_from(position - 1).ok()).collect()
}

/// What a reply says; `None` if nothing was written.
pub(super) fn applied((clock, number, is_valid, omitted, _): Reply) -> Option<Applied> {
    is_valid.then(|| Applied { number, clock: Micros(clock), omitted: indexes(omitted) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::claim_columns::{ClaimColumn, Getter};

    const MIGRATION: &str =
        include_str!("../../../../migrations/postgres/2026-11-27-000001_optimistic_batches/up.sql");

    /// The parameters that the migration declares.
    fn declared() -> Vec<String> {
        let (_, rest) = MIGRATION.split_once("CREATE FUNCTION commit_batch_1(").unwrap();
        let (parameters, _) = rest.split_once("OUT ").unwrap();
        parameters
            .trim_end()
            .trim_end_matches(',')
            .split(',')
            .map(|parameter| parameter.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn every_column_of_a_claim_has_its_parameter_in_order() {
        let of = |prefix: &str, columns: &[ClaimColumn]| -> Vec<String> {
            let kind = |column: &ClaimColumn| match column.get {
                Getter::Text(_) => "TEXT[]",
                Getter::Int(_) | Getter::Bool(_) => "BIGINT[]",
            };
            columns.iter().map(|column| format!("{prefix}_{} {}", column.name, kind(column))).collect()
        };
        let (inserted, updated) = (of("inserted", &INSERTED[1..]), of("updated", &UPDATED[1..]));
        let declared = declared();
        assert!(declared.windows(inserted.len()).any(|part| part == inserted), "{declared:?}");
        assert!(declared.windows(updated.len()).any(|part| part == updated), "{declared:?}");
        assert_eq!(CommitBatch::sql().parameters(), declared.len());
    }

    #[test]
    fn function_accepts_the_same_lag() {
        assert!(MIGRATION.contains(&format!("decided_at < clock - {MAX_LAG}")));
    }
}
