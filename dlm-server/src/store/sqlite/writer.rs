//! The one connection that writes.

use std::collections::HashMap;
use std::fs::File;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use dlm_engine::{
    ClaimChange, ClaimKey, EndReason, Floor, Micros, Mode, Need, Phase, Resource, ResourceRecord, RowChange,
};

use super::fixed::{
    self, EndClaim, InsertClaim, InsertLease, InsertResource, MarkBatch, RenewClaim, UpdateClaim,
    UpdateResource, UpdateResourceAndCheck,
};
use super::log_trimmed;
use super::{DatabasePath, queries, reader};
use crate::clock::Clock;
use crate::store::rows::{NewClaim, ResourceRow, Value, cancel_code, end_code};
use crate::store::schema::{claims, floors, log, resources, writers};
use crate::store::{
    BatchWrite, KeyDeletion, LoadedResource, LockResult, LockTarget, LockWait, LogTrim, Name, OldLogRow,
    ResourceWrite, Store, StoreError, floor_bucket,
};

/// The only writer there is.
const WRITER: i64 = 0;
/// How many waiters are loaded at once.
const WAITERS_LOADED: i64 = 64;

pub(super) struct SqliteStore {
    path: DatabasePath,
    connection: SqliteConnection,
    clock: Clock,
    /// Few and read for every new name: kept in memory.
    floors: HashMap<i64, Floor>,
    last_batch: i64,
    /// How many events the log ever had.
    upto: i64,
    /// The same two as the open transaction leaves them.
    open: Option<(i64, i64)>,
    /// Held as long as the store lives.
    _lock: File,
}

impl SqliteStore {
    pub(super) fn new(
        path: DatabasePath,
        connection: SqliteConnection,
        clock: Clock,
        lock: File,
    ) -> Result<Self, StoreError> {
        let mut store = Self {
            path,
            connection,
            clock,
            floors: HashMap::new(),
            last_batch: 0,
            upto: 0,
            open: None,
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
        diesel::update(claims::table.filter(claims::check_at.gt(due_at.0)))
            .set(claims::check_at.eq(due_at.0))
            .execute(&mut self.connection)?;
        Ok(())
    }

    fn load(&mut self, name: &Name) -> Result<LoadedResource, StoreError> {
        let row = resources::table
            .find(&**name)
            .select(ResourceRow::as_select())
            .first(&mut self.connection)
            .optional()?;
        let Some(row) = row else {
            let floor = self.floors.get(&floor_bucket(name)).copied().unwrap_or_default();
            return Ok(LoadedResource {
                resource: Resource::absent(floor),
                stored_check_at: None,
                revision: 0,
            });
        };
        let live = match row.holder() {
            Some(key) => queries::claim(&mut self.connection, name, &key)?.into_iter().collect(),
            None if row.holder_count > 0 => {
                queries::shared_holders(&mut self.connection, name, row.holder_count)?
            }
            None => Vec::new(),
        };
        row.into_loaded(live)
    }

    /// A floor that was raised by a batch which then failed is too high, which
    /// does no harm.
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
        write.claims.iter().try_for_each(|change| self.write_claim(write.name, change))
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
            // An index is written when its column is named, changed or not.
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

    fn write_claim(&mut self, name: &str, change: &ClaimChange) -> Result<(), StoreError> {
        let claim = &change.claim;
        let connection = &mut self.connection;
        if change.insert {
            return insert_claim(connection, name, change);
        }
        let (name, principal, key) = (name.into(), (&*claim.key.principal).into(), (&*claim.key.key).into());
        // The two changes that happen most touch no index.
        let written = match &claim.phase {
            Phase::Live(lease) if change.was_live => fixed::run::<RenewClaim, _>(
                connection,
                [
                    lease.term_at.0.into(),
                    lease.ttl_ms.into(),
                    lease.expires_at.0.into(),
                    name,
                    principal,
                    key,
                ],
            )?,
            Phase::Ended(ended)
                if change.was_live
                    && claim.mode() == Mode::Exclusive
                    && ended.reason != EndReason::ForceReleased =>
            {
                let cancel = ended.cancel.map(cancel_code).into();
                let reason = Some(end_code(ended.reason)).into();
                fixed::run::<EndClaim, _>(
                    connection,
                    [
                        ended.ended_at.0.into(),
                        reason,
                        ended.current_token.into(),
                        cancel,
                        name,
                        principal,
                        key,
                    ],
                )?
            }
            _ => {
                let mut state = NewClaim::of("", change).state.into_iter();
                let mut names = [name, principal, key].into_iter();
                let values = std::array::from_fn::<_, 21, _>(|_| {
                    state.next().or_else(|| names.next()).unwrap_or(Value::Int(None))
                });
                fixed::run::<UpdateClaim, _>(connection, values)?
            }
        };
        one_row(written)
    }
}

fn insert_claim(
    connection: &mut SqliteConnection,
    name: &str,
    change: &ClaimChange,
) -> Result<(), StoreError> {
    let NewClaim { asked, state } = NewClaim::of(name, change);
    let inserted = if matches!(&change.claim.phase, Phase::Live(lease) if lease.ticket.is_none()) {
        let [resource, principal, key, shared, ttl_asked, wait, owner, metadata] = asked;
        let [_, _, _, _, _, _, token, _, granted_at, term_at, ttl, expires_at, shared_token, ..] = state;
        fixed::run::<InsertLease, _>(
            connection,
            [
                resource,
                principal,
                key,
                shared,
                ttl_asked,
                wait,
                owner,
                metadata,
                token,
                granted_at,
                term_at,
                ttl,
                expires_at,
                shared_token,
            ],
        )
    } else {
        let mut values = state.into_iter().chain(asked);
        let values = std::array::from_fn::<_, 26, _>(|_| values.next().unwrap_or(Value::Int(None)));
        fixed::run::<InsertClaim, _>(connection, values)
    };
    match inserted {
        Ok(written) => one_row(written),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::KeyExists),
        Err(error) => Err(error.into()),
    }
}

fn one_row(written: usize) -> Result<(), StoreError> {
    if written == 1 {
        Ok(())
    } else {
        Err(StoreError::Corrupt(format!("{written} rows were written instead of one")))
    }
}

impl Store for SqliteStore {
    fn begin(&mut self, _lock_wait: LockWait) -> Result<(), StoreError> {
        // A deferred transaction that reads before it writes can fail at once,
        // whatever the time-out.
        self.open = None;
        Ok(self.connection.batch_execute("BEGIN IMMEDIATE")?)
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        _lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        // The file belongs to this process: what is in memory is what is stored.
        let lock = |target: &LockTarget<'_>| match target.cached {
            Some(_) => Ok(LockResult::Unchanged),
            None => self.load(target.name).map(|loaded| LockResult::Loaded(Box::new(loaded))),
        };
        targets.iter().map(lock).collect()
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        Ok(self.clock.now())
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        match need {
            Need::Claim(key) => {
                let claim = queries::claim(&mut self.connection, name, &key)?;
                resource.provide_claim(key, claim);
            }
            Need::Waiters { after } => {
                let waiters = queries::waiters(&mut self.connection, name, after as i64, WAITERS_LOADED)?;
                let all = (waiters.len() as i64) < WAITERS_LOADED;
                resource.provide_waiters(waiters, all);
            }
            Need::ForceReleased { token } => {
                let claim = queries::force_released(&mut self.connection, name, token)?;
                resource.provide_force_released(token, claim);
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        for write in batch.writes {
            self.write_one(write)?;
        }
        // Commits are one after the other, so a batch's number is its place in
        // the log as well.
        let number = self.last_batch + 1;
        let mut upto = self.upto;
        if let Some((events, count)) = batch.events {
            upto += count as i64;
            let row = (
                log::position.eq(number),
                log::at.eq(batch.now.0),
                log::upto.eq(upto),
                log::events.eq(events),
            );
            diesel::insert_into(log::table).values(row).execute(&mut self.connection)?;
        }
        fixed::run::<MarkBatch, _>(&mut self.connection, [WRITER.into(), number.into(), batch.now.0.into()])?;
        self.open = Some((number, upto));
        Ok(number)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.batch_execute("COMMIT")?;
        (self.last_batch, self.upto) = self.open.take().unwrap_or((self.last_batch, self.upto));
        Ok(())
    }

    fn rollback(&mut self) {
        // Where SQLite has rolled back by itself there is nothing left to do.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.path.connect()?;
        self.last_batch()?;
        Ok(())
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        let last: Option<i64> =
            writers::table.find(WRITER).select(writers::batch).first(&mut self.connection).optional()?;
        self.last_batch = last.unwrap_or(0);
        self.upto = reader::log_upto(&mut self.connection)?;
        Ok(self.last_batch)
    }

    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        reader::delete_keys(&mut self.connection, deletion)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        let rows: Vec<(i64, i64, i64)> = log::table
            .order(log::position)
            .limit(trim.limit)
            .select((log::position, log::at, log::upto))
            .load(&mut self.connection)?;
        let row = |(position, at, upto)| OldLogRow { position, at, upto };
        let rows: Vec<OldLogRow> = rows.into_iter().map(row).collect();
        let Some((going, last)) = trim.select(&rows, self.upto) else { return Ok(0) };
        let upto = rows[going - 1].upto;
        self.connection.immediate_transaction(|connection| {
            diesel::delete(log::table.filter(log::position.le(last))).execute(connection)?;
            diesel::update(log_trimmed::table)
                .set((log_trimmed::position.eq(last), log_trimmed::upto.eq(upto)))
                .execute(connection)?;
            Ok(going)
        })
    }
}
