//! The statements of a batch.

use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::bulk::statements;

/// Of a resource that was locked.
pub(super) type LockedRow =
    (Text, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, Nullable<Text>, Nullable<Text>);

statements! {
    LockFree -> LockedRow = "SELECT name, revision, version, token, touched_at, check_at, queue_len, holder_count, \
        holder_principal, holder_key FROM resources WHERE name = ANY(?) FOR UPDATE SKIP LOCKED";
    LockAll -> LockedRow = "SELECT name, revision, version, token, touched_at, check_at, queue_len, holder_count, \
        holder_principal, holder_key FROM resources WHERE name = ANY(?) ORDER BY name FOR UPDATE";
    /// Of names that were not locked: whether there is a row, and their floor,
    /// both as of one instant.
    Missing -> (Text, Bool, BigInt, BigInt) = "SELECT asked.name, resources.name IS NOT NULL, \
        coalesce(floors.token, 0), coalesce(floors.version, 0) FROM unnest(?, ?) AS asked (name, bucket) \
        LEFT JOIN resources ON resources.name = asked.name LEFT JOIN floors ON floors.bucket = asked.bucket";
    /// In a statement of its own, after the locks: what waited for a lock must
    /// not go by the time at which it began to wait. From here on locks are
    /// waited for as usual, whatever the wait for those of the resources was.
    ClockAndNumber -> (BigInt, BigInt, Text) =
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, nextval('batches'), \
        set_config('lock_timeout', '250ms', true)";
    /// Not one whose name was used and forgotten again since its floor was read.
    InsertResources -> () = "INSERT INTO resources (name, revision, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key) \
        SELECT new.name, 1, new.version, new.token, new.touched_at, new.check_at, new.queue_len, new.holder_count, \
        new.holder_principal, new.holder_key \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, bucket, floor, version, token, touched_at, \
        check_at, queue_len, holder_count, holder_principal, holder_key) \
        WHERE NOT EXISTS (SELECT FROM floors WHERE floors.bucket = new.bucket AND floors.token > new.floor)";
    ForgetResources -> () = "DELETE FROM resources WHERE name = ANY(?)";
    RaiseFloors -> () = "INSERT INTO floors (bucket, token, version) \
        SELECT bucket, max(token), max(version) FROM unnest(?, ?, ?) AS new (bucket, token, version) \
        GROUP BY bucket ORDER BY bucket \
        ON CONFLICT (bucket) DO UPDATE SET token = greatest(floors.token, excluded.token), \
        version = greatest(floors.version, excluded.version)";
    /// All of a batch that is not new or forgotten resources, in one round trip:
    /// what changed of resources, those of whose claims alone something changed,
    /// new claims, changed claims, the events if there are any, the marker.
    /// Answers how many rows there were of each but the events.
    WriteBatch -> (BigInt, BigInt, BigInt, BigInt, BigInt) = "WITH changed AS (UPDATE resources SET \
        revision = revision + 1, version = new.version, token = new.token, touched_at = new.touched_at, check_at = new.check_at, queue_len = new.queue_len, \
        holder_count = new.holder_count, holder_principal = new.holder_principal, holder_key = new.holder_key \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (name, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key) WHERE resources.name = new.name RETURNING 1), \
        touched AS (UPDATE resources SET revision = revision + 1 FROM unnest(?) AS new (name) \
            WHERE resources.name = new.name RETURNING 1), \
        inserted AS (INSERT INTO claims (resource, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, \
        ticket, enqueued_at, deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, \
        ttl_ms, expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel) \
        SELECT resource, principal, key, shared <> 0, ttl_asked_ms, wait_ms, owner, metadata, \
        ticket, enqueued_at, deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, \
        ttl_ms, expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (resource, \
        principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, ticket, enqueued_at, deadline, replica, \
        away_since, check_at, token, waited_ticket, granted_at, term_at, ttl_ms, expires_at, shared_token, ended_at, \
        end_reason, current_token, forced_token, cancel) RETURNING 1), \
        updated AS (UPDATE claims SET ticket = new.ticket, enqueued_at = new.enqueued_at, \
        deadline = new.deadline, replica = new.replica, away_since = new.away_since, check_at = new.check_at, \
        token = new.token, waited_ticket = new.waited_ticket, granted_at = new.granted_at, term_at = new.term_at, \
        ttl_ms = new.ttl_ms, expires_at = new.expires_at, shared_token = new.shared_token, \
        ended_at = new.ended_at, end_reason = new.end_reason, current_token = new.current_token, \
        forced_token = new.forced_token, cancel = new.cancel \
        FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS new (resource, principal, key, \
        ticket, enqueued_at, deadline, replica, away_since, check_at, token, waited_ticket, granted_at, term_at, \
        ttl_ms, expires_at, shared_token, ended_at, end_reason, current_token, forced_token, cancel) \
        WHERE claims.key = new.key AND claims.resource = new.resource AND claims.principal = new.principal \
            RETURNING 1), \
        batch AS (SELECT number, at, count, events \
            FROM (VALUES (?, ?, ?, ?)) AS batch (number, at, count, events)), \
        logged AS (INSERT INTO batch_events (batch, at, count, events) \
            SELECT number, at, count, events FROM batch WHERE count > 0), \
        waiting AS (INSERT INTO unplaced (batch) SELECT number FROM batch WHERE count > 0), \
        marked AS (UPDATE writers SET batch = batch.number, at = batch.at FROM batch WHERE writers.id = ? \
            RETURNING 1) \
        SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM touched), (SELECT count(*) FROM inserted), \
        (SELECT count(*) FROM updated), (SELECT count(*) FROM marked)";
    AddMarker -> () = "INSERT INTO writers (id, replica, batch, at) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING";
    /// Waits for a transaction whose COMMIT is still under way.
    ReadMarker -> BigInt = "SELECT batch FROM writers WHERE id = ? FOR UPDATE";
    PurgeClaims -> () = "DELETE FROM claims WHERE (key, resource, principal) > (?, ?, ?) \
        AND (key, resource, principal) <= (?, ?, ?) AND ended_at < ?";
}
