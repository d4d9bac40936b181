//! The one connection that writes.

use std::fs::File;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::upsert::excluded;
use dlm_engine::{Claim, ClaimChange, ClaimKey, End, Floor, Micros, Mode, Need, Phase, Resource, RowChange, Stored};

use super::{Location, reader};
use super::rows::{ClaimRow, NewClaim, ResourceRow, cancel_code, end_code};
use super::schema::{claims, floors, log, resources, writers};
use crate::clock::Clock;
use crate::store::{Loaded, Name, Purge, Store, StoreError, Write, floor_bucket};

/// The only writer there is.
const WRITER: i64 = 0;
/// How many waiters are loaded at once.
const WAITERS_LOADED: i64 = 64;

pub(super) struct SqliteStore {
    location: Location,
    connection: SqliteConnection,
    clock: Clock,
    last_batch: i64,
    /// The batch that the open transaction has numbered.
    numbered: Option<i64>,
    /// Held as long as the store lives.
    _lock: File,
}

impl SqliteStore {
    pub(super) fn new(
        location: Location,
        connection: SqliteConnection,
        clock: Clock,
        lock: File,
    ) -> Result<Self, StoreError> {
        let mut store = Self { location, connection, clock, last_batch: 0, numbered: None, _lock: lock };
        store.last_batch = store.last_batch()?;
        Ok(store)
    }

    fn claim(&mut self, name: &str, key: &ClaimKey) -> Result<Option<Claim>, StoreError> {
        let row = claims::table
            .filter(claims::resource.eq(name))
            .filter(claims::principal.eq(&*key.principal))
            .filter(claims::key.eq(&*key.key))
            .select(ClaimRow::as_select())
            .first(&mut self.connection)
            .optional()?;
        row.map(ClaimRow::into_claim).transpose()
    }

    fn floor(&mut self, name: &str) -> Result<Floor, StoreError> {
        let floor: Option<(i64, i64)> = floors::table
            .find(floor_bucket(name))
            .select((floors::token, floors::version))
            .first(&mut self.connection)
            .optional()?;
        let (token, version) = floor.unwrap_or_default();
        Ok(Floor { token: token as u64, version: version as u64 })
    }

    fn forget(&mut self, name: &str, floor: Floor) -> Result<(), StoreError> {
        let connection = &mut self.connection;
        diesel::delete(resources::table.find(name)).execute(connection)?;
        let (token, version) = (floor.token as i64, floor.version as i64);
        let bucket = floor_bucket(name);
        diesel::insert_into(floors::table)
            .values((floors::bucket.eq(bucket), floors::token.eq(token), floors::version.eq(version)))
            .on_conflict_do_nothing()
            .execute(connection)?;
        diesel::update(floors::table.find(bucket).filter(floors::token.lt(token)))
            .set(floors::token.eq(token))
            .execute(connection)?;
        diesel::update(floors::table.find(bucket).filter(floors::version.lt(version)))
            .set(floors::version.eq(version))
            .execute(connection)?;
        Ok(())
    }

    fn write_row(
        &mut self,
        name: &str,
        row: &Stored,
        holder: Option<&ClaimKey>,
        stored_check_at: Option<Micros>,
    ) -> Result<(), StoreError> {
        let changing = (
            resources::version.eq(row.version as i64),
            resources::token.eq(row.token as i64),
            resources::touched_at.eq(row.touched_at.0),
            resources::queue_len.eq(row.queue_len as i64),
            resources::holder_count.eq(row.holder_count as i64),
            resources::holder_principal.eq(holder.map(|key| &*key.principal)),
            resources::holder_key.eq(holder.map(|key| &*key.key)),
        );
        let check_at = resources::check_at.eq(row.check_at.0);
        match stored_check_at {
            None => {
                diesel::insert_into(resources::table)
                    .values((resources::name.eq(name), check_at, changing))
                    .execute(&mut self.connection)?;
            }
            // An index is written when its column is named, changed or not.
            Some(stored) if stored == row.check_at => {
                diesel::update(resources::table.find(name)).set(changing).execute(&mut self.connection)?;
            }
            Some(_) => {
                diesel::update(resources::table.find(name)).set((check_at, changing)).execute(&mut self.connection)?;
            }
        }
        Ok(())
    }

    fn write_claim(&mut self, name: &str, change: &ClaimChange) -> Result<(), StoreError> {
        let claim = &change.claim;
        if change.insert {
            return diesel::insert_into(claims::table)
                .values(NewClaim::of(name, change))
                .execute(&mut self.connection)
                .map(drop)
                .map_err(|error| match error {
                    DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => StoreError::KeyExists,
                    error => error.into(),
                });
        }
        let row = claims::table.find((name, &*claim.key.principal, &*claim.key.key));
        // The two changes that happen most touch no index.
        let written = match &claim.phase {
            Phase::Live(lease) if change.was_live => diesel::update(row)
                .set((
                    claims::term_at.eq(lease.term_at.0),
                    claims::ttl_ms.eq(lease.ttl_ms as i64),
                    claims::expires_at.eq(lease.expires_at.0),
                ))
                .execute(&mut self.connection)?,
            Phase::Ended(ended)
                if change.was_live && claim.mode() == Mode::Exclusive && ended.end != End::ForceReleased =>
            {
                diesel::update(row)
                    .set((
                        claims::ended_at.eq(ended.at.0),
                        claims::end_reason.eq(end_code(ended.end)),
                        claims::current_token.eq(ended.current_token as i64),
                        claims::cancel.eq(ended.cancel.map(cancel_code)),
                    ))
                    .execute(&mut self.connection)?
            }
            _ => diesel::update(row).set(NewClaim::of(name, change)).execute(&mut self.connection)?,
        };
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Corrupt(format!("{written} rows of a claim were written instead of one")))
        }
    }
}

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        // A deferred transaction that reads before it writes can fail at once,
        // whatever the time-out.
        self.numbered = None;
        Ok(self.connection.batch_execute("BEGIN IMMEDIATE")?)
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        Ok(self.clock.now())
    }

    fn load(&mut self, name: &Name) -> Result<Loaded, StoreError> {
        let row = resources::table
            .find(&**name)
            .select(ResourceRow::as_select())
            .first(&mut self.connection)
            .optional()?;
        let Some(row) = row else {
            let resource = Resource::absent(self.floor(name)?);
            return Ok(Loaded { resource, stored_check_at: None });
        };
        let live = match (&row.holder_principal, &row.holder_key) {
            (Some(principal), Some(key)) => {
                self.claim(name, &ClaimKey::new(principal.as_str(), key.as_str()))?.into_iter().collect()
            }
            _ if row.holder_count > 0 => reader::shared_holders(&mut self.connection, name, row.holder_count)?,
            _ => Vec::new(),
        };
        if live.len() as i64 != row.holder_count {
            return Err(StoreError::Corrupt(format!("{} holders of {} are stored", live.len(), row.holder_count)));
        }
        let stored_check_at = Some(Micros(row.check_at));
        Ok(Loaded { resource: Resource::load(row.stored(), live), stored_check_at })
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        match need {
            Need::Claim(key) => {
                let claim = self.claim(name, &key)?;
                resource.provide_claim(key, claim);
            }
            Need::Waiters { after } => {
                let waiters =
                    reader::waiters(&mut self.connection, name, after as i64, WAITERS_LOADED)?;
                let all = (waiters.len() as i64) < WAITERS_LOADED;
                resource.provide_waiters(waiters, all);
            }
            Need::ForceReleased { token } => {
                let row = claims::table
                    .filter(claims::resource.eq(&**name))
                    .filter(claims::forced_token.eq(token as i64))
                    .select(ClaimRow::as_select())
                    .first(&mut self.connection)
                    .optional()?;
                let claim = row.map(ClaimRow::into_claim).transpose()?;
                resource.provide_force_released(token, claim);
            }
        }
        Ok(())
    }

    fn write(&mut self, write: &Write<'_>) -> Result<(), StoreError> {
        match &write.row {
            RowChange::Keep => {}
            RowChange::Write { row, holder } => {
                self.write_row(write.name, row, holder.as_ref(), write.stored_check_at)?;
            }
            RowChange::Forget(floor) => self.forget(write.name, *floor)?,
        }
        write.claims.iter().try_for_each(|change| self.write_claim(write.name, change))
    }

    fn append(&mut self, now: Micros, events: Option<&str>) -> Result<i64, StoreError> {
        // Commits are one after the other, so a batch's number is its place in
        // the log as well.
        let batch = self.last_batch + 1;
        if let Some(events) = events {
            diesel::insert_into(log::table)
                .values((log::position.eq(batch), log::at.eq(now.0), log::events.eq(events)))
                .execute(&mut self.connection)?;
        }
        diesel::insert_into(writers::table)
            .values((writers::id.eq(WRITER), writers::batch.eq(batch), writers::at.eq(now.0)))
            .on_conflict(writers::id)
            .do_update()
            .set((writers::batch.eq(excluded(writers::batch)), writers::at.eq(excluded(writers::at))))
            .execute(&mut self.connection)?;
        self.numbered = Some(batch);
        Ok(batch)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.batch_execute("COMMIT")?;
        self.last_batch = self.numbered.take().unwrap_or(self.last_batch);
        Ok(())
    }

    fn rollback(&mut self) {
        // Where SQLite has rolled back by itself there is nothing left to do.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.location.connect()?;
        self.last_batch = self.last_batch()?;
        Ok(())
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        let last: Option<i64> =
            writers::table.find(WRITER).select(writers::batch).first(&mut self.connection).optional()?;
        self.last_batch = last.unwrap_or(0);
        Ok(self.last_batch)
    }

    fn purge(&mut self, purge: &Purge) -> Result<usize, StoreError> {
        reader::purge(&mut self.connection, purge)
    }

    fn all_away(&mut self, due_at: Micros) -> Result<(), StoreError> {
        diesel::update(claims::table.filter(claims::check_at.gt(due_at.0)))
            .set(claims::check_at.eq(due_at.0))
            .execute(&mut self.connection)?;
        Ok(())
    }
}
