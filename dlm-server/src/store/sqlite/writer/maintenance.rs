//! What the writer does between batches for other tasks. Each in a transaction of its own.

use std::time::Duration;

use diesel::prelude::*;
use dlm_engine::Micros;

use super::SqliteStore;
use super::connection::Commits;
use crate::store::sqlite::{BUSY_TIMEOUT, clock_row, log, log_trimmed, reader};
use crate::store::{
    KeyDeletion, LogTrim, Name, NewTicket, OldLogRow, ReleaseRequest, ReleaseRequestStore, Store, StoreError,
    release_requests, tickets,
};

/// How long maintenance waits while another program has locked the database. Batches
/// wait behind it.
const MAINTENANCE_BUSY_TIMEOUT: Duration = Duration::from_millis(50);

pub(super) fn delete_keys(store: &mut SqliteStore, deletion: &KeyDeletion) -> Result<usize, StoreError> {
    if store.tail.may_have_ended_before(deletion.cutoff) {
        store.finish()?;
    }
    // What is deleted again after a power failure need not be synced.
    store.connection.configure(Commits::Unsynced, MAINTENANCE_BUSY_TIMEOUT)?;
    reader::delete_keys(&mut store.connection, deletion)
}

/// Trims what has moved to the log from the journal.
pub(super) fn trim_log(store: &mut SqliteStore, trim: &LogTrim) -> Result<usize, StoreError> {
    store.connection.configure(Commits::Unsynced, MAINTENANCE_BUSY_TIMEOUT)?;
    let rows: Vec<(i64, i64, i64)> = log::table
        .order(log::position)
        .limit(trim.limit)
        .select((log::position, log::at, log::upto))
        .load(&mut *store.connection)?;
    let row = |(position, at, upto)| OldLogRow { position, at, upto };
    let rows: Vec<OldLogRow> = rows.into_iter().map(row).collect();
    let Some((count, last)) = trim.select(&rows, store.upto) else { return Ok(0) };
    let upto = rows[count - 1].upto;
    store.connection.immediate_transaction(|connection| {
        diesel::delete(log::table.filter(log::position.le(last))).execute(connection)?;
        diesel::update(log_trimmed::table)
            .set((log_trimmed::position.eq(last), log_trimmed::upto.eq(upto)))
            .execute(connection)?;
        Ok(count)
    })
}

pub(super) fn add_ticket(
    store: &mut SqliteStore,
    ticket: NewTicket,
    valid_ms: u64,
) -> Result<Option<Micros>, StoreError> {
    let now = store.clock.now();
    store.connection.configure(Commits::Synced, BUSY_TIMEOUT)?;
    store.connection.immediate_transaction(|connection| tickets::add(connection, ticket, valid_ms, now))
}

pub(super) fn take_ticket(store: &mut SqliteStore, digest: &str) -> Result<Option<String>, StoreError> {
    let now = store.clock.now();
    store.connection.configure(Commits::Synced, BUSY_TIMEOUT)?;
    tickets::take(&mut *store.connection, digest, now)
}

impl ReleaseRequestStore for SqliteStore {
    fn add_release_request(
        &mut self,
        request: &ReleaseRequest,
    ) -> Result<Option<ReleaseRequest>, StoreError> {
        self.connection.configure(Commits::Synced, BUSY_TIMEOUT)?;
        self.connection.immediate_transaction(|connection| release_requests::add(connection, request))
    }

    fn delete_release_request(&mut self, name: &Name, token: u64) -> Result<(), StoreError> {
        // What is deleted again after a power failure need not be synced.
        self.connection.configure(Commits::Unsynced, MAINTENANCE_BUSY_TIMEOUT)?;
        release_requests::delete(&mut *self.connection, name, token)
    }
}

pub(super) fn keep_clock(store: &mut SqliteStore) -> Result<(), StoreError> {
    let reading = store.clock.steer();
    if store.stored_reading.as_ref().is_some_and(|stored| stored.predicts(&reading)) {
        return Ok(());
    }
    store.connection.configure(Commits::Synced, MAINTENANCE_BUSY_TIMEOUT)?;
    clock_row::store(&mut store.connection, &reading)?;
    store.stored_reading = Some(reading);
    Ok(())
}
