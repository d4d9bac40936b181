//! A ledger in SQLite whose writes are fenced.
//!
//! The fence of a resource is the highest token that was seen for it. It is
//! raised when a holder *reads*, not only when it writes: else a stale holder
//! could still write between the read and the write of its successor, and the
//! successor would overwrite it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// A resource and the fencing token that its lock was granted with.
#[derive(Debug, Clone)]
pub struct Fenced {
    /// What is locked.
    pub resource: String,
    /// The token; `None` works without a fence.
    pub token: Option<u64>,
}

/// A write of a holder whose lock was lost meanwhile, or of work that is done
/// already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was written to.
    pub resource: String,
}

/// A total, and the files that were added to it.
pub struct Ledger {
    connection: SqliteConnection,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

impl Ledger {
    /// Opens the ledger in this file; a new one is empty.
    ///
    /// # Errors
    ///
    /// When the file can't be opened or is not a ledger.
    pub fn open(path: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute(
            // Not WAL: to turn it on, SQLite waits for nobody, and workers start together.
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
    /// When the database fails; the inner error is a refusal.
    pub fn read_total(&mut self, fenced: &Fenced) -> QueryResult<Result<i64, Refused>> {
        self.connection.immediate_transaction(|connection| {
            if !raise(connection, fenced)? {
                return Ok(Err(Refused { resource: fenced.resource.clone() }));
            }
            total(connection).map(Ok)
        })
    }

    /// Raises the fence of a resource to this holder's token.
    ///
    /// # Errors
    ///
    /// When the database fails; the inner error is a refusal.
    pub fn begin(&mut self, fenced: &Fenced) -> QueryResult<Result<(), Refused>> {
        self.connection.immediate_transaction(|connection| {
            Ok(if raise(connection, fenced)? {
                Ok(())
            } else {
                Err(Refused { resource: fenced.resource.clone() })
            })
        })
    }

    /// Writes the new total and the mark that the file is done, both or none.
    ///
    /// # Errors
    ///
    /// When the database fails; the inner error is a refusal, after which
    /// nothing is written.
    pub fn write(
        &mut self,
        file: &Fenced,
        total: &Fenced,
        path: &str,
        words: i64,
        new_total: i64,
        worker: &str,
    ) -> QueryResult<Result<(), Refused>> {
        let written = self.connection.immediate_transaction(|connection| {
            for fenced in [file, total] {
                if !raise(connection, fenced)? {
                    return Ok(Err(Refused { resource: fenced.resource.clone() }));
                }
            }
            if file.token.is_some() && is_done(connection, path)? {
                return Ok(Err(Refused { resource: file.resource.clone() }));
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

    /// The total as it stands.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn total(&mut self) -> QueryResult<i64> {
        total(&mut self.connection)
    }

    /// How many files were done, how many of them more than once, and how many
    /// writes were refused.
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

/// Tells whether the token is not older than the fence, which is then raised.
fn raise(connection: &mut SqliteConnection, fenced: &Fenced) -> QueryResult<bool> {
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
    let done: Number = diesel::sql_query("SELECT count(*) AS value FROM files WHERE path = ?")
        .bind::<Text, _>(path)
        .get_result(connection)?;
    Ok(done.value > 0)
}

fn total(connection: &mut SqliteConnection) -> QueryResult<i64> {
    count(connection, "SELECT words AS value FROM total")
}

fn count(connection: &mut SqliteConnection, query: &str) -> QueryResult<i64> {
    diesel::sql_query(query).get_result::<Number>(connection).map(|number| number.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fenced(resource: &str, token: u64) -> Fenced {
        Fenced { resource: resource.into(), token: Some(token) }
    }

    #[test]
    fn a_stale_holder_is_refused_even_before_its_successor_writes() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path().join("ledger.db").to_str().unwrap()).unwrap();
        let (stale, fresh) = (fenced("total", 3), fenced("total", 5));
        let file = fenced("file", 1);
        assert_eq!(ledger.read_total(&stale).unwrap(), Ok(0));
        assert_eq!(ledger.read_total(&fresh).unwrap(), Ok(0));
        let refused = ledger.write(&file, &stale, "a", 7, 7, "w").unwrap();
        assert_eq!(refused, Err(Refused { resource: "total".into() }));
        assert_eq!(ledger.write(&file, &fresh, "a", 7, 7, "w").unwrap(), Ok(()));
        assert_eq!((ledger.total().unwrap(), ledger.counts().unwrap()), (7, (1, 0, 1)));
    }

    #[test]
    fn a_file_that_is_done_is_not_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path().join("ledger.db").to_str().unwrap()).unwrap();
        let (file, total) = (fenced("file", 1), fenced("total", 1));
        assert_eq!(ledger.write(&file, &total, "a", 7, 7, "w").unwrap(), Ok(()));
        assert!(ledger.write(&file, &total, "a", 7, 14, "w").unwrap().is_err());
        assert_eq!(ledger.total().unwrap(), 7);
    }
}
