//! The statements of a batch.

use std::sync::LazyLock;

use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use crate::store::claim_columns::{ALL, ClaimColumn, Getter, KEY, STATE, concat, list, names, placeholders};
use crate::store::rows::{CLAIM_ROW, ClaimRowTypes};
use crate::store::statement::{Sql, Statement, statements};

/// The row of a resource that was locked.
pub(super) type LockedRow = (
    Text,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    Nullable<Text>,
    Nullable<Text>,
    BigInt,
    Text,
);

const LOCKED_ROW: &str = "resources.name, resources.revision, resources.version, resources.token, \
    resources.touched_at, resources.check_at, resources.queue_len, resources.holder_count, \
    resources.holder_principal, resources.holder_key, resources.last_events, resources.ctid::text";

statements! {
    LockSkipping -> LockedRow = &format!(
        "SELECT {LOCKED_ROW} FROM resources WHERE name = ANY(?) FOR UPDATE SKIP LOCKED"
    );
    /// By their places, or by their names if these are not known.
    LockPlaced -> LockedRow = &format!("SELECT {LOCKED_ROW} FROM unnest(?, ?) AS asked (name, place) CROSS JOIN prune_pages(?) JOIN resources \
        ON resources.ctid = coalesce(asked.place::tid, \
            (SELECT ctid FROM resources AS named WHERE named.name = asked.name)) \
        AND (resources.name = asked.name) IS TRUE FOR UPDATE OF resources SKIP LOCKED");
    LockWaiting -> LockedRow = &format!(
        "SELECT {LOCKED_ROW} FROM resources WHERE name = ANY(?) ORDER BY name FOR UPDATE"
    );
    /// For names that were not locked: whether there is a row, and their floor,
    /// read from one snapshot.
    ReadFloors -> (Text, Bool, BigInt, BigInt, BigInt) = "SELECT asked.name, resources.name IS NOT NULL, \
        coalesce(floors.token, 0), coalesce(floors.version, 0), coalesce(floors.last_events, 0) FROM unnest(?, ?) AS asked (name, bucket) \
        LEFT JOIN resources ON resources.name = asked.name LEFT JOIN floors ON floors.bucket = asked.bucket";
    ReadAllFloors -> (BigInt, BigInt, BigInt, BigInt) = "SELECT bucket, token, version, last_events FROM floors";
    /// A separate statement, after the locks: an operation that waited for a
    /// lock must not be judged by the time at which it started to wait. It also
    /// ends the short lock timeout of batches that wait for resources.
    ClockAndNumber -> (BigInt, BigInt, Bool, Text) =
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, nextval('batches'), \
        current_setting('synchronous_standby_names') <> '', set_config('lock_timeout', '250ms', true)";
    /// Skips a name that was created and deleted since its floor was read.
    InsertResources -> () = "WITH new AS (SELECT * FROM \
            unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, bucket, floor, version, token, touched_at, \
            check_at, queue_len, holder_count, last_events, holder_principal, holder_key)), \
        new_names AS (INSERT INTO resource_names (name, check_at, in_use) \
            SELECT name, check_at, holder_count > 0 OR queue_len > 0 FROM new) \
        INSERT INTO resources (name, revision, version, token, touched_at, check_at, queue_len, \
        holder_count, last_events, holder_principal, holder_key) \
        SELECT new.name, 1, new.version, new.token, new.touched_at, new.check_at, new.queue_len, new.holder_count, \
        coalesce(new.last_events, ?), new.holder_principal, new.holder_key FROM new \
        WHERE NOT EXISTS (SELECT FROM floors WHERE floors.bucket = new.bucket AND floors.token > new.floor)";
    DeleteResources -> () = "WITH deleted AS (DELETE FROM resources WHERE name = ANY(?)) \
        DELETE FROM resource_names WHERE name = ANY(?)";
    RaiseFloors -> () = "INSERT INTO floors (bucket, token, version, last_events) \
        SELECT bucket, max(token), max(version), max(last_events) \
        FROM unnest(?, ?, ?, ?) AS new (bucket, token, version, last_events) GROUP BY bucket ORDER BY bucket \
        ON CONFLICT (bucket) DO UPDATE SET token = greatest(floors.token, excluded.token), \
        version = greatest(floors.version, excluded.version), \
        last_events = greatest(floors.last_events, excluded.last_events)";
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
/// round trip. Its parameters are the changed resources and their places, the names of resources
/// of which only claims changed and their places, the rows of names that change, [`INSERTED`] of new claims, [`UPDATED`] of
/// changed claims, and the place of the writer's marker row and its id. Before them come the batch's
/// number, instant, number of events and events, and the writer's id. Returns how many
/// resources were changed and touched, how many claims inserted and updated, the new place of the
/// marker row, and the names and new places of the resources.
pub(super) struct WriteBatch;

/// What is written of a new claim.
pub(super) const INSERTED: [ClaimColumn; 26] = ALL;

/// What is written of a changed claim.
pub(super) const UPDATED: [ClaimColumn; 21] = concat(KEY, STATE);

impl Statement for WriteBatch {
    type Row = (BigInt, BigInt, BigInt, BigInt, Nullable<Text>, Nullable<Array<Text>>, Nullable<Array<Text>>);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(&write_batch()));
        &SQL
    }
}

fn write_batch() -> String {
    format!(
        "WITH batch AS (SELECT number, at, event_count, events, writer \
            FROM (VALUES (?, ?, ?, ?, ?)) AS batch (number, at, event_count, events, writer)), \
        changed AS (UPDATE resources SET \
        revision = revision + 1, version = new.version, token = new.token, touched_at = new.touched_at, \
        check_at = new.check_at, queue_len = new.queue_len, holder_count = new.holder_count, \
        last_events = coalesce(new.last_events, batch.number), \
        holder_principal = new.holder_principal, holder_key = new.holder_key \
        FROM batch, unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, version, token, touched_at, check_at, \
        queue_len, holder_count, last_events, holder_principal, holder_key, place) \
        WHERE resources.ctid = new.place::tid AND (resources.name = new.name) IS TRUE \
        RETURNING resources.name, resources.ctid), \
        touched AS (UPDATE resources SET revision = revision + 1 FROM unnest(?, ?) AS new (name, place) \
            WHERE resources.ctid = new.place::tid AND (resources.name = new.name) IS TRUE \
            RETURNING resources.name, resources.ctid), \
        rechecked AS (UPDATE resource_names SET check_at = new.check_at, in_use = new.in_use <> 0 \
            FROM unnest(?, ?, ?) AS new (name, check_at, in_use) \
            WHERE resource_names.ctid = (SELECT ctid FROM resource_names AS named WHERE named.name = new.name)), \
        moved AS (SELECT array_agg(name) AS names, array_agg(ctid::text) AS places \
            FROM (SELECT name, ctid FROM changed UNION ALL SELECT name, ctid FROM touched) AS rows), \
        inserted AS (INSERT INTO claims ({inserted}) SELECT {inserted_values} \
            FROM unnest({inserted_params}) AS new ({inserted}) RETURNING 1), \
        updated AS (UPDATE claims SET {assignments} FROM unnest({updated_params}) AS new ({updated}) \
            WHERE claims.key = new.key AND claims.resource = new.resource AND claims.principal = new.principal \
            RETURNING 1), \
        logged AS (INSERT INTO batch_events (batch, at, event_count, events, writer) \
            SELECT number, at, event_count, events, writer FROM batch WHERE event_count > 0), \
        marked AS (UPDATE writers SET batch = batch.number, at = batch.at, left_out = NULL FROM batch \
            WHERE writers.ctid = coalesce(nullif(?, '')::tid, (SELECT ctid FROM writers WHERE id = ?)) \
            AND (writers.id = batch.writer) IS TRUE AND writers.batch < batch.number RETURNING writers.ctid) \
        SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM touched), (SELECT count(*) FROM inserted), \
        (SELECT count(*) FROM updated), (SELECT ctid::text FROM marked), moved.names, moved.places FROM moved",
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
        let resources = 11 + 2 + 3;
        let batch = 4 + 1 + 2;
        let expected = resources + INSERTED.len() + UPDATED.len() + batch;
        assert_eq!(WriteBatch::sql().parameters(), expected);
        assert!(WriteBatch::sql().text().contains("new.shared <> 0, new.ttl_asked_ms"));
    }
}
