//! The statements of a batch.

use std::sync::LazyLock;

use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::store::claim_columns::{ALL, ClaimColumn, Getter, KEY, STATE, concat, list, names, placeholders};
use crate::store::rows::{CLAIM_ROW, ClaimRowTypes};
use crate::store::statement::{Sql, Statement, statements};

/// The row of a resource that was locked.
pub(super) type LockedRow =
    (Text, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, Nullable<Text>, Nullable<Text>);

statements! {
    LockSkipping -> LockedRow = "SELECT name, revision, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key FROM resources WHERE name = ANY(?) FOR UPDATE SKIP LOCKED";
    LockWaiting -> LockedRow = "SELECT name, revision, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key FROM resources WHERE name = ANY(?) ORDER BY name FOR UPDATE";
    /// For names that were not locked: whether there is a row, and their floor,
    /// read from one snapshot.
    ReadFloors -> (Text, Bool, BigInt, BigInt) = "SELECT asked.name, resources.name IS NOT NULL, \
        coalesce(floors.token, 0), coalesce(floors.version, 0) FROM unnest(?, ?) AS asked (name, bucket) \
        LEFT JOIN resources ON resources.name = asked.name LEFT JOIN floors ON floors.bucket = asked.bucket";
    ReadAllFloors -> (BigInt, BigInt, BigInt) = "SELECT bucket, token, version FROM floors";
    /// A separate statement, after the locks: an operation that waited for a
    /// lock must not be judged by the time at which it started to wait. It also
    /// ends the short lock timeout of batches that wait for resources.
    ClockAndNumber -> (BigInt, BigInt, Bool, Text) =
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, nextval('batches'), \
        current_setting('synchronous_standby_names') <> '', set_config('lock_timeout', '250ms', true)";
    /// Skips a name that was created and deleted since its floor was read.
    InsertResources -> () = "INSERT INTO resources (name, revision, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key) \
        SELECT new.name, 1, new.version, new.token, new.touched_at, new.check_at, new.queue_len, new.holder_count, \
        new.holder_principal, new.holder_key \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, bucket, floor, version, token, touched_at, \
        check_at, queue_len, holder_count, holder_principal, holder_key) \
        WHERE NOT EXISTS (SELECT FROM floors WHERE floors.bucket = new.bucket AND floors.token > new.floor)";
    DeleteResources -> () = "DELETE FROM resources WHERE name = ANY(?)";
    RaiseFloors -> () = "INSERT INTO floors (bucket, token, version) \
        SELECT bucket, max(token), max(version) FROM unnest(?, ?, ?) AS new (bucket, token, version) \
        GROUP BY bucket ORDER BY bucket \
        ON CONFLICT (bucket) DO UPDATE SET token = greatest(floors.token, excluded.token), \
        version = greatest(floors.version, excluded.version)";
}

/// Loads the claims with these keys, resources and principals.
pub(super) struct LoadClaims;

impl Statement for LoadClaims {
    type Row = (Text, ClaimRowTypes<Pg>);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| {
            Sql::new(&format!(
                "SELECT claims.resource, {CLAIM_ROW} FROM unnest(?, ?, ?) AS asked (key, resource, principal) \
                 JOIN claims USING (key, resource, principal)"
            ))
        });
        &SQL
    }
}

/// Everything that a batch writes, except new and deleted resources, in one
/// round trip. Its parameters are the changed resources, the names of resources
/// of which only claims changed, [`INSERTED`] of new claims, [`UPDATED`] of
/// changed claims, the batch's number, instant, number of events and events,
/// and the writer's id, and the place of its marker row and the id again. Returns how many
/// resources were changed and touched, how many claims inserted and updated, and the new place of the
/// marker row.
pub(super) struct WriteBatch;

/// What is written of a new claim.
pub(super) const INSERTED: [ClaimColumn; 26] = ALL;

/// What is written of a changed claim.
pub(super) const UPDATED: [ClaimColumn; 21] = concat(KEY, STATE);

impl Statement for WriteBatch {
    type Row = (BigInt, BigInt, BigInt, BigInt, Nullable<Text>);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(&write_batch()));
        &SQL
    }
}

fn write_batch() -> String {
    format!(
        "WITH changed AS (UPDATE resources SET \
        revision = revision + 1, version = new.version, token = new.token, touched_at = new.touched_at, \
        check_at = new.check_at, queue_len = new.queue_len, holder_count = new.holder_count, \
        holder_principal = new.holder_principal, holder_key = new.holder_key \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key) WHERE resources.name = new.name RETURNING 1), \
        touched AS (UPDATE resources SET revision = revision + 1 FROM unnest(?) AS new (name) \
            WHERE resources.name = new.name RETURNING 1), \
        inserted AS (INSERT INTO claims ({inserted}) SELECT {inserted_values} \
            FROM unnest({inserted_params}) AS new ({inserted}) RETURNING 1), \
        updated AS (UPDATE claims SET {assignments} FROM unnest({updated_params}) AS new ({updated}) \
            WHERE claims.key = new.key AND claims.resource = new.resource AND claims.principal = new.principal \
            RETURNING 1), \
        batch AS (SELECT number, at, count, events, writer \
            FROM (VALUES (?, ?, ?, ?, ?)) AS batch (number, at, count, events, writer)), \
        logged AS (INSERT INTO batch_events (batch, at, count, events, writer) \
            SELECT number, at, count, events, writer FROM batch WHERE count > 0), \
        marked AS (UPDATE writers SET batch = batch.number, at = batch.at, left_out = NULL FROM batch \
            WHERE writers.ctid = coalesce(nullif(?, '')::tid, (SELECT ctid FROM writers WHERE id = ?)) \
            AND (writers.id = batch.writer) IS TRUE AND writers.batch < batch.number RETURNING writers.ctid) \
        SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM touched), (SELECT count(*) FROM inserted), \
        (SELECT count(*) FROM updated), (SELECT ctid::text FROM marked)",
        inserted = names(&INSERTED),
        inserted_values = list(&INSERTED, new_value),
        inserted_params = placeholders(&INSERTED),
        assignments = list(&STATE, |column| format!("{} = {}", column.name, new_value(column))),
        updated = names(&UPDATED),
        updated_params = placeholders(&UPDATED),
    )
}

/// Booleans are sent as integers.
fn new_value(column: &ClaimColumn) -> String {
    match column.get {
        Getter::Bool(_) => format!("new.{} <> 0", column.name),
        Getter::Int(_) | Getter::Text(_) => format!("new.{}", column.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_claim_has_a_parameter() {
        let resources = 9 + 1;
        let batch = 4 + 1 + 2;
        let expected = resources + INSERTED.len() + UPDATED.len() + batch;
        assert_eq!(WriteBatch::sql().parameters(), expected);
        assert!(WriteBatch::sql().text().contains("new.shared <> 0, new.ttl_asked_ms"));
    }
}
