//! How batches get their positions in the event log.
//!
//! A batch takes its number while it holds its row locks, but becomes visible
//! when it commits, which may be in another order. So positions are assigned
//! after the commit, to all visible batches in the order of their numbers. A
//! position that has been read never gains a predecessor, and a long transaction
//! delays no batch but its own.
//!
//! A writer commits one batch after the other, so the batches of a writer become visible in the
//! order of their numbers, and those without a position follow its last one that has one
//! (`placed`).

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use dlm_pq::PqConnection;

use super::bulk::{self, Param};
use crate::clock::since_boot;
use crate::store::read::LOG_PAGE_BYTES;
use crate::store::statement::statements;
use crate::store::{LogHead, LogPage, LogRow, LogTrim, OldLogRow, RowEvents, StoreError};

/// Most batches that are assigned a position in one transaction.
const MAX_ASSIGNED: i64 = 10_000;

/// How long to wait for others that assign positions.
const ASSIGN_WITHIN: Duration = Duration::from_secs(2);

/// The batches of a writer that have no position. Written so that only the index of writers and batches
/// has them: for a writer that has none, the primary key would lead through all batches.
pub(super) const UNPLACED: &str = "FROM batch_events WHERE writer <> 0 AND (writer, batch) > (placed.writer, placed.batch) \
    AND (writer, batch) <= (placed.writer, 9223372036854775807) ORDER BY writer, batch LIMIT";

statements! {
    AnyUnplaced -> Bool = &format!(
        "SELECT EXISTS (SELECT FROM placed CROSS JOIN LATERAL (SELECT writer, batch {UNPLACED} 1) AS later)"
    );
    /// Serializes the assignment across replicas.
    LockEnds -> (BigInt, BigInt) = "SELECT head, upto FROM log_ends FOR UPDATE";
    /// All statements of it read from one snapshot, which has a batch only if it has all those
    /// before it on the same resources, whose numbers are lower.
    AssignPositions -> () = &format!("WITH ready AS (SELECT later.* FROM placed CROSS JOIN LATERAL \
                (SELECT batch, event_count, writer {UNPLACED} ?) AS later ORDER BY batch LIMIT ?), \
        marked AS (UPDATE placed SET batch = last.batch \
            FROM (SELECT writer, max(batch) AS batch FROM ready GROUP BY writer) AS last \
            WHERE placed.writer = last.writer), \
        logged AS (INSERT INTO log (position, batch, upto) \
            SELECT ? + row_number() OVER (ORDER BY batch), batch, ? + sum(event_count) OVER (ORDER BY batch) FROM ready) \
        UPDATE log_ends SET head = head + (SELECT count(*) FROM ready), \
            upto = upto + (SELECT coalesce(sum(event_count), 0) FROM ready)");
    ReadEnds -> (BigInt, BigInt, BigInt) = "SELECT head, upto, trimmed FROM log_ends";
    /// Ends with the row that reaches this size.
    ReadLog -> (BigInt, Text) = "SELECT position, events FROM (SELECT position, events, \
            sum(octet_length(events)) OVER (ORDER BY position) - octet_length(events) AS before \
            FROM (SELECT position, events FROM log JOIN batch_events USING (batch) \
                WHERE position >= ? ORDER BY position LIMIT ?) AS rows) AS sized \
        WHERE before < ? ORDER BY position";
    ReadOldest -> (BigInt, BigInt, BigInt) = "SELECT position, at, upto FROM log JOIN batch_events USING (batch) \
        ORDER BY position LIMIT ?";
    TrimLog -> () = "WITH trimmed_rows AS (DELETE FROM log WHERE position <= ? RETURNING batch), \
        trimmed_events AS (DELETE FROM batch_events USING trimmed_rows WHERE batch_events.batch = trimmed_rows.batch) \
        UPDATE log_ends SET trimmed = greatest(trimmed, ?)";
}

/// Assigns visible batches their positions. Waits up to [`ASSIGN_WITHIN`] for another
/// server that does: on a slow disk its commit can take longer than a lock may be waited
/// for.
pub(super) fn assign_positions(connection: &mut PqConnection) -> Result<(), StoreError> {
    let until = since_boot() + ASSIGN_WITHIN;
    loop {
        match try_assign_positions(connection) {
            Err(StoreError::NotCommitted(_)) if since_boot() < until => {}
            assigned => return assigned,
        }
    }
}

fn try_assign_positions(connection: &mut PqConnection) -> Result<(), StoreError> {
    let unplaced: Vec<bool> = bulk::load::<AnyUnplaced, _>(connection, Vec::new())?;
    if unplaced != [true] {
        return Ok(());
    }
    connection.transaction(|connection| {
        let ends: Vec<(i64, i64)> = bulk::load::<LockEnds, _>(connection, Vec::new())?;
        let [(head, upto)] = ends[..] else { return Err(no_ends()) };
        let params = [MAX_ASSIGNED, MAX_ASSIGNED, head, upto];
        bulk::run::<AssignPositions>(connection, params.map(Param::from).into())?;
        Ok(())
    })
}

/// The last position of the log.
pub(super) fn head(connection: &mut PqConnection) -> Result<LogHead, StoreError> {
    ends(connection).map(|(head, ..)| LogHead(head))
}

/// Reads rows from this position on. Call it in a transaction that reads from
/// one snapshot.
pub(super) fn read(connection: &mut PqConnection, from: i64, limit: i64) -> Result<LogPage, StoreError> {
    let params = vec![from.into(), limit.into(), (LOG_PAGE_BYTES as i64).into()];
    let rows: Vec<(i64, String)> = bulk::load::<ReadLog, _>(connection, params)?;
    let (head, _, trimmed) = ends(connection)?;
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(position, events)| LogRow { position, events: RowEvents::Json(events) })
        .collect();
    let size: usize = rows.iter().map(|row| row.events.bytes()).sum();
    let more = size >= LOG_PAGE_BYTES || rows.len() as i64 == limit;
    Ok(LogPage { rows, more, head: LogHead(head), trimmed })
}

/// Trims the oldest rows.
pub(super) fn trim(connection: &mut PqConnection, trim: &LogTrim) -> Result<usize, StoreError> {
    let rows: Vec<(i64, i64, i64)> = bulk::load::<ReadOldest, _>(connection, vec![trim.limit.into()])?;
    let rows: Vec<_> =
        rows.into_iter().map(|(position, at, upto)| OldLogRow { position, at, upto }).collect();
    let (_, upto, _) = ends(connection)?;
    let Some((count, last)) = trim.select(&rows, upto) else { return Ok(0) };
    bulk::run::<TrimLog>(connection, vec![last.into(), last.into()])?;
    Ok(count)
}

/// The last position of the log, and the last one that was trimmed.
pub(super) fn bounds(connection: &mut PqConnection) -> Result<(LogHead, i64), StoreError> {
    ends(connection).map(|(head, _, trimmed)| (LogHead(head), trimmed))
}

fn ends(connection: &mut PqConnection) -> Result<(i64, i64, i64), StoreError> {
    let ends: Vec<(i64, i64, i64)> = bulk::load::<ReadEnds, _>(connection, Vec::new())?;
    ends.first().copied().ok_or_else(no_ends)
}

fn no_ends() -> StoreError {
    StoreError::Corrupt("the table log_ends is empty".into())
}
