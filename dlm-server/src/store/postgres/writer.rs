//! The connection of a writer.
//!
//! A batch locks its resources in one statement, loads those that another
//! replica changed, reads the clock, and writes all changes in one statement,
//! with one more for new resources: a round trip costs more than the work. Rows
//! are always inserted in the order of their names, so that no two batches wait
//! for each other.
//!
//! An optimistic batch needs no more than one call (`calls`, and `optimistic` for its parameters).

mod calls;

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use dlm_engine::{Claim, ClaimKey, Floor, Micros, Need, ReplicaId, Resource};
use dlm_pq::PqConnection;

use super::batch_sql::{
    ClockAndNumber, DeleteResources, INSERTED, InsertResources, RaiseFloors, UPDATED, WriteBatch,
};
use super::bulk::{self, Param};
use super::clock_estimate::{ClockEstimate, Lateness};
use super::cluster::Peers;
use super::columns::{NewRow, Rows, claim_params, resource_params};
use super::connection::{CommitDurability, ConnectOptions, REPLY_TIMEOUT};
use super::loading::{self, Floors};
use super::marker::{self, AddMarker, AddPlaced, Marker};
use super::{housekeeping, log, now};
use crate::clock::since_boot;
use crate::store::error::NOT_AVAILABLE;
use crate::store::optimistic::{Applied, OptimisticBatch};
use crate::store::{
    BatchWrite, Housekeeping, KeyDeletion, LockResult, LockTarget, LockWait, LogTrim, Name, NewTicket, Store,
    StoreError, event, floor_bucket, tickets, views,
};

/// How long to wait for a COMMIT. It hangs while no synchronous standby
/// confirms; its outcome is then unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Most writers of a server. It distinguishes their markers.
pub(super) const MAX_WRITERS: usize = 64;

/// Batches of other replicas take a few milliseconds, but a replica that is
/// stopped keeps its locks for seconds. Operations on other resources must not
/// wait that long.
const BEGIN_WAITING: &str = "BEGIN; SET LOCAL lock_timeout = '20ms'";

pub(super) struct PostgresStore {
    options: ConnectOptions,
    connection: PqConnection,
    replica: ReplicaId,
    peers: Peers,
    /// Identifies this writer's marker row.
    id: i64,
    /// The number of the batch in the open transaction.
    number: i64,
    /// The floors that the open transaction has read.
    floors: Floors,
    /// The floors that were read last, by bucket.
    known_floors: HashMap<i64, Floor>,
    /// The number in the marker row; `None` while it is not known.
    marked: Option<i64>,
    /// The place of the marker row (`ctid`); empty while it is not known.
    marker_place: String,
    /// The number that the open transaction writes to the marker row, and the place of that then.
    marks: Option<(i64, String)>,
    /// The number that the last call of an optimistic batch expected in the marker row.
    expected_mark: Option<i64>,
    clock: ClockEstimate,
    lateness: Lateness,
    /// Whether commits wait for a synchronous standby.
    replicated: bool,
}

impl PostgresStore {
    pub(super) fn open(
        options: ConnectOptions,
        replica: ReplicaId,
        peers: Peers,
        number: usize,
    ) -> Result<Self, StoreError> {
        let connection = options.connect(CommitDurability::Durable)?;
        let id = replica.0.wrapping_mul(MAX_WRITERS as i64).wrapping_add(number as i64);
        let mut store = Self {
            options,
            connection,
            replica,
            peers,
            id,
            number: 0,
            floors: Floors::new(),
            known_floors: HashMap::new(),
            marked: None,
            marker_place: String::new(),
            marks: None,
            expected_mark: None,
            clock: ClockEstimate::default(),
            lateness: Lateness::default(),
            replicated: false,
        };
        store.prepare()?;
        Ok(store)
    }

    /// Prepares the database and this store for a new connection.
    fn prepare(&mut self) -> Result<(), StoreError> {
        bulk::run::<AddMarker>(&mut self.connection, vec![self.id.into(), self.replica.0.into()])?;
        bulk::run::<AddPlaced>(&mut self.connection, vec![self.id.into()])?;
        self.known_floors = loading::all_floors(&mut self.connection)?;
        self.clock.reset();
        self.lateness.in_time();
        self.marked = None;
        self.marker_place.clear();
        Ok(())
    }

    fn insert_resources(&mut self, new: &[NewRow<'_>]) -> Result<(), StoreError> {
        let floor = |name: &Name| self.floors.get(name).copied().unwrap_or_default().token as i64;
        let mut params = resource_params(new);
        params.insert(1, Param::ints(new.iter().map(|(name, ..)| floor_bucket(name))));
        params.insert(2, Param::ints(new.iter().map(|(name, ..)| floor(name))));
        let inserted = or_exists(bulk::run::<InsertResources>(&mut self.connection, params))?;
        if inserted == new.len() { Ok(()) } else { Err(StoreError::KeyExists) }
    }

    fn delete_resources(&mut self, deleted: &[(&Name, Floor)]) -> Result<(), StoreError> {
        let names = Param::texts(deleted.iter().map(|(name, _)| &***name));
        bulk::run::<DeleteResources>(&mut self.connection, vec![names])?;
        let floors = vec![
            Param::ints(deleted.iter().map(|(name, _)| floor_bucket(name))),
            Param::ints(deleted.iter().map(|(_, floor)| floor.token as i64)),
            Param::ints(deleted.iter().map(|(_, floor)| floor.version as i64)),
        ];
        bulk::run::<RaiseFloors>(&mut self.connection, floors)?;
        for (name, floor) in deleted {
            let known = self.known_floors.entry(floor_bucket(name)).or_default();
            known.token = known.token.max(floor.token);
            known.version = known.version.max(floor.version);
        }
        Ok(())
    }
}

impl PostgresStore {
    /// Fails if the last commit was not confirmed by the synchronous standby.
    ///
    /// A backend whose wait for the standby is canceled has committed already. It
    /// reports success, and only a warning tells that the standby may not have
    /// the commit.
    fn require_replicated(&mut self) -> Result<(), StoreError> {
        let Some(notice) = self.connection.take_notices().pop() else { return Ok(()) };
        tracing::error!(code = notice.sqlstate, message = notice.message, "commit was not replicated");
        Err(StoreError::CommitOutcomeUnknown)
    }

    /// Reads the marker row, and makes sure that what this connection can read is on the
    /// standby, too. A commit is visible as soon as the wait for the standby ends, also when it
    /// was canceled; but the standby receives commits in order, so it has all of
    /// them once it confirms a later one.
    fn take_marker(&mut self) -> Result<Option<Marker>, StoreError> {
        self.connection.take_notices();
        self.connection.set_deadline(Some(COMMIT_TIMEOUT));
        let taken = marker::take(&mut self.connection, self.id);
        self.connection.set_deadline(Some(REPLY_TIMEOUT));
        let taken = taken?;
        self.require_replicated()?;
        self.marker_place.clear();
        self.marked = taken.as_ref().map(|marker| marker.number);
        Ok(taken)
    }
}

/// Another replica may have inserted the same name or key first.
fn or_exists<T>(inserted: QueryResult<T>) -> Result<T, StoreError> {
    match inserted {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::KeyExists),
        inserted => Ok(inserted?),
    }
}

impl Housekeeping for PostgresStore {
    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        housekeeping::delete_keys(&mut self.connection, deletion)
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        log::trim(&mut self.connection, trim)
    }
}

impl Store for PostgresStore {
    fn begin(&mut self, lock_wait: LockWait) -> Result<(), StoreError> {
        self.floors.clear();
        self.marks = None;
        Ok(self.connection.batch_execute(match lock_wait {
            LockWait::Skip => "BEGIN",
            LockWait::Wait => BEGIN_WAITING,
        })?)
    }

    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError> {
        if let Some(results) = loading::lock(&mut self.connection, targets, lock_wait, &mut self.floors)? {
            let floors = self.floors.iter().map(|(name, floor)| (floor_bucket(name), *floor));
            self.known_floors.extend(floors);
            return Ok(results);
        }
        self.rollback();
        self.begin(lock_wait)?;
        Ok(targets.iter().map(|_| LockResult::LockedElsewhere).collect())
    }

    fn marker(&self) -> i64 {
        self.id
    }

    fn now(&mut self) -> Result<Micros, StoreError> {
        let rows: Vec<(i64, i64, bool, String)> =
            bulk::load::<ClockAndNumber, _>(&mut self.connection, Vec::new())?;
        let &[(now, number, replicated, _)] = &rows[..] else {
            return Err(StoreError::Corrupt("the clock query returned no row".into()));
        };
        self.clock.observe(Micros(now), since_boot());
        self.number = number;
        self.replicated = replicated;
        Ok(Micros(now))
    }

    fn claims(&mut self, keys: &[(&Name, &ClaimKey)]) -> Result<Vec<Option<Claim>>, StoreError> {
        loading::claims(&mut self.connection, keys)
    }

    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError> {
        views::provide(&mut self.connection, name, need, resource)
    }

    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        let rows = Rows::of(batch.writes);
        if !rows.new.is_empty() {
            self.insert_resources(&rows.new)?;
        }
        if !rows.deleted.is_empty() {
            self.delete_resources(&rows.deleted)?;
        }
        let events = event::to_json(batch.events)?;
        let mut params = resource_params(&rows.changed);
        params.push(Param::texts(rows.touched.iter().map(|name| &***name)));
        params.extend(claim_params(&INSERTED, &rows.inserted));
        params.extend(claim_params(&UPDATED, &rows.updated));
        params.extend([
            self.number.into(),
            batch.now.0.into(),
            (batch.events.len() as i64).into(),
            (&*events).into(),
        ]);
        params.extend([self.id.into(), (&*self.marker_place).into(), self.id.into()]);
        let written: Vec<(i64, i64, i64, i64, Option<String>)> =
            or_exists(bulk::load::<WriteBatch, _>(&mut self.connection, params))?;
        let expected = (rows.changed.len(), rows.touched.len(), rows.inserted.len(), rows.updated.len());
        match &written[..] {
            &[(changed, touched, inserted, updated, Some(ref place))]
                if (changed as usize, touched as usize, inserted as usize, updated as usize) == expected =>
            {
                self.marks = Some((self.number, place.clone()));
                Ok(self.number)
            }
            // The row has moved. A retry looks for it.
            [(.., None)] if !self.marker_place.is_empty() => {
                self.marker_place.clear();
                Err(StoreError::NotCommitted(NOT_AVAILABLE))
            }
            // This replica was declared dead so long ago that its rows were deleted, or a call that
            // was given up has been applied since this batch began.
            [(.., None)] => Err(StoreError::Unavailable("the writer's marker row is not as expected".into())),
            // A locked resource or a known claim was deleted all the same. A retry reads it again.
            _ => Err(StoreError::NotCommitted(NOT_AVAILABLE)),
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.take_notices();
        self.connection.set_deadline(Some(COMMIT_TIMEOUT));
        let committed = self.connection.batch_execute("COMMIT");
        self.connection.set_deadline(Some(REPLY_TIMEOUT));
        let (marked, place) = match self.marks.take() {
            Some((number, place)) => (Some(number), place),
            None => (self.marked.take(), std::mem::take(&mut self.marker_place)),
        };
        self.marker_place.clear();
        committed?;
        self.require_replicated()?;
        (self.marked, self.marker_place) = (marked, place);
        Ok(())
    }

    fn confirms_reads(&self) -> bool {
        self.replicated
    }

    fn rollback(&mut self) {
        // A lost connection has rolled back already.
        if let Err(error) = self.connection.batch_execute("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.options.connect(CommitDurability::Durable)?;
        self.prepare()
    }

    fn last_batch(&mut self) -> Result<i64, StoreError> {
        Ok(self.take_marker()?.map_or(0, |marker| marker.batch))
    }

    fn estimate_now(&mut self) -> Option<Micros> {
        let now = since_boot();
        if self.lateness.pauses(now) {
            return None;
        }
        self.marked.and(self.clock.at(now))
    }

    fn assumed_floor(&self, name: &Name) -> Floor {
        self.known_floors.get(&floor_bucket(name)).copied().unwrap_or_default()
    }

    fn commit_optimistic(&mut self, batch: &OptimisticBatch<'_>) -> Result<Option<Applied>, StoreError> {
        self.call(batch)
    }

    fn resolve_optimistic(&mut self, decided_at: Micros) -> Result<Option<Applied>, StoreError> {
        self.resolve_call(decided_at)
    }

    fn add_ticket(&mut self, ticket: NewTicket, valid_ms: u64) -> Result<Option<Micros>, StoreError> {
        self.connection.transaction(|connection| {
            let now = now(connection)?;
            tickets::add(connection, ticket, valid_ms, now)
        })
    }

    fn take_ticket(&mut self, digest: &str) -> Result<Option<String>, StoreError> {
        let now = now(&mut self.connection)?;
        tickets::take(&mut self.connection, digest, now)
    }
}
