//! The connection of a writer.
//!
//! A batch locks its resources, in one statement; loads what another replica
//! changed; asks the clock; and writes what it changed, in one statement, with
//! one more for new resources: a round trip costs more than what it asks for.
//! Rows are always inserted in the order of their names, so that no two batches
//! wait for each other.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use dlm_engine::{Claim, Floor, Micros, Need, ReplicaId, Resource};

use super::batch_sql::{
    AddMarker, ClockAndNumber, ForgetResources, InsertResources, LockAll, LockFree, Missing, PurgeClaims,
    RaiseFloors, ReadMarker, WriteBatch,
};
use super::bulk::{self, Column};
use super::columns::{NewRow, Rows, row_columns};
use super::connection::{CommitDurability, ConnectOptions};
use super::{log, queries};
use crate::clock::since_boot;
use crate::store::rows::{ClaimRow, ResourceRow};
use crate::store::schema::claims;
use crate::store::{
    BatchWrite, CachedVersion, ClaimRowKey, KeyDeletion, LoadedResource, LockResult, LockTarget, LockWait,
    LogTrim, Name, Store, StoreError, floor_bucket,
};

/// How many waiters are loaded at once.
const WAITERS_LOADED: i64 = 64;
/// How long the outcome of a commit is waited for.
const OUTCOME_WITHIN: Duration = Duration::from_secs(3);

/// Most writers of a server: their markers are told apart by it.
pub(super) const MOST: usize = 64;

/// Other replicas' batches take a few milliseconds. One that is stopped keeps
/// its locks for seconds; all that while the operations on other resources must
/// not wait for it.
const BEGIN_AND_WAIT: &str = "BEGIN; SET LOCAL lock_timeout = '20ms'";

pub(super) struct PostgresStore {
    options: ConnectOptions,
    connection: PgConnection,
    replica: ReplicaId,
    /// Names this writer's marker.
    id: i64,
    /// Of the open transaction: its number, and the floors of names that have
    /// no row.
    number: i64,
    absent: HashMap<Name, Floor>,
}

impl PostgresStore {
    pub(super) fn open(
        options: ConnectOptions,
        replica: ReplicaId,
        number: usize,
    ) -> Result<Self, StoreError> {
        let connection = options.connect(CommitDurability::Durable)?;
        let id = replica.0.wrapping_mul(MOST as i64).wrapping_add(number as i64);
        let mut store = Self { options, connection, replica, id, number: 0, absent: HashMap::new() };
        store.add_marker()?;
        Ok(store)
    }

    fn add_marker(&mut self) -> Result<(), StoreError> {
        bulk::run::<AddMarker>(&mut self.connection, vec![self.id.into(), self.replica.0.into()])?;
        Ok(())
    }

    /// A resource that has a row, with its live claims.
    fn loaded(
        &self,
        (revision, row): (i64, ResourceRow),
        live: &mut HashMap<Name, Vec<Claim>>,
    ) -> Result<LockResult, StoreError> {
        let live = live.remove(&*row.name).unwrap_or_default();
        Ok(LockResult::Loaded(Box::new(LoadedResource {
            revision: revision as u64,
            ..row.into_loaded(live)?
        })))
    }

    /// The live claims of these resources, by resource.
    fn live_claims<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a ResourceRow>,
    ) -> Result<HashMap<Name, Vec<Claim>>, StoreError> {
        let mut holders = HashSet::new();
        let mut shared = Vec::new();
        for row in rows {
            match row.holder() {
                Some(key) => drop(holders.insert((row.name.clone(), key))),
                None if row.holder_count > 0 => shared.push(row.name.as_str()),
                None => {}
            }
        }
        let mut found: Vec<(String, ClaimRow)> = Vec::new();
        if !holders.is_empty() {
            let names: Vec<&str> = holders.iter().map(|(name, _)| name.as_str()).collect();
            let keys: Vec<&str> = holders.iter().map(|(_, key)| &*key.key).collect();
            let rows: Vec<(String, ClaimRow)> = claims::table
                .filter(claims::key.eq_any(keys))
                .filter(claims::resource.eq_any(names))
                .select((claims::resource, ClaimRow::as_select()))
                .load(&mut self.connection)?;
            found.extend(rows.into_iter().filter(|(name, row)| holders.contains(&(name.clone(), row.key()))));
        }
        if !shared.is_empty() {
            let rows: Vec<(String, ClaimRow)> = claims::table
                .filter(claims::resource.eq_any(shared))
                .filter(claims::shared_token.gt(0))
                .select((claims::resource, ClaimRow::as_select()))
                .load(&mut self.connection)?;
            found.extend(rows);
        }
        let mut live: HashMap<Name, Vec<Claim>> = HashMap::new();
        for (name, row) in found {
            live.entry(Name::from(name)).or_default().push(row.into_claim()?);
        }
        Ok(live)
    }

    /// Names without a row that was locked: new ones, and those that another
    /// replica is at.
    fn missing(&mut self, names: &[&Name]) -> Result<(), StoreError> {
        let columns = vec![
            Column::texts(names.iter().map(|name| &***name)),
            Column::ints(names.iter().map(|name| floor_bucket(name))),
        ];
        let rows: Vec<(String, bool, i64, i64)> = bulk::load::<Missing, _>(&mut self.connection, columns)?;
        for (name, there, token, version) in rows {
            if !there {
                let floor = Floor { token: token as u64, version: version as u64 };
                self.absent.insert(Name::from(name), floor);
            }
        }
        Ok(())
    }

    fn insert_resources(&mut self, new: &[NewRow<'_>]) -> Result<(), StoreError> {
        let floor = |name: &Name| self.absent.get(name).copied().unwrap_or_default().token as i64;
        let mut columns = row_columns(new);
        columns.insert(1, Column::ints(new.iter().map(|(name, ..)| floor_bucket(name))));
        columns.insert(2, Column::ints(new.iter().map(|(name, ..)| floor(name))));
        let inserted = or_exists(bulk::run::<InsertResources>(&mut self.connection, columns))?;
        if inserted == new.len() { Ok(()) } else { Err(StoreError::KeyExists) }
    }

    fn delete_resources(&mut self, deleted: &[(&Name, Floor)]) -> Result<(), StoreError> {
        let names = Column::texts(deleted.iter().map(|(name, _)| &***name));
        bulk::run::<ForgetResources>(&mut self.connection, vec![names])?;
        let floors = vec![
            Column::ints(deleted.iter().map(|(name, _)| floor_bucket(name))),
            Column::ints(deleted.iter().map(|(_, floor)| floor.token as i64)),
            Column::ints(deleted.iter().map(|(_, floor)| floor.version as i64)),
        ];
        bulk::run::<RaiseFloors>(&mut self.connection, floors)?;
        Ok(())
    }
}

/// Another replica may have been faster with the same new name or key.
fn or_exists<T>(inserted: QueryResult<T>) -> Result<T, StoreError> {
    match inserted {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::KeyExists),
        inserted => Ok(inserted?),
    }
}

impl Store for PostgresStore {
    fn begin(&mut self, lock_wait: LockWait) -> Result<(), StoreError> {
        self.absent.clear();
        Ok(self.connection.batch_execute(match lock_wait {
            LockWait::Skip => "BEGIN",
            LockWait::Wait => BEGIN_AND_WAIT,
        })?)
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        type Row = (String, i64, i64, i64, i64, i64, i64, i64, Option<String>, Option<String>);
        let names = vec![Column::texts(targets.iter().map(|target| &**target.name))];
        let rows: Vec<Row> = match lock_wait {
            LockWait::Skip => bulk::load::<LockFree, _>(&mut self.connection, names)?,
            LockWait::Wait => match bulk::load::<LockAll, _>(&mut self.connection, names) {
                Ok(rows) => rows,
                Err(DieselError::DatabaseError(_, info)) if info.message().contains("lock timeout") => {
                    self.rollback();
                    self.begin(lock_wait)?;
                    return Ok(targets.iter().map(|_| LockResult::LockedElsewhere).collect());
                }
                Err(error) => return Err(error.into()),
            },
        };
        let mut locked: HashMap<String, (i64, ResourceRow)> = HashMap::with_capacity(rows.len());
        for (name, revision, version, token, touched_at, check_at, queue_len, holder_count, by, key) in rows {
            let row = ResourceRow {
                name: name.clone(),
                version,
                token,
                touched_at,
                check_at,
                queue_len,
                holder_count,
                holder_principal: by,
                holder_key: key,
            };
            locked.insert(name, (revision, row));
        }
        let is_current = |target: &LockTarget<'_>, (revision, row): &(i64, ResourceRow)| {
            target.cached == Some(CachedVersion { revision: *revision as u64, version: row.version as u64 })
        };
        let missing: Vec<&Name> =
            targets.iter().map(|target| target.name).filter(|name| !locked.contains_key(&***name)).collect();
        if !missing.is_empty() {
            self.missing(&missing)?;
        }
        let stale = targets.iter().filter_map(|target| {
            let found = locked.get(&**target.name)?;
            (!is_current(target, found)).then_some(&found.1)
        });
        let mut live = self.live_claims(stale)?;
        let mut answers = Vec::with_capacity(targets.len());
        for target in targets {
            answers.push(match locked.remove(&**target.name) {
                Some(found) if is_current(target, &found) => LockResult::Unchanged,
                Some(found) => self.loaded(found, &mut live)?,
                None => match self.absent.get(target.name) {
                    Some(floor) => LockResult::Loaded(Box::new(LoadedResource {
                        resource: Resource::absent(*floor),
                        stored_check_at: None,
                        revision: 0,
                    })),
                    None => LockResult::LockedElsewhere,
                },
            });
        }
        Ok(answers)
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        let rows: Vec<(i64, i64, String)> =
            bulk::load::<ClockAndNumber, _>(&mut self.connection, Vec::new())?;
        let &[(now, number, _)] = &rows[..] else {
            return Err(StoreError::Corrupt("the database has no clock".into()));
        };
        self.number = number;
        Ok(Micros(now))
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
        let rows = Rows::of(batch.writes);
        if !rows.new.is_empty() {
            self.insert_resources(&rows.new)?;
        }
        if !rows.deleted.is_empty() {
            self.delete_resources(&rows.deleted)?;
        }
        let (events, count) = batch.events.unwrap_or_default();
        let mut columns = row_columns(&rows.changed);
        columns.push(Column::texts(rows.touched.iter().map(|name| &***name)));
        columns.extend(rows.new_claims());
        columns.extend(rows.old_claims());
        columns.extend([self.number.into(), batch.now.0.into(), (count as i64).into(), events.into()]);
        columns.push(self.id.into());
        let written: Vec<(i64, i64, i64, i64, i64)> =
            or_exists(bulk::load::<WriteBatch, _>(&mut self.connection, columns))?;
        let expected = (rows.changed.len(), rows.touched.len(), rows.inserted.len(), rows.updated.len());
        match written[..] {
            [(changed, touched, inserted, updated, 1)]
                if (changed as usize, touched as usize, inserted as usize, updated as usize) == expected =>
            {
                Ok(self.number)
            }
            // It was missed for so long that its marker is gone.
            [(.., 0)] => Err(StoreError::Unavailable("this writer is not known any more".into())),
            // What was locked or looked up has gone all the same: the batch runs again.
            _ => Err(StoreError::NotCommitted),
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.batch_execute("COMMIT")?)
    }

    fn rollback(&mut self) {
        // A connection that is gone has rolled back by itself.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.options.connect(CommitDurability::Durable)?;
        self.add_marker()
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        let until = since_boot() + OUTCOME_WITHIN;
        loop {
            let read: QueryResult<Vec<i64>> =
                bulk::load::<ReadMarker, _>(&mut self.connection, vec![self.id.into()]);
            match read {
                Ok(rows) => return Ok(rows.first().copied().unwrap_or(0)),
                Err(DieselError::DatabaseError(_, info))
                    if info.message().contains("lock timeout") && since_boot() < until => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        let start = ClaimRowKey::or_first(deletion.after.as_ref());
        let last = &deletion.last;
        let columns = vec![
            (&*start.key).into(),
            (&*start.resource).into(),
            (&*start.principal).into(),
            (&*last.key).into(),
            (&*last.resource).into(),
            (&*last.principal).into(),
            deletion.cutoff.0.into(),
        ];
        Ok(bulk::run::<PurgeClaims>(&mut self.connection, columns)?)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        log::trim(&mut self.connection, trim)
    }
}
