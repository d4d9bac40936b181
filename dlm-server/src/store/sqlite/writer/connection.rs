//! The writer's connection: how it commits, and how long it waits for locks.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use crate::store::StoreError;
use crate::store::sqlite::fixed::{self, Commit, LastBatch};
use crate::store::sqlite::{BUSY_TIMEOUT, DatabasePath, WRITER};

/// Whether commits wait until they are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    Synced,
    /// They are on the disk with the next one that is synced. The checkpoints follow these
    /// commits, unless there are none for long: nobody waits for them.
    Unsynced,
}

/// The WAL is copied to the database when it has so many pages. This stops the writer for
/// two syncs.
const CHECKPOINT_PAGES: u32 = 4000;
/// The same if no unsynced commit could do it.
const LATE_CHECKPOINT_PAGES: u32 = 8000;

pub(super) struct WriterConnection {
    path: DatabasePath,
    connection: SqliteConnection,
    /// What is set; `None` if that is not known.
    configured: Option<(Commits, Duration)>,
}

impl WriterConnection {
    pub(super) fn new(path: DatabasePath, connection: SqliteConnection) -> Self {
        Self { path, connection, configured: None }
    }

    /// Sets how transactions commit, and how long statements wait while another program has
    /// locked the database. Not within a transaction.
    pub(super) fn configure(&mut self, commits: Commits, busy_timeout: Duration) -> Result<(), StoreError> {
        if self.configured == Some((commits, busy_timeout)) {
            return Ok(());
        }
        self.configured = None;
        let (synchronous, pages) = match commits {
            Commits::Synced => ("FULL", LATE_CHECKPOINT_PAGES),
            Commits::Unsynced => ("NORMAL", CHECKPOINT_PAGES),
        };
        self.connection.batch_execute(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = {pages}; \
             PRAGMA busy_timeout = {}",
            busy_timeout.as_millis()
        ))?;
        self.configured = Some((commits, busy_timeout));
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        fixed::run::<Commit, 0>(&mut self.connection, [])?;
        Ok(())
    }

    pub(super) fn rollback(&mut self) {
        // It fails when SQLite has rolled back already.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    pub(super) fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.path.connect(BUSY_TIMEOUT)?;
        self.configured = None;
        Ok(())
    }
}

impl Deref for WriterConnection {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriterConnection {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// The number of the last batch of any server on this file.
pub(super) fn last_batch(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let last: Vec<i64> = fixed::load::<LastBatch, _, 1>(connection, [WRITER.into()])?;
    Ok(last.first().copied().unwrap_or(0))
}
