//! Reads the event log: its rows, and the events of batches that are still in the journal.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};
use dlm_engine::Micros;

use super::fixed;
use super::journal::{events_before, events_of, journal};
use super::{log, log_trimmed};
use crate::store::read::LOG_PAGE_BYTES;
use crate::store::schema::writers;
use crate::store::statement::statements;
use crate::store::{LogHead, LogPage, LogRow, ResourceHistory, RowEvents, StoreError, floor_bucket};

/// Reads rows from this position on. Call it in a transaction that reads from one
/// snapshot.
pub(super) fn read(connection: &mut SqliteConnection, from: i64, limit: i64) -> Result<LogPage, StoreError> {
    let mut page = Page { rows: Vec::new(), bytes: 0, limit };
    page.add_logged(connection, from)?;
    if !page.is_full() {
        // The journal follows the log: a batch is in one of them.
        page.add_journaled(connection, from)?;
    }
    let more = page.is_full();
    Ok(LogPage { rows: page.rows, more, head: head(connection)?, trimmed: trimmed(connection)? })
}

/// The position of the last batch.
pub(super) fn head(connection: &mut SqliteConnection) -> Result<LogHead, StoreError> {
    let last: Option<i64> = journal::table.select(max(journal::position)).first(connection)?;
    match last {
        Some(last) => Ok(LogHead(last)),
        None => {
            let marker: Option<i64> = writers::table.select(max(writers::batch)).first(connection)?;
            Ok(LogHead(marker.unwrap_or(0)))
        }
    }
}

statements! {
    LastEvents -> BigInt = "SELECT coalesce((SELECT last_events FROM resources WHERE name = ?), \
        (SELECT last_events FROM floors WHERE bucket = ?), 0)";
}

/// Reads the rows with events of a resource at this position or before, newest first, until
/// `each` returns false. Call it in a transaction that reads from one snapshot.
pub(super) fn history(
    connection: &mut SqliteConnection,
    name: &str,
    upto: i64,
    each: &mut dyn FnMut(&LogRow) -> bool,
) -> Result<ResourceHistory, StoreError> {
    let trimmed = trimmed(connection)?;
    let last: Vec<i64> =
        fixed::load::<LastEvents, _, 2>(connection, [name.into(), floor_bucket(name).into()])?;
    let mut at = last.first().copied().unwrap_or(0);
    let mut search_from = None;
    if at > upto {
        match linked_near(connection, name, upto)? {
            Some(position) => at = position,
            None => {
                at = 0;
                search_from = Some(upto);
            }
        }
    }
    while at > trimmed {
        let row = row_at(connection, at)?;
        // Without the name: events of an older server, or of a deleted resource, are somewhere
        // before.
        let Some((row, earlier)) =
            row.and_then(|row| earlier_events(&row, name).map(|earlier| (row, earlier)))
        else {
            search_from = Some(at);
            break;
        };
        if at <= upto && !each(&row) {
            break;
        }
        at = earlier;
    }
    Ok(ResourceHistory { head: head(connection)?, trimmed, search_from })
}

/// This position or the one after, if it has events of a resource and says where the earlier ones are.
fn linked_near(
    connection: &mut SqliteConnection,
    name: &str,
    position: i64,
) -> Result<Option<i64>, StoreError> {
    for position in [position + 1, position] {
        if row_at(connection, position)?.is_some_and(|row| earlier_events(&row, name).is_some()) {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// The row at this position, if there is one.
fn row_at(connection: &mut SqliteConnection, position: i64) -> Result<Option<LogRow>, StoreError> {
    let mut page = Page { rows: Vec::new(), bytes: 0, limit: 1 };
    page.add_logged(connection, position)?;
    if !page.is_full() {
        page.add_journaled(connection, position)?;
    }
    Ok(page.rows.pop().filter(|row| row.position == position))
}

/// Where the log has earlier events of a resource than a row that has some: at this position
/// or before; 0 if it has none. `None` if the row does not tell.
fn earlier_events(row: &LogRow, name: &str) -> Option<i64> {
    let RowEvents::Encoded { at, data } = &row.events else { return None };
    // A damaged row is reported by those who read all rows.
    let earlier = events_before(*at, data, name).ok().flatten()?;
    (earlier < row.position).then_some(earlier)
}

/// The last position that was trimmed; 0 if none was.
fn trimmed(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(log_trimmed::table.select(log_trimmed::position).first(connection)?)
}

struct Page {
    rows: Vec<LogRow>,
    bytes: usize,
    limit: i64,
}

impl Page {
    fn is_full(&self) -> bool {
        self.bytes >= LOG_PAGE_BYTES || self.rows.len() as i64 >= self.limit
    }

    fn add(&mut self, position: i64, events: RowEvents) {
        self.bytes += events.bytes();
        self.rows.push(LogRow { position, events });
    }

    fn add_logged(&mut self, connection: &mut SqliteConnection, from: i64) -> Result<(), StoreError> {
        // As bytes: a damaged row need not be text, and must not fail the read
        // of the others.
        let (is_text, bytes) = (sql::<Bool>("typeof(data) = 'text'"), sql::<Binary>("CAST(data AS BLOB)"));
        let query = log::table
            .filter(log::position.ge(from))
            .order(log::position)
            .limit(self.limit)
            .select((log::position, log::at, is_text, bytes));
        for row in query.load_iter::<(i64, i64, bool, Vec<u8>), DefaultLoadingMode>(connection)? {
            let (position, at, is_text, data) = row?;
            let events = match is_text {
                true => RowEvents::Json(String::from_utf8_lossy(&data).into_owned()),
                false => RowEvents::Encoded { at: Micros(at), data },
            };
            self.add(position, events);
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn add_journaled(&mut self, connection: &mut SqliteConnection, from: i64) -> Result<(), StoreError> {
        let query = journal::table.filter(journal::position.ge(from)).order(journal::position).select((
            journal::position,
            journal::at,
            journal::data,
        ));
        for row in query.load_iter::<(i64, i64, Vec<u8>), DefaultLoadingMode>(connection)? {
            let (position, at, data) = row?;
            let at = Micros(at);
            // A damaged row is left to its readers, which report it.
            let events = events_of(at, &data).unwrap_or(0..data.len());
            if !events.is_empty() {
                self.add(position, RowEvents::Encoded { at, data: data[events].to_vec() });
            }
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
