//! The connection of the only writer.
//!
//! - `connection`: how it commits, and how long it waits for locks
//! - `loading`: what it reads
//! - `settling`: how it has the tables follow
//! - `maintenance`: what it does between batches for other tasks

mod connection;
mod loading;
mod maintenance;
mod settling;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::prelude::*;
use dlm_engine::{Claim, ClaimKey, Floor, Micros, Need, Resource, RowChange};

use super::claims::{self, one_row};
use super::fixed::{self, InsertJournal, LoadFloors, Value};
use super::journal::Encoder;
use super::journal::newest_key::NewestKey;
use super::journal::pace::Pace;
use super::journal::staged::{StagedBatch, StagedWrite};
use super::journal::tail::{Applied, JournalRow, Tail};
use super::lock::DatabaseLock;
use super::{DatabasePath, WRITER, reader};
use crate::clock::{Clock, ClockReading, since_boot};
use crate::store::{
    BatchWrite, Housekeeping, KeyDeletion, LockResult, LockTarget, LockWait, LogTrim, Name, NewTicket, Store,
    StoreError, StoredFloor, floor_bucket, schema,
};
use connection::{Commits, WriterConnection, last_batch};

pub(super) struct SqliteStore {
    connection: WriterConnection,
    clock: Clock,
    /// From where the next run would continue the clock.
    stored_reading: Option<ClockReading>,
    /// All floors. There are few, and every new name needs one.
    floors: HashMap<i64, StoredFloor>,
    encoder: Encoder,
    /// What the tables lack.
    tail: Tail,
    pace: Pace,
    last_batch: i64,
    /// The number of events ever logged.
    upto: i64,
    /// What the open transaction writes. The tail takes it over once that commits.
    staged: Option<StagedBatch>,
    /// The resources that the open transaction has applied, since they are read from the tables.
    applied: HashSet<Name>,
    /// Set after a failed COMMIT, until the connection is new: the batch that is staged may
    /// be stored.
    outcome_unknown: bool,
    /// Until then a batch does not wait for a lock: one has just waited in vain, and
    /// these waits must not add up.
    refuse_until: Duration,
    /// After the connection, so that it is dropped last.
    _lock: DatabaseLock,
}

impl SqliteStore {
    /// Uses a connection to a database whose journal is empty.
    pub(super) fn new(
        path: DatabasePath,
        connection: SqliteConnection,
        clock: Clock,
        lock: DatabaseLock,
    ) -> Result<Self, StoreError> {
        let mut connection = WriterConnection::new(path, connection);
        let (last_batch, upto) = (last_batch(&mut connection)?, reader::log_upto(&mut connection)?);
        let floors = fixed::load::<LoadFloors, (i64, i64, i64, i64), 0>(&mut connection, [])?;
        let tail = Tail::after(NewestKey::load(&mut connection)?);
        let floor = |(bucket, token, version, last_events)| {
            let floor = Floor { token: token as u64, version: version as u64 };
            (bucket, StoredFloor { floor, last_events })
        };
        Ok(Self {
            connection,
            clock,
            stored_reading: None,
            floors: floors.into_iter().map(floor).collect(),
            encoder: Encoder::default(),
            tail,
            pace: Pace::default(),
            last_batch,
            upto,
            staged: None,
            applied: HashSet::new(),
            outcome_unknown: false,
            refuse_until: Duration::ZERO,
            _lock: lock,
        })
    }

    /// Moves the check instants of all waiters to `due_at` at the latest.
    pub(super) fn check_waiters_by(&mut self, due_at: Micros) -> Result<(), StoreError> {
        use schema::claims;
        diesel::update(claims::table.filter(claims::check_at.gt(due_at.0)))
            .set(claims::check_at.eq(due_at.0))
            .execute(&mut *self.connection)?;
        Ok(())
    }

    /// Fails if a claim that is new to the engine exists. Its primary key would not refuse
    /// it in time.
    fn refuse_known_keys(&mut self, batch: &BatchWrite<'_>) -> Result<(), StoreError> {
        let mut inserted = Vec::new();
        for write in batch.writes {
            for change in write.claims.iter().filter(|change| change.insert) {
                if self.tail.claim(write.name, &change.claim.key).is_some() {
                    return Err(StoreError::KeyExists);
                }
                if !self.tail.is_newer_than_tables(&change.claim.key) {
                    inserted.push((write.name, &change.claim.key));
                }
            }
        }
        match claims::any_exists(&mut self.connection, &inserted)? {
            true => Err(StoreError::KeyExists),
            false => Ok(()),
        }
    }

    /// Raises the floors of deleted resources. If the batch fails, a floor in memory is higher
    /// than it has to be, which is harmless.
    fn raise_floors(&mut self, batch: &BatchWrite<'_>) {
        for write in batch.writes {
            if let RowChange::Delete(floor) = &write.row {
                let floor = StoredFloor { floor: *floor, last_events: write.last_events };
                self.floors.entry(floor_bucket(write.name)).or_default().raise(floor);
            }
        }
    }

    /// The open transaction has committed.
    fn committed(&mut self) {
        let applied = Applied { resources: self.applied.drain().collect(), ..Applied::default() };
        self.tail.forget(&applied);
        let Some(staged) = self.staged.take() else { return };
        (self.last_batch, self.upto) = (staged.row.position, staged.row.upto);
        self.pace.committed(self.tail.is_empty(), since_boot());
        self.tail.add(staged);
    }

    fn begin_immediate(&mut self) -> Result<(), StoreError> {
        fixed::run::<fixed::Begin, 0>(&mut self.connection, [])?;
        match last_batch(&mut self.connection) {
            Ok(last) if last == self.last_batch => Ok(()),
            last => {
                self.connection.rollback();
                Err(last.err().unwrap_or(StoreError::ForeignWriter))
            }
        }
    }
}

impl Housekeeping for SqliteStore {
    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        maintenance::delete_keys(self, deletion)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        maintenance::trim_log(self, trim)
    }
}

impl Store for SqliteStore {
    fn begin(&mut self, _lock_wait: LockWait) -> Result<(), StoreError> {
        if self.outcome_unknown {
            return Err(StoreError::Unavailable("the last commit is not resolved yet".into()));
        }
        while Pace::is_too_long(&self.tail) {
            self.apply_oldest(self.pace.part(&self.tail))?;
        }
        let waits = since_boot() >= self.refuse_until;
        let timeout = if waits { super::BUSY_TIMEOUT } else { Duration::ZERO };
        self.connection.configure(Commits::Synced, timeout)?;
        let begun = self.begin_immediate();
        if waits && matches!(begun, Err(StoreError::Locked(_))) {
            self.refuse_until = since_boot() + super::BUSY_TIMEOUT;
        }
        begun
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        _lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        // The file belongs to this process, so the writer's copy is current.
        let not_cached = || targets.iter().filter(|target| target.cached.is_none()).map(|target| target.name);
        not_cached().try_for_each(|name| self.apply_resource(name))?;
        let names: Vec<&str> = not_cached().map(|name| &**name).collect();
        let mut rows = self.rows(&names)?;
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
        self.current_claims(keys)
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        self.provide_current(name, need, resource)
    }

    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        self.refuse_known_keys(batch)?;
        self.raise_floors(batch);
        // Batches commit one after the other, so a batch's number is also its
        // position in the log.
        let number = self.last_batch + 1;
        let upto = self.upto + batch.events.len() as i64;
        let encoded = self.encoder.encode(number, batch);
        let values = [number.into(), batch.now.0.into(), upto.into(), Value::Blob(encoded.data)];
        one_row(fixed::run::<InsertJournal, _>(&mut self.connection, values)?)?;
        let events = encoded.data[encoded.events].to_vec();
        let row = JournalRow { position: number, at: batch.now, upto, events, bytes: encoded.data.len() };
        let writes = batch.writes.iter().map(|write| StagedWrite::new(number, write)).collect();
        self.staged = Some(StagedBatch { row, writes });
        Ok(number)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.outcome_unknown = true;
        self.connection.commit()?;
        self.outcome_unknown = false;
        self.committed();
        Ok(())
    }

    fn rollback(&mut self) {
        self.connection.rollback();
        // Otherwise the next connection finds out what it did.
        if !self.outcome_unknown {
            self.staged = None;
            self.applied.clear();
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection.reconnect()?;
        self.last_batch()?;
        Ok(())
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        let last = last_batch(&mut self.connection)?;
        match &self.staged {
            Some(staged) if staged.row.position == last => self.committed(),
            // A batch that wrote nothing may have applied something.
            _ => {
                let resources = self.applied.drain().collect();
                self.tail.doubt(&Applied { resources, ..Applied::default() });
                self.staged = None;
            }
        }
        self.outcome_unknown = false;
        Ok(last)
    }

    fn log_position(&self, batch: i64) -> Option<i64> {
        Some(batch)
    }

    fn settle(&mut self) -> Result<Option<Duration>, StoreError> {
        self.apply_what_is_due()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.apply_all()
    }

    fn add_ticket(&mut self, ticket: NewTicket, valid_ms: u64) -> Result<Option<Micros>, StoreError> {
        maintenance::add_ticket(self, ticket, valid_ms)
    }

    fn take_ticket(&mut self, digest: &str) -> Result<Option<String>, StoreError> {
        maintenance::take_ticket(self, digest)
    }

    fn keep_clock(&mut self) -> Result<(), StoreError> {
        maintenance::keep_clock(self)
    }

    #[cfg(feature = "test-time")]
    fn advance_clock(&mut self, by: std::time::Duration) -> Result<(), StoreError> {
        self.clock.advance(by);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
