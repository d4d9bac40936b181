//! Read-only connections: a pool for requests, and one for each background task.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::sql_types::{BigInt, Text};
use dlm_engine::{ClaimKey, Micros};

use super::journal::overlay;
use super::lock::DatabaseLock;
use super::{BUSY_TIMEOUT, DatabasePath, PRAGMAS, log, log_page, log_trimmed, set_busy_timeout};
use crate::clock::Clock;
use crate::store::{
    ClaimRowKey, ClaimTotals, Contended, DueWork, InUseLimits, KeyDeletion, KeyRange, ListQuery, LockCounts,
    LogHead, LogPage, LogRow, Name, Names, QueueLimits, READERS, Reader, ReleaseRequest, ResourceHistory,
    ResourcePage, ResourceView, StoreError, in_use, release_requests, views,
};

pub(super) struct SqliteReader {
    connections: Connections,
    clock: Clock,
    /// After the connections, so that it is dropped last.
    _lock: DatabaseLock,
}

enum Connections {
    Pool(Pool<ConnectionManager<SqliteConnection>>),
    /// Opened on first use, and again after an error.
    One(DatabasePath, Mutex<Option<SqliteConnection>>),
}

#[derive(Debug)]
struct ReadOnly;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for ReadOnly {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        set_busy_timeout(connection, BUSY_TIMEOUT)
            .and_then(|()| connection.batch_execute(PRAGMAS))
            .and_then(|()| prepare(connection))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// The page cache of a reader, in KiB. There are several, and what they read is in the
/// page cache of the operating system too.
const CACHE_KIB: u32 = 8192;

/// Makes a connection one of a reader.
fn prepare(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA cache_size = -{CACHE_KIB}"))?;
    overlay::install(connection)
}

impl SqliteReader {
    /// A pool for requests.
    pub(super) fn pool(path: &DatabasePath, clock: Clock, lock: DatabaseLock) -> Result<Self, String> {
        let pool = Pool::builder()
            .max_size(READERS as u32)
            .connection_timeout(Duration::from_secs(2))
            .connection_customizer(Box::new(ReadOnly))
            .build(ConnectionManager::new(path.0.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self { connections: Connections::Pool(pool), clock, _lock: lock })
    }

    /// A connection for a background task, which never waits for one of the pool.
    pub(super) fn one(path: &DatabasePath, clock: Clock, lock: DatabaseLock) -> Self {
        Self { connections: Connections::One(path.clone(), Mutex::default()), clock, _lock: lock }
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.connections {
            Connections::Pool(pool) => {
                work(&mut *pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?)
            }
            Connections::One(path, connection) => {
                let mut slot = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let mut connection = match slot.take() {
                    Some(connection) => connection,
                    None => {
                        let mut connection = path.connect(BUSY_TIMEOUT)?;
                        prepare(&mut connection)?;
                        connection
                    }
                };
                let result = work(&mut connection)?;
                *slot = Some(connection);
                Ok(result)
            }
        }
    }

    /// Reads from one snapshot of the tables, with what they do not have from the journal yet.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|connection| {
            connection.transaction(|connection| {
                overlay::refresh(connection)?;
                read(connection)
            })
        })
    }
}

impl Reader for SqliteReader {
    fn now(&self) -> Result<Micros, StoreError> {
        Ok(self.clock.now())
    }

    fn view(&self, name: &Name, waiters: usize) -> Result<(ResourceView, LogHead), StoreError> {
        self.read(|connection| Ok((views::view(connection, name, waiters)?, log_page::head(connection)?)))
    }

    fn queue_position(&self, name: &Name, key: &ClaimKey) -> Result<Option<u64>, StoreError> {
        self.read(|connection| views::queue_position(connection, name, key))
    }

    fn queue(&self, name: &Name) -> Result<Vec<ClaimKey>, StoreError> {
        self.read(|connection| views::queue(connection, name))
    }

    fn versions(&self, names: &[Name]) -> Result<HashMap<Name, u64>, StoreError> {
        self.read(|connection| views::versions(connection, names))
    }

    fn list(&self, query: &ListQuery, names: &Names) -> Result<ResourcePage, StoreError> {
        self.read(|connection| {
            let (views, next) = views::list(connection, query, names)?;
            Ok(ResourcePage { views, next, head: log_page::head(connection)? })
        })
    }

    fn list_again(&self, names: &[Name]) -> Result<Vec<ResourceView>, StoreError> {
        self.read(|connection| views::list_again(connection, names))
    }

    fn lock_counts(&self, long: Micros, names: &Names) -> Result<LockCounts, StoreError> {
        self.read(|connection| views::lock_counts(connection, long, names))
    }

    fn contended(&self, names: &Names, limits: QueueLimits) -> Result<Contended, StoreError> {
        self.read(|connection| views::contended(connection, names, limits))
    }

    fn in_use(&self, names: &Names, limits: InUseLimits) -> Result<Contended, StoreError> {
        self.read(|connection| in_use::in_use(connection, names, limits))
    }

    fn claim_totals(&self, names: &[Names]) -> Result<ClaimTotals, StoreError> {
        self.read(|connection| views::claim_totals(connection, names))
    }

    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        self.with(|connection| connection.transaction(|connection| log_page::read(connection, from, limit)))
    }

    fn history(
        &self,
        name: &Name,
        upto: i64,
        each: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
        self.read(|connection| log_page::history(connection, name, upto, each))
    }

    fn due_work(&self, behind: Duration, limit: i64) -> Result<DueWork, StoreError> {
        let now = self.clock.now();
        let by = Micros(now.0.saturating_sub(i64::try_from(behind.as_micros()).unwrap_or(i64::MAX)));
        self.read(|connection| {
            let views::Due { resources, waiters, next } = views::due(connection, by, limit)?;
            Ok(DueWork { now, resources, waiters, next })
        })
    }

    fn release_requests(&self) -> Result<(Micros, Vec<ReleaseRequest>), StoreError> {
        // They are not in the journal.
        let requests = self.with(release_requests::all)?;
        Ok((self.clock.now(), requests))
    }

    fn key_range(
        &self,
        after: Option<&ClaimRowKey>,
        cutoff: Micros,
        limit: i64,
    ) -> Result<Option<KeyRange>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            resource: String,
            #[diesel(sql_type = Text)]
            principal: String,
            #[diesel(sql_type = Text)]
            key: String,
            #[diesel(sql_type = BigInt)]
            expired: i64,
        }
        let start = ClaimRowKey::or_first(after);
        // What can be deleted is in the table.
        let query = diesel::sql_query(
            "SELECT resource, principal, key, coalesce(ended_at < ?, 0) AS expired FROM main.claims \
             WHERE (key, resource, principal) > (?, ?, ?) ORDER BY key, resource, principal LIMIT ?",
        )
        .bind::<BigInt, _>(cutoff.0)
        .bind::<Text, _>(&start.key)
        .bind::<Text, _>(&start.resource)
        .bind::<Text, _>(&start.principal)
        .bind::<BigInt, _>(limit);
        let rows: Vec<Row> = self.with(|connection| Ok(query.load(connection)?))?;
        let expired = rows.iter().map(|row| row.expired).sum();
        let anonymous = rows.iter().any(|row| row.principal.is_empty());
        let more = rows.len() as i64 == limit;
        Ok(rows.into_iter().next_back().map(|row| KeyRange {
            last: ClaimRowKey { resource: row.resource, principal: row.principal, key: row.key },
            expired,
            anonymous,
            more,
        }))
    }
}

pub(super) fn delete_keys(
    connection: &mut SqliteConnection,
    deletion: &KeyDeletion,
) -> Result<usize, StoreError> {
    let start = ClaimRowKey::or_first(deletion.after.as_ref());
    Ok(diesel::sql_query(
        "DELETE FROM claims WHERE (key, resource, principal) > (?, ?, ?) AND (key, resource, principal) <= (?, ?, ?) \
         AND ended_at < ?",
    )
    .bind::<Text, _>(&start.key)
    .bind::<Text, _>(&start.resource)
    .bind::<Text, _>(&start.principal)
    .bind::<Text, _>(&deletion.last.key)
    .bind::<Text, _>(&deletion.last.resource)
    .bind::<Text, _>(&deletion.last.principal)
    .bind::<BigInt, _>(deletion.cutoff.0)
    .execute(connection)?)
}

/// The number of events ever logged.
pub(super) fn log_upto(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let last: Option<i64> =
        log::table.order(log::position.desc()).select(log::upto).first(connection).optional()?;
    match last {
        Some(upto) => Ok(upto),
        None => Ok(log_trimmed::table.select(log_trimmed::upto).first(connection)?),
    }
}
