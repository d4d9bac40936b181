//! The connection of the only writer.

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use dlm_engine::{Claim, ClaimKey, Floor, Micros, Need, Resource, ResourceRecord, RowChange};

use super::claims::{self, one_row};
use super::clock_row;
use super::fixed::{
    self, InsertLog, InsertResource, LoadResources, MarkBatch, ReadMarker, UpdateResource,
    UpdateResourceAndCheck,
};
use super::lock::DatabaseLock;
use super::{BUSY_TIMEOUT, BUSY_TIMEOUT_AT_START, DatabasePath, log, log_trimmed, reader, set_busy_timeout};
use crate::clock::{Clock, ClockReading, since_boot};
use crate::store::rows::ResourceRow;
use crate::store::schema::{floors, resources};
use crate::store::{
    BatchWrite, KeyDeletion, LoadedResource, LockResult, LockTarget, LockWait, LogTrim, Name, NewTicket,
    OldLogRow, ResourceWrite, Store, StoreError, event, floor_bucket, schema, tickets, views,
};

/// The id of the only writer.
const WRITER: i64 = 0;

/// How long maintenance waits while another program has locked the database. Batches
/// wait behind it.
const MAINTENANCE_BUSY_TIMEOUT: Duration = Duration::from_millis(50);

pub(super) struct SqliteStore {
    path: DatabasePath,
    connection: SqliteConnection,
    clock: Clock,
    /// From where the next run would continue the clock.
    stored_reading: Option<ClockReading>,
    /// All floors. There are few, and every new name needs one.
    floors: HashMap<i64, Floor>,
    last_batch: i64,
    /// The number of events ever logged.
    upto: i64,
    /// The new values of these two once the open transaction commits.
    uncommitted: Option<(i64, i64)>,
    /// Set after a failed COMMIT, until the connection is new: `last_batch` may not
    /// be what is stored.
    outcome_unknown: bool,
    /// How long the connection's statements wait for a lock.
    busy_timeout: Duration,
    /// Until then a batch does not wait for a lock: one has just waited in vain, and
    /// these waits must not add up.
    refuse_until: Duration,
    /// After the connection, so that it is dropped last.
    _lock: DatabaseLock,
}

impl SqliteStore {
    pub(super) fn new(
        path: DatabasePath,
        connection: SqliteConnection,
        clock: Clock,
        lock: DatabaseLock,
    ) -> Result<Self, StoreError> {
        let mut store = Self {
            path,
            connection,
            clock,
            stored_reading: None,
            floors: HashMap::new(),
            last_batch: 0,
            upto: 0,
            uncommitted: None,
            outcome_unknown: false,
            busy_timeout: BUSY_TIMEOUT_AT_START,
            refuse_until: Duration::ZERO,
            _lock: lock,
        };
        store.last_batch()?;
        let floors: Vec<(i64, i64, i64)> = floors::table.load(&mut store.connection)?;
        store.floors = floors
            .into_iter()
            .map(|(bucket, token, version)| (bucket, Floor { token: token as u64, version: version as u64 }))
            .collect();
        Ok(store)
    }

    /// Moves the check instants of all waiters to `due_at` at the latest.
    pub(super) fn check_waiters_by(&mut self, due_at: Micros) -> Result<(), StoreError> {
        use schema::claims;
        diesel::update(claims::table.filter(claims::check_at.gt(due_at.0)))
            .set(claims::check_at.eq(due_at.0))
            .execute(&mut self.connection)?;
        Ok(())
    }

    /// Sets how long statements wait while another program has locked the database.
    fn limit_busy_wait(&mut self, busy_timeout: Duration) -> Result<(), StoreError> {
        if self.busy_timeout != busy_timeout {
            set_busy_timeout(&mut self.connection, busy_timeout)?;
            self.busy_timeout = busy_timeout;
        }
        Ok(())
    }

    fn begin_immediate(&mut self) -> Result<(), StoreError> {
        let waits = since_boot() >= self.refuse_until;
        self.limit_busy_wait(if waits { BUSY_TIMEOUT } else { Duration::ZERO })?;
        // A deferred transaction that reads before it writes can fail at once,
        // without waiting for the lock.
        let begun = self.connection.batch_execute("BEGIN IMMEDIATE").map_err(StoreError::from);
        if waits && matches!(begun, Err(StoreError::Locked(_))) {
            self.refuse_until = since_boot() + BUSY_TIMEOUT;
        }
        begun
    }

    /// The rows of these resources, by name. One statement for all: a batch may be full of
    /// new names.
    fn rows(&mut self, names: &[&str]) -> Result<HashMap<String, ResourceRow>, StoreError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let asked = serde_json::to_string(names).map_err(|error| StoreError::Rejected(error.to_string()))?;
        let rows: Vec<ResourceRow> =
            fixed::load::<LoadResources, _, 1>(&mut self.connection, [(&*asked).into()])?;
        Ok(rows.into_iter().map(|row| (row.name.clone(), row)).collect())
    }

    fn loaded(&mut self, name: &Name, row: Option<ResourceRow>) -> Result<LoadedResource, StoreError> {
        let Some(row) = row else {
            let floor = self.floors.get(&floor_bucket(name)).copied().unwrap_or_default();
            return Ok(LoadedResource {
                resource: Resource::absent(floor),
                stored_check_at: None,
                revision: 0,
            });
        };
        let live = views::holders(&mut self.connection, &row, row.holder_count)?;
        row.into_loaded(live)
    }

    /// Deletes an idle resource and raises its floor. If the batch fails, the
    /// floor in memory is higher than the stored one, which is harmless.
    fn delete_resource(&mut self, name: &str, floor: Floor) -> Result<(), StoreError> {
        let bucket = floor_bucket(name);
        let raised = self.floors.entry(bucket).or_default();
        raised.token = raised.token.max(floor.token);
        raised.version = raised.version.max(floor.version);
        let (token, version) = (raised.token as i64, raised.version as i64);
        diesel::delete(resources::table.find(name)).execute(&mut self.connection)?;
        diesel::replace_into(floors::table)
            .values((floors::bucket.eq(bucket), floors::token.eq(token), floors::version.eq(version)))
            .execute(&mut self.connection)?;
        Ok(())
    }

    fn write_one(&mut self, write: &ResourceWrite<'_>) -> Result<(), StoreError> {
        match &write.row {
            RowChange::Keep => {}
            RowChange::Write { row, holder } => {
                self.write_row(write.name, row, holder.as_ref(), write.stored_check_at)?;
            }
            RowChange::Delete(floor) => self.delete_resource(write.name, *floor)?,
        }
        write.claims.iter().try_for_each(|change| claims::write(&mut self.connection, write.name, change))
    }

    fn write_row(
        &mut self,
        name: &str,
        row: &ResourceRecord,
        holder: Option<&ClaimKey>,
        stored_check_at: Option<Micros>,
    ) -> Result<(), StoreError> {
        let (version, token, touched_at) = (row.version.into(), row.token.into(), row.touched_at.0.into());
        let (queue_len, holder_count) = (row.queue_len.into(), row.holder_count.into());
        let principal = holder.map(|key| &*key.principal).into();
        let key = holder.map(|key| &*key.key).into();
        let check_at = row.check_at.0;
        let connection = &mut self.connection;
        let written = match stored_check_at {
            // SQLite writes an index whenever its column is set, changed or not.
            Some(stored) if stored.0 == check_at => fixed::run::<UpdateResource, _>(
                connection,
                [version, token, touched_at, queue_len, holder_count, principal, key, name.into()],
            )?,
            stored => {
                let values = [
                    version,
                    token,
                    touched_at,
                    queue_len,
                    holder_count,
                    principal,
                    key,
                    check_at.into(),
                    name.into(),
                ];
                match stored {
                    Some(_) => fixed::run::<UpdateResourceAndCheck, _>(connection, values)?,
                    None => fixed::run::<InsertResource, _>(connection, values)?,
                }
            }
        };
        one_row(written)
    }
}

/// The number of the last batch of any server on this file.
fn read_marker(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let batches: Vec<i64> = fixed::load::<ReadMarker, _, 1>(connection, [WRITER.into()])?;
    Ok(batches.first().copied().unwrap_or(0))
}

impl Store for SqliteStore {
    fn begin(&mut self, _lock_wait: LockWait) -> Result<(), StoreError> {
        self.uncommitted = None;
        if self.outcome_unknown {
            return Err(StoreError::Unavailable("the last commit is not resolved yet".into()));
        }
        self.begin_immediate()?;
        match read_marker(&mut self.connection) {
            Ok(last) if last == self.last_batch => Ok(()),
            marker => {
                self.rollback();
                Err(marker.err().unwrap_or(StoreError::ForeignWriter))
            }
        }
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        _lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        // The file belongs to this process, so the writer's copy is current.
        let not_cached: Vec<&str> =
            targets.iter().filter(|target| target.cached.is_none()).map(|target| &**target.name).collect();
        let mut rows = self.rows(&not_cached)?;
        let lock = |target: &LockTarget<'_>| match target.cached {
            Some(_) => Ok(LockResult::Unchanged),
            None => {
                let loaded = self.loaded(target.name, rows.remove(&**target.name))?;
                Ok(LockResult::Loaded(Box::new(loaded)))
            }
        };
        targets.iter().map(lock).collect()
    }

    fn marker(&self) -> i64 {
        WRITER
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        Ok(self.clock.now())
    }

    fn claims(&mut self, keys: &[(&Name, &ClaimKey)]) -> Result<Vec<Option<Claim>>, StoreError> {
        claims::load(&mut self.connection, keys)
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        views::provide(&mut self.connection, name, need, resource)
    }

    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        for write in batch.writes {
            self.write_one(write)?;
        }
        // Batches commit one after the other, so a batch's number is also its
        // position in the log.
        let number = self.last_batch + 1;
        let mut upto = self.upto;
        if !batch.events.is_empty() {
            upto += batch.events.len() as i64;
            let events = event::to_json(batch.events)?;
            let values = [number.into(), batch.now.0.into(), upto.into(), (&*events).into()];
            one_row(fixed::run::<InsertLog, _>(&mut self.connection, values)?)?;
        }
        fixed::run::<MarkBatch, _>(&mut self.connection, [WRITER.into(), number.into(), batch.now.0.into()])?;
        self.uncommitted = Some((number, upto));
        Ok(number)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.outcome_unknown = true;
        self.connection.batch_execute("COMMIT")?;
        self.outcome_unknown = false;
        (self.last_batch, self.upto) = self.uncommitted.take().unwrap_or((self.last_batch, self.upto));
        Ok(())
    }

    fn rollback(&mut self) {
        // It fails when SQLite has rolled back already.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.path.connect(BUSY_TIMEOUT)?;
        self.busy_timeout = BUSY_TIMEOUT;
        self.last_batch()?;
        self.outcome_unknown = false;
        Ok(())
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        self.last_batch = read_marker(&mut self.connection)?;
        self.upto = reader::log_upto(&mut self.connection)?;
        Ok(self.last_batch)
    }

    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        self.limit_busy_wait(MAINTENANCE_BUSY_TIMEOUT)?;
        reader::delete_keys(&mut self.connection, deletion)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        self.limit_busy_wait(MAINTENANCE_BUSY_TIMEOUT)?;
        let rows: Vec<(i64, i64, i64)> = log::table
            .order(log::position)
            .limit(trim.limit)
            .select((log::position, log::at, log::upto))
            .load(&mut self.connection)?;
        let row = |(position, at, upto)| OldLogRow { position, at, upto };
        let rows: Vec<OldLogRow> = rows.into_iter().map(row).collect();
        let Some((count, last)) = trim.select(&rows, self.upto) else { return Ok(0) };
        let upto = rows[count - 1].upto;
        self.connection.immediate_transaction(|connection| {
            diesel::delete(log::table.filter(log::position.le(last))).execute(connection)?;
            diesel::update(log_trimmed::table)
                .set((log_trimmed::position.eq(last), log_trimmed::upto.eq(upto)))
                .execute(connection)?;
            Ok(count)
        })
    }

    fn add_ticket(&mut self, ticket: NewTicket, valid_ms: u64) -> Result<Option<Micros>, StoreError> {
        let now = self.clock.now();
        self.limit_busy_wait(BUSY_TIMEOUT)?;
        self.connection.immediate_transaction(|connection| tickets::add(connection, ticket, valid_ms, now))
    }

    fn take_ticket(&mut self, digest: &str) -> Result<Option<String>, StoreError> {
        let now = self.clock.now();
        self.limit_busy_wait(BUSY_TIMEOUT)?;
        tickets::take(&mut self.connection, digest, now)
    }

    fn keep_clock(&mut self) -> Result<(), StoreError> {
        let reading = self.clock.steer();
        if self.stored_reading.as_ref().is_some_and(|stored| stored.predicts(&reading)) {
            return Ok(());
        }
        self.limit_busy_wait(MAINTENANCE_BUSY_TIMEOUT)?;
        clock_row::store(&mut self.connection, &reading)?;
        self.stored_reading = Some(reading);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
