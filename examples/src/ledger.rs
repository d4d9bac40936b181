//! A ledger in SQLite whose writes are fenced.
//!
//! The fence of a resource is the highest token seen for it. It is raised when a
//! holder *reads*, not only when it writes. Otherwise a stale holder could write
//! between its successor's read and write, and the successor would overwrite that.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// A resource and the fencing token of the lock on it.
#[derive(Debug, Clone)]
pub struct FencedResource {
    /// The name of the lock.
    pub resource: String,
    /// The fencing token; `None` disables the fence.
    pub token: Option<u64>,
}

/// The ledger refused an access: the token is stale, or the file is already done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRefused {
    /// The resource whose token is stale, or whose file is done.
    pub resource: String,
}

/// A total, and the files counted in it.
pub struct Ledger {
    connection: SqliteConnection,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct IntegerRow {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

impl Ledger {
    /// Opens the ledger in this file, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// When the file can't be opened or is not a ledger.
    pub fn open(path: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute(
            // Not WAL: switching to it ignores the busy timeout, so workers that start
            // at the same time would fail.
            "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL;
             BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS fences (resource TEXT PRIMARY KEY, token BIGINT NOT NULL);
             CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY CHECK (id = 1), words BIGINT NOT NULL);
             CREATE TABLE IF NOT EXISTS files (path TEXT NOT NULL, words BIGINT NOT NULL, worker TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS refused (resource TEXT NOT NULL, worker TEXT NOT NULL);
             INSERT OR IGNORE INTO total VALUES (1, 0);
             COMMIT",
        )?;
        Ok(Self { connection })
    }

    /// Reads the total, and raises the fence to this holder's token.
    ///
    /// # Errors
    ///
    /// When the database fails. The inner error means that the token is stale.
    pub fn read_total(&mut self, fenced: &FencedResource) -> QueryResult<Result<i64, WriteRefused>> {
        self.connection.immediate_transaction(|connection| {
            if !raise_fence(connection, fenced)? {
                return Ok(Err(WriteRefused { resource: fenced.resource.clone() }));
            }
            total(connection).map(Ok)
        })
    }

    /// Raises the fence of a resource to this holder's token.
    ///
    /// # Errors
    ///
    /// When the database fails. The inner error means that the token is stale.
    pub fn begin(&mut self, fenced: &FencedResource) -> QueryResult<Result<(), WriteRefused>> {
        self.connection.immediate_transaction(|connection| {
            Ok(if raise_fence(connection, fenced)? {
                Ok(())
            } else {
                Err(WriteRefused { resource: fenced.resource.clone() })
            })
        })
    }

    /// Atomically writes the new total and marks the file as done.
    ///
    /// # Errors
    ///
    /// When the database fails. The inner error means that the write was refused and
    /// nothing was written.
    pub fn write(
        &mut self,
        file: &FencedResource,
        total: &FencedResource,
        path: &str,
        words: i64,
        new_total: i64,
        worker: &str,
    ) -> QueryResult<Result<(), WriteRefused>> {
        let written = self.connection.immediate_transaction(|connection| {
            for fenced in [file, total] {
                if !raise_fence(connection, fenced)? {
                    return Ok(Err(WriteRefused { resource: fenced.resource.clone() }));
                }
            }
            if file.token.is_some() && is_done(connection, path)? {
                return Ok(Err(WriteRefused { resource: file.resource.clone() }));
            }
            diesel::sql_query("UPDATE total SET words = ?")
                .bind::<BigInt, _>(new_total)
                .execute(connection)?;
            diesel::sql_query("INSERT INTO files VALUES (?, ?, ?)")
                .bind::<Text, _>(path)
                .bind::<BigInt, _>(words)
                .bind::<Text, _>(worker)
                .execute(connection)?;
            Ok(Ok(()))
        });
        if let Ok(Err(refused)) = &written {
            diesel::sql_query("INSERT INTO refused VALUES (?, ?)")
                .bind::<Text, _>(&refused.resource)
                .bind::<Text, _>(worker)
                .execute(&mut self.connection)?;
        }
        written
    }

    /// Whether a file is done.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn is_done(&mut self, path: &str) -> QueryResult<bool> {
        is_done(&mut self.connection, path)
    }

    /// The current total.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn total(&mut self) -> QueryResult<i64> {
        total(&mut self.connection)
    }

    /// The numbers of files done, of files done more than once, and of refused writes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn counts(&mut self) -> QueryResult<(i64, i64, i64)> {
        let connection = &mut self.connection;
        let files = count(connection, "SELECT count(DISTINCT path) AS value FROM files")?;
        let twice = count(
            connection,
            "SELECT count(*) AS value FROM (SELECT 1 FROM files GROUP BY path HAVING count(*) > 1)",
        )?;
        Ok((files, twice, count(connection, "SELECT count(*) AS value FROM refused")?))
    }
}

/// Raises the fence to the token; returns false if the token is older than the fence.
fn raise_fence(connection: &mut SqliteConnection, fenced: &FencedResource) -> QueryResult<bool> {
    let Some(token) = fenced.token else { return Ok(true) };
    let token = i64::try_from(token).unwrap_or(i64::MAX);
    let raised = diesel::sql_query(
        "INSERT INTO fences VALUES (?, ?) ON CONFLICT (resource) DO UPDATE SET token = excluded.token \
         WHERE excluded.token >= fences.token",
    )
    .bind::<Text, _>(&fenced.resource)
    .bind::<BigInt, _>(token)
    .execute(connection)?;
    Ok(raised == 1)
}

fn is_done(connection: &mut SqliteConnection, path: &str) -> QueryResult<bool> {
    let done: IntegerRow = diesel::sql_query("SELECT count(*) AS value FROM files WHERE path = ?")
        .bind::<Text, _>(path)
        .get_result(connection)?;
    Ok(done.value > 0)
}

fn total(connection: &mut SqliteConnection) -> QueryResult<i64> {
    count(connection, "SELECT words AS value FROM total")
}

fn count(connection: &mut SqliteConnection, query: &str) -> QueryResult<i64> {
    diesel::sql_query(query).get_result::<IntegerRow>(connection).map(|number| number.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fenced(resource: &str, token: u64) -> FencedResource {
        FencedResource { resource: resource.into(), token: Some(token) }
    }

    #[test]
    fn stale_holder_is_refused_even_before_its_successor_writes() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(directory.path().join("ledger.db").to_str().unwrap()).unwrap();
        let (stale, fresh) = (fenced("total", 3), fenced("total", 5));
        let file = fenced("file", 1);
        assert_eq!(ledger.read_total(&stale).unwrap(), Ok(0));
        assert_eq!(ledger.read_total(&fresh).unwrap(), Ok(0));
        let refused = ledger.write(&file, &stale, "a", 7, 7, "w").unwrap();
        assert_eq!(refused, Err(WriteRefused { resource: "total".into() }));
        assert_eq!(ledger.write(&file, &fresh, "a", 7, 7, "w").unwrap(), Ok(()));
        assert_eq!((ledger.total().unwrap(), ledger.counts().unwrap()), (7, (1, 0, 1)));
    }

    #[test]
    fn file_that_is_done_is_not_counted_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(directory.path().join("ledger.db").to_str().unwrap()).unwrap();
        let (file, total) = (fenced("file", 1), fenced("total", 1));
        assert_eq!(ledger.write(&file, &total, "a", 7, 7, "w").unwrap(), Ok(()));
        assert!(ledger.write(&file, &total, "a", 7, 14, "w").unwrap().is_err());
        assert_eq!(ledger.total().unwrap(), 7);
    }
}
