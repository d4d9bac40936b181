//! How batches get their place in the event log.
//!
//! A batch takes its number while it holds its row locks, but becomes visible
//! when it is committed, which may be in another order. So a place in the log
//! is given afterwards, to the batches that are visible, in the order of their
//! numbers: a position that was once read never gains a predecessor, and a
//! transaction that goes on for long holds up nobody but itself.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::bulk::{self, statements};
use crate::store::{Head, LogRow, StoreError};

/// Most batches that get their place at a time.
const PLACED: i64 = 10_000;

statements! {
    Unplaced -> Bool = "SELECT EXISTS (SELECT FROM unplaced)";
    /// One at a time, over all replicas.
    LockEnds -> BigInt = "SELECT head FROM log_ends FOR UPDATE";
    Place -> () = "WITH ready AS (DELETE FROM unplaced WHERE batch IN \
            (SELECT batch FROM unplaced ORDER BY batch LIMIT ?) RETURNING batch), \
        placed AS (INSERT INTO log (position, batch) \
            SELECT ? + row_number() OVER (ORDER BY batch), batch FROM ready) \
        UPDATE log_ends SET head = head + (SELECT count(*) FROM ready)";
    ReadEnd -> BigInt = "SELECT head FROM log_ends";
    ReadLog -> (BigInt, Text) = "SELECT position, events FROM log JOIN batch_events USING (batch) \
        WHERE position >= ? ORDER BY position LIMIT ?";
}

/// Gives the batches that are visible their places.
pub(super) fn place(connection: &mut PgConnection) -> Result<(), StoreError> {
    let unplaced: Vec<bool> = bulk::load::<Unplaced, _>(connection, Vec::new())?;
    if unplaced != [true] {
        return Ok(());
    }
    connection.transaction(|connection| {
        let head: Vec<i64> = bulk::load::<LockEnds, _>(connection, Vec::new())?;
        let [head] = head[..] else { return Err(StoreError::Corrupt("the log has no ends".into())) };
        bulk::run::<Place>(connection, vec![PLACED.into(), head.into()])?;
        Ok(())
    })
}

/// The end of the log.
pub(super) fn head(connection: &mut PgConnection) -> Result<Head, StoreError> {
    let head: Vec<i64> = bulk::load::<ReadEnd, _>(connection, Vec::new())?;
    head.first().copied().map(Head).ok_or_else(|| StoreError::Corrupt("the log has no ends".into()))
}

/// Rows from this position on.
pub(super) fn read(connection: &mut PgConnection, from: i64, limit: i64) -> Result<Vec<LogRow>, StoreError> {
    let rows: Vec<(i64, String)> = bulk::load::<ReadLog, _>(connection, vec![from.into(), limit.into()])?;
    Ok(rows.into_iter().map(|(position, events)| LogRow { position, events }).collect())
}
