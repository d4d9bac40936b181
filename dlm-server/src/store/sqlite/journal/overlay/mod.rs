//! What readers see of the journal: the tables as if they had everything in it.
//!
//! A reader's connection has a temporary table beside each table that the journal is about.
//! It contains the rows that the journal changes, in their newest state, and another one
//! the keys of the rows that they replace. Views in front of both have the names of the
//! tables: SQLite looks a name up among temporary tables and views first, so no query
//! has to know.
//!
//! A temporary table has the columns and indexes of the table that it is beside, so a query uses
//! the same index in both, and merges what it finds.
//!
//! [`refresh`] brings the temporary tables to the snapshot of the open transaction, which must
//! be the one of the queries that follow. If the transaction is rolled back, so are they.
//!
//! - `changes`: decodes rows of the journal, and keeps the newest state of each row
//! - `fill`: writes the temporary tables
//!
//! **Architecture Invariant:** a reader sees each committed batch exactly once: from
//! the journal until the tables have it, and from the tables then.

mod changes;
mod fill;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use dlm_engine::Micros;

use super::{codec, journal};
use crate::store::StoreError;
use crate::store::sqlite::fixed;
use crate::store::statement::statements;
use changes::Changes;

/// The tables that the journal is about.
const TABLES: [&str; 3] = ["resources", "claims", "floors"];

/// The keys of the rows that are replaced, with the last batch that changed them; which
/// batches of the journal are shown; and the views. `writers` has the last batch in the journal
/// before the tables have it.
const KEYS_AND_VIEWS: &str = "
    CREATE TEMP TABLE changed_resources (name TEXT PRIMARY KEY NOT NULL, position BIGINT NOT NULL) WITHOUT ROWID;
    CREATE TEMP TABLE changed_claims (resource TEXT NOT NULL, principal TEXT NOT NULL, key TEXT NOT NULL,
        position BIGINT NOT NULL, PRIMARY KEY (key, resource, principal)) WITHOUT ROWID;
    CREATE TEMP TABLE changed_floors (bucket INTEGER PRIMARY KEY NOT NULL, position BIGINT NOT NULL);
    CREATE TEMP TABLE shown (first BIGINT NOT NULL, last BIGINT NOT NULL);
    INSERT INTO shown (first, last) VALUES (0, 0);
    CREATE TEMP VIEW resources AS
        SELECT * FROM main.resources AS stored
        WHERE NOT EXISTS (SELECT 1 FROM changed_resources AS changed WHERE changed.name = stored.name)
        UNION ALL SELECT * FROM tail_resources;
    CREATE TEMP VIEW claims AS
        SELECT * FROM main.claims AS stored
        WHERE NOT EXISTS (SELECT 1 FROM changed_claims AS changed WHERE changed.key = stored.key
            AND changed.resource = stored.resource AND changed.principal = stored.principal)
        UNION ALL SELECT * FROM tail_claims;
    CREATE TEMP VIEW floors AS
        SELECT * FROM main.floors AS stored
        WHERE NOT EXISTS (SELECT 1 FROM changed_floors AS changed WHERE changed.bucket = stored.bucket)
        UNION ALL SELECT * FROM tail_floors;
    CREATE TEMP VIEW writers AS
        SELECT id, coalesce((SELECT max(position) FROM main.journal), batch) AS batch, at FROM main.writers
        UNION ALL
        SELECT 0 AS id, position AS batch, at FROM main.journal
        WHERE position = (SELECT max(position) FROM main.journal) AND NOT EXISTS (SELECT 1 FROM main.writers);";

statements! {
    /// The first and the last row of the journal, and of those that are shown.
    Range -> (BigInt, BigInt, BigInt, BigInt) = "SELECT \
        coalesce((SELECT min(position) FROM journal), 0), coalesce((SELECT max(position) FROM journal), 0), \
        first, last FROM shown";
}

/// Makes a connection one that sees the journal. It can't write the tables any more, since their
/// names are those of views.
pub(in crate::store) fn install(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut text = String::new();
    for table in TABLES {
        for definition in definitions(connection, table)? {
            text += &beside(table, &definition)?;
            text += ";\n";
        }
    }
    connection.batch_execute(&text)?;
    connection.batch_execute(KEYS_AND_VIEWS)
}

/// How a table and its indexes were created.
fn definitions(connection: &mut SqliteConnection, table: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        sql: String,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? AND type IN ('table', 'index') \
         AND sql IS NOT NULL ORDER BY type = 'table' DESC",
    )
    .bind::<Text, _>(table)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.sql).collect())
}

/// The definition of the temporary table, or index, beside this one.
fn beside(table: &str, definition: &str) -> QueryResult<String> {
    let created = definition.strip_prefix(&format!("CREATE TABLE {table} "));
    let create_table = created.map(|columns| format!("CREATE TEMP TABLE tail_{table} {columns}"));
    let indexed = definition.strip_prefix("CREATE INDEX ").and_then(|rest| {
        let (index, columns) = rest.split_once(&format!(" ON {table} "))?;
        Some(format!("CREATE INDEX temp.tail_{index} ON tail_{table} {columns}"))
    });
    create_table.or(indexed).ok_or_else(|| {
        DieselError::QueryBuilderError(format!("the schema has an unexpected form: {definition}").into())
    })
}

/// Brings the temporary tables to the snapshot of the open transaction.
pub(in crate::store::sqlite) fn refresh(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let ranges: Vec<(i64, i64, i64, i64)> = fixed::load::<Range, _, 0>(connection, [])?;
    let [(first, last, shown_first, shown_last)] = ranges[..] else {
        return Err(StoreError::Corrupt("a temporary table was emptied".into()));
    };
    if (first, last) == (shown_first, shown_last) {
        return Ok(());
    }
    show(connection, first, last, shown_last)
}

/// Shows the rows of the journal from `first` to `last`, where those up to `shown` were shown.
fn show(connection: &mut SqliteConnection, first: i64, last: i64, shown: i64) -> Result<(), StoreError> {
    let is_empty = last == 0;
    if is_empty || first > shown {
        fill::clear(connection)?;
    } else {
        fill::forget(connection, first)?;
    }
    let mut changes = Changes::default();
    let rows = journal::table.filter(journal::position.gt(shown)).order(journal::position).select((
        journal::position,
        journal::at,
        journal::data,
    ));
    for row in rows.load_iter::<(i64, i64, Vec<u8>), DefaultLoadingMode>(connection)? {
        let (position, at, data) = row?;
        let batch = codec::decode(Micros(at), &data).map_err(|error| {
            StoreError::Corrupt(format!("the journal row {position} is damaged: {error}"))
        })?;
        changes.add(position, batch);
    }
    fill::add(connection, &changes)?;
    fill::set_shown(connection, first, last)
}
