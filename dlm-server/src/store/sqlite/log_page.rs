//! Reads the event log: its rows, and the events of batches that are still in the journal.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool};
use dlm_engine::Micros;

use super::journal::{events_of, journal};
use super::{log, log_trimmed};
use crate::store::read::LOG_PAGE_BYTES;
use crate::store::schema::writers;
use crate::store::{LogHead, LogPage, LogRow, RowEvents, StoreError};

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
    let trimmed = log_trimmed::table.select(log_trimmed::position).first(connection)?;
    Ok(LogPage { rows: page.rows, more, head: head(connection)?, trimmed })
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
