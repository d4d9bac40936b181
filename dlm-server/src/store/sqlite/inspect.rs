//! Looks into a database that a server may be running on.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use dlm_engine::Claim;

use super::journal::overlay;
use super::{BUSY_TIMEOUT_AT_START, DatabasePath, MIGRATIONS, log_id_of, log_page, set_busy_timeout};
use crate::store::migrations::require_known;
use crate::store::queries::Queries;
use crate::store::rows::{ClaimRow, ResourceRow};
use crate::store::schema::meta;
use crate::store::{LogPage, Name, Names, OpenError, StoreError, views};

/// How many rows are read at a time.
const ROWS: i64 = 1000;

/// A connection that shows what a server on the database does. It writes nothing.
pub(crate) struct Inspection {
    connection: SqliteConnection,
    log_id: u64,
}

/// See [`crate::store::inspect`].
pub(in crate::store) fn inspect(rest: &str) -> Result<Inspection, OpenError> {
    let path = DatabasePath::parse(rest)?;
    // SQLite would create it.
    if !Path::new(&path.0).exists() {
        return Err(path.failed(&"there is no such file"));
    }
    let failed = |error: StoreError| path.failed(&error);
    let mut connection =
        SqliteConnection::establish(&path.0).map_err(|error| path.failed(&error.to_string()))?;
    set_busy_timeout(&mut connection, BUSY_TIMEOUT_AT_START).map_err(|error| failed(error.into()))?;
    let applied = applied_migrations(&mut connection)
        .map_err(|error| path.failed(&format!("it is no database of dlm-server: {error}")))?;
    require_known::<Sqlite>(&applied, &MIGRATIONS)?;
    let known: Vec<Box<dyn Migration<Sqlite>>> =
        MIGRATIONS.migrations().map_err(|error| path.failed(&error.to_string()))?;
    if applied.len() < known.len() {
        return Err(path.failed(&"an older dlm-server wrote it: start this version on it first"));
    }
    let log_id = prepare(&mut connection).map_err(failed)?;
    Ok(Inspection { connection, log_id })
}

fn applied_migrations(connection: &mut SqliteConnection) -> QueryResult<Vec<MigrationVersion<'static>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let rows: Vec<Row> =
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection)?;
    Ok(rows.into_iter().map(|row| row.version.into()).collect())
}

/// Returns the id of the log.
fn prepare(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    connection.batch_execute("PRAGMA temp_store = MEMORY")?;
    overlay::install(connection)?;
    log_id_of(meta::table.find("log_id").select(meta::value).first(connection)?)
}

impl Inspection {
    pub(crate) fn log_id(&self) -> u64 {
        self.log_id
    }

    /// All live leases at one moment, in the order of the names.
    pub(crate) fn for_each_holder<E: From<StoreError>>(
        &mut self,
        mut each: impl FnMut(&Name, &Claim) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_resource(|connection, row| {
            let name = Name::from(&*row.name);
            let holders = views::holders(connection, row, row.holder_count)?;
            holders.iter().try_for_each(|claim| each(&name, claim))
        })
    }

    /// All waiters at one moment and their places, in the order of the names and of the queues.
    pub(crate) fn for_each_waiter<E: From<StoreError>>(
        &mut self,
        mut each: impl FnMut(&Name, u64, &Claim) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_resource(|connection, row| {
            let name = Name::from(&*row.name);
            let (mut position, mut after) = (0, 0);
            while position < row.queue_len as u64 {
                let waiters = connection.waiters(&name, after, ROWS).map_err(StoreError::from)?;
                if waiters.is_empty() {
                    break;
                }
                for waiter in waiters.into_iter().map(ClaimRow::into_claim) {
                    let waiter = waiter?;
                    after = waiter.queue_entry().map_or(after, |entry| entry.ticket as i64);
                    position += 1;
                    each(&name, position, &waiter)?;
                }
            }
            Ok(())
        })
    }

    /// Reads all resources from one snapshot.
    fn for_each_resource<E: From<StoreError>>(
        &mut self,
        mut each: impl FnMut(&mut SqliteConnection, &ResourceRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.connection.batch_execute("BEGIN").map_err(StoreError::from)?;
        overlay::refresh(&mut self.connection)?;
        let mut after = String::new();
        loop {
            let mut rows = Vec::new();
            for range in Names::All.with_prefix("", &after) {
                rows.extend(self.connection.resource_page(&range, &after, ROWS).map_err(StoreError::from)?);
            }
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.name);
            rows.iter().try_for_each(|row| each(&mut self.connection, row))?;
        }
        self.connection.batch_execute("COMMIT").map_err(StoreError::from)?;
        Ok(())
    }

    /// Reads rows of the event log from this position on.
    pub(crate) fn log(&mut self, from: i64) -> Result<LogPage, StoreError> {
        self.connection.transaction(|connection| log_page::read(connection, from, ROWS))
    }
}
