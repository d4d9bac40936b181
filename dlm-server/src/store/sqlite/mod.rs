//! The embedded store: SQLite, bundled, in one file that belongs to one
//! process.
//!
//! - `fixed`: the statements of the hot path, prepared once
//! - `writer`: the one connection that writes
//! - `reader`: a pool of connections that see what is committed

mod fixed;
mod queries {
    crate::store::queries::read_queries!(diesel::sqlite::SqliteConnection);
}
mod reader;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::sync::Arc;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use dlm_engine::Micros;
use dlm_protocol::limits::AWAY_GRACE_MS;

use super::alone::Alone;
use super::{Identity, OpenError, Opened, StoreError};
use crate::clock::Clock;
use crate::store::schema::{meta, writers};

diesel::table! {
    log_trimmed (position) {
        position -> BigInt,
        upto -> BigInt,
    }
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// What a writer writes lasts through a power cut (`FULL`), and readers don't
/// wait for it (`WAL`). A checkpoint every 16 MiB instead of 4: it stops the
/// writer for two more syncs.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";

/// What identifies one database file: opening it, again and again.
#[derive(Debug, Clone)]
struct Location {
    path: String,
}

impl Location {
    fn connect(&self) -> Result<SqliteConnection, StoreError> {
        let mut connection = SqliteConnection::establish(&self.path)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        diesel::connection::SimpleConnection::batch_execute(&mut connection, PRAGMAS)?;
        Ok(connection)
    }
}

/// Opens `//path`, `///absolute/path` or `path`.
pub(super) fn open(rest: &str) -> Result<Opened, OpenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == ":memory:" {
        return Err(OpenError::NoFile);
    }
    let lock = lock_file(path)?;
    let location = Location { path: path.to_owned() };
    let failed = |why: String| OpenError::Database { path: path.to_owned(), why };
    let mut connection = location.connect().map_err(|error| failed(error.to_string()))?;
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| OpenError::Migration(error.to_string()))?;
    let identity = identify(&mut connection).map_err(|error| failed(error.to_string()))?;
    let clock = Clock::start(identity.last_at);
    let reader = reader::SqliteReader::open(location.clone(), clock.clone()).map_err(failed)?;
    let ready_at = clock.now();
    let mut store = writer::SqliteStore::new(location, connection, clock, lock)
        .map_err(|error| failed(error.to_string()))?;
    // Nobody holds a request open at a server that has just started.
    store.all_away(ready_at.plus_ms(AWAY_GRACE_MS)).map_err(|error| failed(error.to_string()))?;
    Ok(Opened {
        stores: vec![Box::new(store)],
        reader: Arc::new(reader),
        cluster: Arc::new(Alone::new(ready_at)),
        identity,
    })
}

/// See [`super::restore`].
pub(super) fn restore(rest: &str, raise: i64) -> Result<(), OpenError> {
    // Opened, it is of this version and nobody else's.
    let opened = open(rest)?;
    let path = rest.strip_prefix("//").unwrap_or(rest).to_owned();
    let failed = |error: StoreError| OpenError::Database { path: path.clone(), why: error.to_string() };
    let mut connection = Location { path: path.clone() }.connect().map_err(failed)?;
    let (secret, log_id) = (super::random::<32>().map_err(failed)?, super::random::<8>().map_err(failed)?);
    let restored = connection.immediate_transaction(|connection| {
        let buckets = super::FLOOR_BUCKETS;
        diesel::connection::SimpleConnection::batch_execute(
            connection,
            &format!(
                "CREATE TEMP TABLE raised AS SELECT coalesce(max(token), 0) + {raise} AS token, \
                 coalesce(max(version), 0) + {raise} AS version \
                 FROM (SELECT token, version FROM resources UNION ALL SELECT token, version FROM floors); \
                 UPDATE resources SET (token, version) = (SELECT token, version FROM raised); \
                 WITH RECURSIVE buckets (bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM buckets \
                 WHERE bucket + 1 < {buckets}) \
                 INSERT OR REPLACE INTO floors (bucket, token, version) \
                 SELECT bucket, token, version FROM buckets, raised;"
            ),
        )?;
        change(connection, "secret", &secret)?;
        change(connection, "log_id", &log_id)
    });
    drop(opened);
    restored.map_err(failed)
}

fn change(connection: &mut SqliteConnection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    diesel::update(meta::table.find(name)).set(meta::value.eq(value)).execute(connection)?;
    Ok(())
}

/// A database belongs to one process: two would each believe their memory.
/// The lock goes with the process, however it ends.
fn lock_file(path: &str) -> Result<File, OpenError> {
    let lock = format!("{path}.lock");
    let failed = |source| OpenError::File { path: lock.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), lock }),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path: lock, source }),
    }
}

/// Reads who this database is; a new one is told.
fn identify(connection: &mut SqliteConnection) -> Result<Identity, StoreError> {
    let (secret, log_id) = (super::random::<32>()?, super::random::<8>()?);
    connection.immediate_transaction(|connection| {
        let secret = keep(connection, "secret", &secret)?;
        let log_id = keep(connection, "log_id", &log_id)?;
        let log_id =
            log_id.try_into().map_err(|_| StoreError::Corrupt("the id of the log is damaged".into()))?;
        let last_at: Option<i64> = writers::table.select(diesel::dsl::max(writers::at)).first(connection)?;
        Ok(Identity { secret, log_id: u64::from_be_bytes(log_id), last_at: Micros(last_at.unwrap_or(0)) })
    })
}

/// What is kept under this name, from now on `value` when there is nothing.
fn keep(connection: &mut SqliteConnection, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
    let row = (meta::name.eq(name), meta::value.eq(value));
    diesel::insert_into(meta::table).values(row).on_conflict_do_nothing().execute(connection)?;
    Ok(meta::table.find(name).select(meta::value).first(connection)?)
}
