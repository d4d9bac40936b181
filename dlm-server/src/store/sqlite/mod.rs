//! The embedded store: SQLite, bundled, in one file that belongs to one
//! process.
//!
//! - `schema`, `rows`: the tables, and their rows as engine types
//! - `fixed`: the statements of the hot path, prepared once
//! - `writer`: the one connection that writes
//! - `reader`: a pool of connections that see what is committed

mod fixed;
mod reader;
mod rows;
mod schema;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use dlm_engine::Micros;

use super::{Identity, OpenError, Opened, StoreError};
use crate::clock::Clock;
use schema::{meta, writers};

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
    let store = writer::SqliteStore::new(location, connection, clock, lock)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Opened { store: Box::new(store), reader: Arc::new(reader), identity })
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
    let mut secret = [0; 32];
    fill_random(&mut secret)?;
    let mut log_id = [0; 8];
    fill_random(&mut log_id)?;
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

fn fill_random(buffer: &mut [u8]) -> Result<(), StoreError> {
    // Up to 256 bytes come whole once the kernel's source is ready.
    rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::empty())
        .map(drop)
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// What SQLite says of trouble that is not of the data's making. diesel gives
/// the text, not the code; the text is fixed in SQLite's source.
const NOT_OF_THE_DATA: [&str; 9] = [
    "database is locked",
    "database table is locked",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "interrupted",
    "file is not a database",
];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if NOT_OF_THE_DATA.contains(&info.message()) => {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if info.message() == "database disk image is malformed" => {
                Self::Corrupt(error.to_string())
            }
            DieselError::DatabaseError(..)
            | DieselError::SerializationError(_)
            | DieselError::QueryBuilderError(_) => Self::Refused(error.to_string()),
            DieselError::DeserializationError(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
