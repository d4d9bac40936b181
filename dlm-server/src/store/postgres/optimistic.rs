//! The call that writes an optimistic batch: its statement and parameters.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use dlm_engine::Micros;

use super::batch_sql::{INSERTED, UPDATED};
use super::bulk::Param;
use super::columns::Rows;
use super::places::Places;
use crate::store::claim_columns::{ClaimColumn, ClaimRecord, Getter};
use crate::store::optimistic::{Applied, Basis, OptimisticBatch};
use crate::store::statement::{Sql, Statement};
use crate::store::{Name, StoredFloor, floor_bucket};

/// How far the estimate of the clock may lie behind it, in microseconds. The function has the
/// same numbers.
const MAX_LAG: i64 = 2_000;
/// The same, if no lease has expired since. Less than the shortest TTL, so that no lease is over when it is granted.
pub(super) const MAX_LAG_WITHOUT_EXPIRY: i64 = 50_000;

/// Whether a batch is recent enough to be written at this instant.
pub(super) fn is_in_time(batch: &OptimisticBatch<'_>, clock: i64) -> bool {
    let lag = clock - batch.decided_at.0;
    let allowed = if clock < batch.valid_until.0 { MAX_LAG_WITHOUT_EXPIRY } else { MAX_LAG };
    (0..=allowed).contains(&lag)
}

/// A call of the function of the migration `places_and_links`.
pub(super) struct CommitBatch;

/// Who calls.
pub(super) struct Caller<'a> {
    /// The id of its marker row.
    pub(super) writer: i64,
    /// The number in this row.
    pub(super) last_batch: i64,
    /// The place of this row; empty if it is not known.
    pub(super) marker_place: &'a str,
    pub(super) places: &'a Places,
    /// Whether nothing is written if a resource is not as assumed, so that the call locks rows by changing
    /// them. If another server changes them, too, the call may wait, or write nothing.
    pub(super) all_or_nothing: bool,
}

/// What a call returns.
#[derive(Queryable)]
pub(super) struct Reply {
    pub(super) clock: i64,
    /// The number of the batch.
    pub(super) number: Option<i64>,
    pub(super) is_valid: bool,
    /// Which resources were omitted, by position, counted from 1.
    pub(super) omitted: Option<Vec<i64>>,
    /// Whether commits wait for a standby.
    pub(super) is_replicated: bool,
    /// The new place of the marker row.
    pub(super) marked_place: Option<String>,
    /// The positions of the rows that were changed.
    moved: Option<Vec<i64>>,
    /// Their new places.
    moved_to: Option<Vec<String>>,
    /// The names of the rows that were inserted.
    created: Option<Vec<String>>,
    created_at: Option<Vec<String>>,
}

impl Statement for CommitBatch {
    type Row = (
        BigInt,
        Nullable<BigInt>,
        Bool,
        Nullable<Array<BigInt>>,
        Bool,
        Nullable<Text>,
        Nullable<Array<BigInt>>,
        Nullable<Array<Text>>,
        Nullable<Array<Text>>,
        Nullable<Array<Text>>,
    );

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| {
            Sql::new(
                "SELECT clock, number, is_valid, omitted, is_replicated, marked_place, moved, moved_to, created, \
                 created_at FROM commit_batch_3(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
        });
        &SQL
    }
}

/// The parameters of a call by a writer whose marker row has this number.
pub(super) fn params<'a>(
    batch: &'a OptimisticBatch<'_>,
    rows: &'a Rows<'_>,
    events: &'a [String],
    caller: &Caller<'a>,
) -> Vec<Param<'a>> {
    let positions: HashMap<&str, i64> =
        batch.resources.iter().zip(1..).map(|((name, _), position)| (&**name, position)).collect();
    let position = |name: &str| positions.get(name).copied().unwrap_or_default();
    let basis = batch.resources.iter().flat_map(|(_, basis)| match basis {
        Basis::Stored(stored) => [stored.revision as i64, stored.version as i64],
        Basis::Absent(_) => [0, 0],
    });
    let floors = batch.resources.iter().filter_map(|(name, basis)| match basis {
        Basis::Absent(StoredFloor { floor, last_events }) => {
            Some([floor_bucket(name), floor.token as i64, floor.version as i64, *last_events])
        }
        Basis::Stored(_) => None,
    });
    let written = || rows.new.iter().chain(&rows.changed);
    let changing: HashSet<&str> =
        written().map(|row| &**row.name).chain(rows.touched.iter().map(|name| &***name)).collect();
    let seen = batch.resources.iter().filter(|(name, _)| !changing.contains(&**name));
    vec![
        batch.decided_at.0.into(),
        batch.valid_until.0.into(),
        caller.writer.into(),
        caller.last_batch.into(),
        caller.marker_place.into(),
        i64::from(batch.must_mark).into(),
        i64::from(caller.all_or_nothing).into(),
        Param::texts(batch.resources.iter().map(|(name, _)| &**name)),
        Param::ints(basis),
        Param::Texts(batch.resources.iter().map(|(name, _)| caller.places.get(name)).collect()),
        Param::ints(caller.places.crowded(batch.resources.iter().map(|(name, _)| &**name))),
        Param::ints(floors.flatten()),
        Param::Ints(
            written().flat_map(|row| std::iter::once(Some(position(row.name))).chain(row.ints())).collect(),
        ),
        Param::Texts(written().flat_map(|row| row.holder()).collect()),
        Param::ints(rows.touched.iter().map(|name| position(name))),
        Param::ints(seen.map(|(name, _)| position(name))),
        Param::ints(
            rows.rechecked.iter().flat_map(|row| [position(row.name), row.check_at.0, i64::from(row.in_use)]),
        ),
        packed_ints(&INSERTED, &rows.inserted, position),
        packed_texts(&INSERTED, &rows.inserted),
        packed_ints(&UPDATED, &rows.updated, position),
        packed_texts(&UPDATED, &rows.updated),
        Param::ints(batch.events.iter().map(|(name, _): &(Name, _)| position(name))),
        Param::texts(events.iter().map(String::as_str)),
    ]
}

/// The numbers of claims, row by row. A claim's resource is a position.
fn packed_ints<'a>(
    columns: &[ClaimColumn],
    claims: &[ClaimRecord<'a>],
    position: impl Fn(&str) -> i64,
) -> Param<'a> {
    let mut packed = Vec::new();
    for claim in claims {
        packed.push(Some(position(claim.resource)));
        packed.extend(columns.iter().filter_map(|column| match column.get {
            Getter::Int(get) => Some(get(claim)),
            Getter::Bool(get) => Some(get(claim).map(i64::from)),
            Getter::Text(_) => None,
        }));
    }
    Param::Ints(packed)
}

/// The texts of claims, except the names of their resources, row by row.
fn packed_texts<'a>(columns: &[ClaimColumn], claims: &[ClaimRecord<'a>]) -> Param<'a> {
    let texts = |claim| {
        columns[1..].iter().filter_map(move |column| match column.get {
            Getter::Text(get) => Some(get(claim)),
            Getter::Int(_) | Getter::Bool(_) => None,
        })
    };
    Param::Texts(claims.iter().flat_map(texts).collect())
}

/// The positions as indexes.
pub(super) fn indexes(positions: Option<Vec<i64>>) -> Vec<usize> {
    positions.into_iter().flatten().filter_map(|position| usize::try_from(position - 1).ok()).collect()
}

impl Reply {
    /// What was written; `None` if nothing was.
    pub(super) fn applied(self) -> Option<Applied> {
        let Self { clock, number, is_valid, omitted, .. } = self;
        is_valid.then(|| Applied { number, clock: Micros(clock), omitted: indexes(omitted) })
    }

    /// Takes over where the rows of a batch are now.
    pub(super) fn update(&mut self, places: &mut Places, resources: &[(Name, Basis)], rows: &Rows<'_>) {
        let name = |index: usize| resources.get(index).map(|(name, _)| name);
        let moved = indexes(self.moved.take()).into_iter().map(name);
        for (name, place) in moved.zip(self.moved_to.take().unwrap_or_default()) {
            name.into_iter().for_each(|name| places.moved(name, place.clone()));
        }
        let created = self.created.take().unwrap_or_default();
        for (name, place) in created.iter().zip(self.created_at.take().unwrap_or_default()) {
            places.found(&Name::from(name.as_str()), place);
        }
        if self.number.is_some() {
            rows.rechecked.iter().for_each(|row| places.set_in_use(row.name, row.in_use));
            rows.new.iter().for_each(|row| places.set_in_use(row.name, row.in_use()));
        }
        let omitted = indexes(self.omitted.clone()).into_iter().filter_map(name);
        omitted.for_each(|name| places.forget(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::claim_columns::{STATE, names};

    const MIGRATION: &str =
        include_str!("../../../../migrations/postgres/2026-11-28-000001_places_and_links/up.sql");

    /// The definition of the function.
    fn definition() -> &'static str {
        MIGRATION.split_once("CREATE FUNCTION commit_batch_3(").unwrap().1
    }

    #[test]
    fn call_has_every_parameter() {
        let (parameters, _) = definition().split_once("OUT ").unwrap();
        assert_eq!(CommitBatch::sql().parameters(), parameters.matches(',').count());
    }

    #[test]
    fn columns_of_claims_are_read_in_the_order_in_which_they_are_packed() {
        let squeezed = definition().split_whitespace().collect::<Vec<_>>().join(" ");
        let assert_contains = |part: &str| assert!(squeezed.contains(part), "{part}");
        let values = |packed: &str, columns: &[ClaimColumn], texts: usize| -> Vec<String> {
            let (mut ints, mut text) = (0, 0);
            let value = |column: &ClaimColumn| match column.get {
                Getter::Text(_) => {
                    text += 1;
                    match texts - text {
                        0 => format!("{packed}_texts[{texts} * n]"),
                        before => format!("{packed}_texts[{texts} * n - {before}]"),
                    }
                }
                Getter::Int(_) | Getter::Bool(_) => {
                    ints += 1;
                    let is_bool = matches!(column.get, Getter::Bool(_));
                    format!("{packed}[i + {ints}]{}", if is_bool { " <> 0" } else { "" })
                }
            };
            columns[1..].iter().map(value).collect()
        };
        let inserted = values("inserted", &INSERTED, 4);
        assert_contains(&format!(
            "INSERT INTO claims ({}) SELECT names[inserted[i]], {} FROM generate_series(1, cardinality(inserted), {})",
            names(&INSERTED),
            inserted.join(", "),
            INSERTED.len() - 4
        ));
        let updated = values("updated", &UPDATED, 2);
        let assignments =
            STATE.iter().zip(&updated[2..]).map(|(column, value)| format!("{} = {value}", column.name));
        assert_contains(&format!(
            "UPDATE claims SET {} FROM generate_series(1, cardinality(updated), {})",
            assignments.collect::<Vec<_>>().join(", "),
            UPDATED.len() - 2
        ));
        assert_contains("claims.key = updated_texts[2 * n]");
        assert_contains("claims.principal = updated_texts[2 * n - 1]");
        assert_contains(&format!("cardinality(updated) / {};", UPDATED.len() - 2));
    }

    #[test]
    fn function_accepts_the_same_lag() {
        let late = format!(
            "IF decided_at > clock OR decided_at < clock - {MAX_LAG} \
             AND (clock >= valid_until OR decided_at < clock - {MAX_LAG_WITHOUT_EXPIRY}) THEN"
        );
        assert_eq!(definition().matches(&late).count(), 2);
        let is_in_time = |lag: i64, valid_until: i64| {
            let (decided_at, valid_until) = (Micros(1_000_000), Micros(valid_until));
            let batch = OptimisticBatch {
                decided_at,
                valid_until,
                resources: &[],
                writes: &[],
                events: &[],
                must_mark: false,
            };
            super::is_in_time(&batch, decided_at.0 + lag)
        };
        assert!(!is_in_time(-1, i64::MAX));
        for (lag, without_expiry, with_expiry) in
            [(0, true, true), (2_000, true, true), (2_001, true, false), (50_001, false, false)]
        {
            assert_eq!(is_in_time(lag, 1_000_000 + lag + 1), without_expiry, "{lag}");
            assert_eq!(is_in_time(lag, 1_000_000 + lag), with_expiry, "{lag}");
        }
    }
}
