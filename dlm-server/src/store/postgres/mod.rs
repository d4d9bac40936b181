//! The store that several servers share: Postgres.
//!
//! - `connection`: how connections are set up, and how they reconnect
//! - `bulk`: statements over many rows at once
//! - `writer`: the connection of a writer; `loading`: how it locks and loads
//!   resources; `batch_sql`, `columns`: its statements and their parameters;
//!   `marker`: its marker row
//! - `optimistic`: the call that writes a batch without a transaction around it;
//!   `clock_estimate`: what such a batch is decided by
//! - `housekeeping`: a connection that deletes what is kept no longer
//! - `reader`: a pool of connections for reads; `in_use`: resources that are held or waited for
//! - `log`: how batches get their positions in the event log
//! - `cluster`: the replicas; `peer_wire`: the messages between them

mod batch_sql;
mod bulk;
mod clock_estimate;
mod cluster;
mod columns;
mod connection;
mod contention;
pub(super) mod due;
mod history;
mod housekeeping;
pub(super) mod in_use;
mod loading;
mod log;
mod marker;
mod optimistic;
mod peer_wire;
mod places;
mod reader;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use dlm_engine::Micros;
use dlm_pq::PqConnection;

use super::migrations::require_known;
use super::schema::{meta, release_requests, tickets};
use super::statement::statements;
use super::{Cluster, Housekeeping, Identity, OpenError, OpenStore, Store, StoreError, TaskReaders};
use connection::{CommitDurability, ConnectOptions, REPLY_TIMEOUT};
use housekeeping::PostgresHousekeeping;
use reader::PostgresReader;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// The advisory lock held during the migration, so that servers may start at
/// the same time. An arbitrary number.
const MIGRATION_LOCK: i64 = 0x646c_6d00;

/// A migration must not wait long for a lock on a table: everything that needs
/// the table waits behind it. It may write all rows.
const MIGRATION_SETTINGS: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0; \
    SET LOCAL enable_seqscan = on";
/// Between two attempts to get the migration lock.
const MIGRATION_POLL: Duration = Duration::from_millis(200);

statements! {
    TryMigrationLock -> diesel::sql_types::Bool = "SELECT pg_try_advisory_xact_lock(?)";
    Now -> diesel::sql_types::BigInt = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
}

/// The database's clock.
fn now(connection: &mut PqConnection) -> Result<Micros, StoreError> {
    let rows: Vec<i64> = bulk::load::<Now, _>(connection, Vec::new())?;
    rows.first()
        .copied()
        .map(Micros)
        .ok_or_else(|| StoreError::Corrupt("the clock query returned no row".into()))
}

/// See [`super::open`].
pub(super) fn open(url: &str, writers: usize, is_open: bool) -> Result<OpenStore, OpenError> {
    let options = ConnectOptions::new(url)?;
    let failed = |error: &StoreError| OpenError::Postgres { why: error.reason() };
    let mut connection = options.connect(CommitDurability::Durable).map_err(|error| failed(&error))?;
    migrate(&mut connection)?;
    let identity = identify(&mut connection).map_err(|error| failed(&error))?;
    let reader = PostgresReader::pool(&options).map_err(|why| OpenError::Postgres { why })?;
    let task_readers = TaskReaders::new(|| Arc::new(PostgresReader::one(&options)));
    let cluster = cluster::PostgresCluster::new(&options, is_open);
    // Marker rows refer to the row of their replica.
    cluster.heartbeat(0).map_err(|error| failed(&error))?;
    let mut stores: Vec<Box<dyn Store>> = Vec::new();
    for number in 0..writers.clamp(1, writer::MAX_WRITERS) {
        let store = writer::PostgresStore::open(options.clone(), cluster.me(), cluster.peers(), number)
            .map_err(|error| failed(&error))?;
        stores.push(Box::new(store));
    }
    let housekeeping: Box<dyn Housekeeping> = Box::new(PostgresHousekeeping::new(&options));
    let (reader, cluster, housekeeping) = (Arc::new(reader), Arc::new(cluster), Some(housekeeping));
    Ok(OpenStore { stores, reader, task_readers, cluster, housekeeping, identity })
}

/// See [`super::restore`].
pub(super) fn restore(url: &str, raise: i64) -> Result<(), OpenError> {
    let failed = |error: StoreError| OpenError::Postgres { why: error.reason() };
    let mut connection = ConnectOptions::new(url)?.connect(CommitDurability::Durable).map_err(failed)?;
    migrate(&mut connection)?;
    let live = cluster::count_live(&mut connection).map_err(failed)?;
    if live > 0 {
        return Err(OpenError::InService(live));
    }
    identify(&mut connection).map_err(failed)?;
    let (secret, log_id) = (super::random::<32>().map_err(failed)?, super::random::<8>().map_err(failed)?);
    // It writes all rows, which may take long.
    connection.set_deadline(None);
    let restored = connection.transaction(|connection| {
        connection.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on")?;
        let last = super::FLOOR_BUCKETS - 1;
        connection.batch_execute(&format!(
            "CREATE TEMP TABLE raised ON COMMIT DROP AS SELECT coalesce(max(token), 0) + {raise} AS token, \
             coalesce(max(version), 0) + {raise} AS version \
             FROM (SELECT token, version FROM resources UNION ALL SELECT token, version FROM floors) AS counters; \
             UPDATE resources SET revision = revision + 1, token = raised.token, version = raised.version FROM raised; \
             INSERT INTO floors (bucket, token, version) SELECT bucket, token, version \
             FROM generate_series(0, {last}) AS buckets (bucket), raised \
             ON CONFLICT (bucket) DO UPDATE SET token = excluded.token, version = excluded.version;"
        ))?;
        for (name, value) in [("secret", &secret[..]), ("log_id", &log_id[..])] {
            diesel::update(meta::table.find(name)).set(meta::value.eq(value)).execute(connection)?;
        }
        diesel::delete(tickets::table).execute(connection)?;
        diesel::delete(release_requests::table).execute(connection)?;
        Ok(())
    });
    restored.map_err(failed)
}

/// Brings the schema to this version. Servers may start at once: one migrates,
/// the others wait. The lock belongs to the transaction, so that it can't
/// outlive its owner behind a connection pooler.
fn migrate(connection: &mut PqConnection) -> Result<(), OpenError> {
    connection.set_deadline(None);
    let mut waiting = false;
    while !connection.transaction(try_migrate)? {
        if !std::mem::replace(&mut waiting, true) {
            tracing::info!("waiting for another server to migrate the database");
        }
        std::thread::sleep(MIGRATION_POLL);
    }
    connection.set_deadline(Some(REPLY_TIMEOUT));
    Ok(())
}

/// Migrates unless another server is doing so; returns whether it did.
fn try_migrate(connection: &mut PqConnection) -> Result<bool, OpenError> {
    connection.batch_execute(MIGRATION_SETTINGS)?;
    let locked: Vec<bool> = bulk::load::<TryMigrationLock, _>(connection, vec![MIGRATION_LOCK.into()])?;
    if locked != [true] {
        return Ok(false);
    }
    let failed = |error: &dyn std::fmt::Display| OpenError::Migration(error.to_string());
    connection.setup()?;
    let applied = connection.applied_migrations().map_err(|error| failed(&error))?;
    require_known::<Pg>(&applied, &MIGRATIONS)?;
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| failed(&error))?;
    Ok(true)
}

/// Reads the identity of the database, or generates it if the database is new.
fn identify(connection: &mut PqConnection) -> Result<Identity, StoreError> {
    let (secret, log_id) = (super::random::<32>()?, super::random::<8>()?);
    let secret = read_or_insert(connection, "secret", &secret)?;
    let log_id = read_or_insert(connection, "log_id", &log_id)?;
    let log_id =
        log_id.try_into().map_err(|_| StoreError::Corrupt("the log id is not 8 bytes long".into()))?;
    Ok(Identity { secret, log_id: u64::from_be_bytes(log_id), last_at: Micros(0) })
}

/// Returns the value stored under a name, and stores `value` if there is none.
fn read_or_insert(connection: &mut PqConnection, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
    let row = (meta::name.eq(name), meta::value.eq(value));
    diesel::insert_into(meta::table).values(row).on_conflict_do_nothing().execute(connection)?;
    Ok(meta::table.find(name).select(meta::value).first(connection)?)
}
