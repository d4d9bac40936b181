//! The embedded store: SQLite, bundled, in one file that belongs to one
//! process.
//!
//! - `writer`: the connection of the only writer
//! - `journal`: what a batch commits, and how the tables follow
//! - `claims`: how claims are written; `fixed`: the writer's statements, prepared once
//! - `reader`: a pool of read-only connections
//! - `log_page`: reads the event log
//! - `inspect`: looks into a database that a server may be running on
//! - `clock_row`: from where the next run continues the deciding clock
//! - `lock`: the exclusive lock on the file

mod claims;
mod clock_row;
mod fixed;
mod inspect;
mod journal;
mod lock;
mod log_page;
mod reader;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationConnection;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use dlm_engine::Micros;
use dlm_protocol::limits::AWAY_GRACE_MS;

use super::migrations::require_known;
use super::single_node::SingleNode;
use super::{Identity, OpenError, OpenStore, Store, StoreError, TaskReaders};
use crate::clock::Clock;
use crate::store::schema::{meta, release_requests, tickets, writers};
pub(crate) use inspect::Inspection;
pub(super) use inspect::inspect;
pub(super) use journal::decode_events;
#[cfg(test)]
pub(super) use journal::overlay::install as see_journal;
use reader::SqliteReader;

diesel::table! {
    log (position) {
        position -> BigInt,
        at -> BigInt,
        upto -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    log_trimmed (position) {
        position -> BigInt,
        upto -> BigInt,
    }
}

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The id of the only writer.
const WRITER: i64 = 0;

/// Commits survive a power failure (`FULL`), and readers don't block on them
/// (`WAL`). A checkpoint stops the writer for two more syncs, so there is one
/// every 16 MiB instead of every 4. A long reader keeps a checkpoint from completing; what
/// the WAL has grown to meanwhile is cut off after the first one that completes. The writer
/// changes some of these.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; \
                       PRAGMA journal_size_limit = 33554432; \
                       PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";

/// How long a batch or a read waits while another program has locked the database.
/// Callers are promised an answer after two seconds.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long a server that starts waits. Nobody waits for it yet.
const BUSY_TIMEOUT_AT_START: Duration = Duration::from_secs(5);

/// The path of the database file.
#[derive(Debug, Clone)]
struct DatabasePath(String);

impl DatabasePath {
    /// Parses what follows the scheme: `//path`, `///absolute/path` or `path`.
    /// SQLite would understand more, such as a database in memory.
    fn parse(rest: &str) -> Result<Self, OpenError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.starts_with(":memory:") {
            return Err(OpenError::NoFile);
        }
        if path.contains('?') || path.starts_with("file:") {
            return Err(OpenError::SqliteOptions(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    fn connect(&self, busy_timeout: Duration) -> Result<SqliteConnection, StoreError> {
        let mut connection = SqliteConnection::establish(&self.0)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        set_busy_timeout(&mut connection, busy_timeout)?;
        connection.batch_execute(PRAGMAS)?;
        Ok(connection)
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> OpenError {
        OpenError::Database { path: self.0.clone(), why: why.to_string() }
    }
}

/// Sets how long the connection's statements wait while another program has locked
/// the database.
fn set_busy_timeout(connection: &mut SqliteConnection, busy_timeout: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", busy_timeout.as_millis()))
}

/// See [`super::open`].
pub(super) fn open(rest: &str) -> Result<OpenStore, OpenError> {
    let (store, others) = open_file(rest, true)?;
    Ok(OpenStore { stores: vec![Box::new(store)], ..others })
}

/// The writer's store, and the other parts.
fn open_file(rest: &str, create: bool) -> Result<(writer::SqliteStore, OpenStore), OpenError> {
    let path = DatabasePath::parse(rest)?;
    let lock = lock::acquire(&path, create)?;
    let mut connection = connect_unlocked(&path).map_err(|error| path.failed(&error))?;
    migrate(&mut connection)?;
    // Before anything is read from the tables.
    journal::replay::replay(&mut connection).map_err(|error| path.failed(&error))?;
    let identity = identify(&mut connection).map_err(|error| path.failed(&error))?;
    let stored = clock_row::load(&mut connection).map_err(|error| path.failed(&error))?;
    let clock = Clock::start(stored.as_ref(), identity.last_at);
    let reader =
        SqliteReader::pool(&path, clock.clone(), lock.clone()).map_err(|error| path.failed(&error))?;
    let task_readers = TaskReaders::new(|| Arc::new(SqliteReader::one(&path, clock.clone(), lock.clone())));
    let ready_at = clock.now();
    let mut store = writer::SqliteStore::new(path.clone(), connection, clock, lock)
        .map_err(|error| path.failed(&error))?;
    store.keep_clock().map_err(|error| path.failed(&error))?;
    // Waiters parked at an earlier run are away from now on.
    let away_until = ready_at.plus_ms(AWAY_GRACE_MS);
    store.check_waiters_by(away_until).map_err(|error| path.failed(&error))?;
    let others = OpenStore {
        stores: Vec::new(),
        reader: Arc::new(reader),
        task_readers,
        cluster: Arc::new(SingleNode::new(ready_at)),
        housekeeping: None,
        identity,
    };
    Ok((store, others))
}

/// Fails if another program has locked the database, before anything else can fail
/// for that reason.
fn connect_unlocked(path: &DatabasePath) -> Result<SqliteConnection, StoreError> {
    let mut connection = path.connect(BUSY_TIMEOUT_AT_START)?;
    connection.batch_execute("BEGIN IMMEDIATE; ROLLBACK")?;
    Ok(connection)
}

/// See [`super::restore`].
pub(super) fn restore(rest: &str, raise: i64) -> Result<(), OpenError> {
    // Migrates the database and locks it against other servers. A path without a
    // database is a mistake.
    let locked = open_file(rest, false)?;
    let path = DatabasePath::parse(rest)?;
    let failed = |error: StoreError| path.failed(&error);
    let mut connection = path.connect(BUSY_TIMEOUT_AT_START).map_err(failed)?;
    let (secret, log_id) = (super::random::<32>().map_err(failed)?, super::random::<8>().map_err(failed)?);
    let restored = connection.immediate_transaction(|connection| {
        let buckets = super::FLOOR_BUCKETS;
        connection.batch_execute(&format!(
            "CREATE TEMP TABLE raised AS SELECT coalesce(max(token), 0) + {raise} AS token, \
             coalesce(max(version), 0) + {raise} AS version \
             FROM (SELECT token, version FROM resources UNION ALL SELECT token, version FROM floors); \
             UPDATE resources SET (token, version) = (SELECT token, version FROM raised); \
             WITH RECURSIVE buckets (bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM buckets \
             WHERE bucket + 1 < {buckets}) \
             INSERT OR REPLACE INTO floors (bucket, token, version, last_events) \
             SELECT bucket, token, version, (SELECT coalesce(max(position), 0) FROM log) FROM buckets, raised;"
        ))?;
        // All leases are ended, so nothing depends on where the clock was.
        clock_row::delete(connection)?;
        diesel::delete(tickets::table).execute(connection)?;
        diesel::delete(release_requests::table).execute(connection)?;
        overwrite(connection, "secret", &secret)?;
        overwrite(connection, "log_id", &log_id)
    });
    drop(locked);
    restored.map_err(failed)
}

/// Brings the schema to this version.
fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Migration(error.to_string());
    connection.setup()?;
    let applied = connection.applied_migrations().map_err(|error| failed(&error))?;
    require_known::<Sqlite>(&applied, &MIGRATIONS)?;
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| failed(&error))?;
    Ok(())
}

fn overwrite(connection: &mut SqliteConnection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    diesel::update(meta::table.find(name)).set(meta::value.eq(value)).execute(connection)?;
    Ok(())
}

/// Reads the identity of the database, or generates it if the database is new.
fn identify(connection: &mut SqliteConnection) -> Result<Identity, StoreError> {
    let (secret, log_id) = (super::random::<32>()?, super::random::<8>()?);
    connection.immediate_transaction(|connection| {
        let secret = read_or_insert(connection, "secret", &secret)?;
        let log_id = read_or_insert(connection, "log_id", &log_id)?;
        let log_id = log_id_of(log_id)?;
        let last_at: Option<i64> = writers::table.select(diesel::dsl::max(writers::at)).first(connection)?;
        Ok(Identity { secret, log_id, last_at: Micros(last_at.unwrap_or(0)) })
    })
}

fn log_id_of(stored: Vec<u8>) -> Result<u64, StoreError> {
    let bytes =
        stored.try_into().map_err(|_| StoreError::Corrupt("the log id is not 8 bytes long".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Returns the value stored under a name, and stores `value` if there is none.
fn read_or_insert(
    connection: &mut SqliteConnection,
    name: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let row = (meta::name.eq(name), meta::value.eq(value));
    diesel::insert_into(meta::table).values(row).on_conflict_do_nothing().execute(connection)?;
    Ok(meta::table.find(name).select(meta::value).first(connection)?)
}
