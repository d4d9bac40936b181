//! Applies what an earlier run has left in the journal.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use dlm_engine::Micros;

use super::apply::{self, Budget};
use super::codec;
use super::journal;
use super::staged::{StagedBatch, StagedWrite};
use super::tail::{JournalRow, Tail};
use crate::store::StoreError;

/// Brings the tables up to date with the whole journal, in one transaction.
///
/// # Errors
///
/// A row that is damaged or was written by a later version is an error: what it granted
/// would be forgotten.
pub(in crate::store::sqlite) fn replay(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    connection.immediate_transaction(|connection| {
        let tail = read(connection)?;
        if !tail.is_empty() {
            apply::oldest(connection, &tail, Budget::ALL)?;
            tracing::info!(batches = tail.rows().count(), "journal applied");
        }
        Ok(())
    })
}

fn read(connection: &mut SqliteConnection) -> Result<Tail, StoreError> {
    let mut tail = Tail::default();
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = journal::table.order(journal::position).load(connection)?;
    for (position, at, upto, data) in rows {
        let at = Micros(at);
        let decoded = codec::decode(at, &data)
            .map_err(|error| StoreError::Corrupt(format!("the journal row {position}: {error}")))?;
        let events = data[decoded.events].to_vec();
        let row = JournalRow { position, at, upto, events, bytes: data.len() };
        let writes = decoded.writes.into_iter().map(|write| StagedWrite::decoded(position, write)).collect();
        tail.add(StagedBatch { row, writes });
    }
    Ok(tail)
}
