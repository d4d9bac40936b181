//! The connection of a writer.
//!
//! A batch locks its resources in one statement, loads those that another
//! replica changed, reads the clock, and writes all changes in one statement,
//! with one more for new resources: a round trip costs more than the work. Rows
//! are always inserted in the order of their names, so that no two batches wait
//! for each other.
//!
//! An optimistic batch needs no more than one call (`calls`, and `optimistic` for its parameters);
//! `writes` is what others write.

mod calls;
mod release_requests;
mod writes;

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use dlm_engine::{Claim, ClaimKey, Micros, Need, ReplicaId, Resource};
use dlm_pq::PqConnection;

use super::batch_sql::ClockAndNumber;
use super::bulk;
use super::clock_estimate::{ClockEstimate, Lateness};
use super::cluster::Peers;
use super::connection::{CommitDurability, ConnectOptions, REPLY_TIMEOUT};
use super::contention::Contention;
use super::loading::{self, Floors};
use super::marker::{self, AddMarker, AddPlaced, Marker};
use super::places::Places;
use super::{housekeeping, log, now};
use crate::clock::since_boot;
use crate::store::optimistic::{Applied, OptimisticBatch};
use crate::store::{
    BatchWrite, Housekeeping, KeyDeletion, LockResult, LockTarget, LockWait, LogTrim, Name, NewTicket, Store,
    StoreError, StoredFloor, floor_bucket, tickets, views,
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
    known_floors: HashMap<i64, StoredFloor>,
    /// The number in the marker row; `None` while it is not known.
    marked: Option<i64>,
    /// The place of the marker row (`ctid`); empty while it is not known.
    marker_place: String,
    /// Where the rows of resources are.
    places: Places,
    /// Where the open transaction puts them.
    moves: Vec<(Name, String)>,
    /// What it says of whether resources are in use.
    rechecked: Vec<(Name, bool)>,
    /// The resources that it deletes, and the floors that these leave.
    raised: Vec<(Name, StoredFloor)>,
    /// The number that the open transaction writes to the marker row, and the place of that then.
    marks: Option<(i64, String)>,
    /// The number that the last call of an optimistic batch expected in the marker row.
    expected_mark: Option<i64>,
    clock: ClockEstimate,
    lateness: Lateness,
    contention: Contention,
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
            places: Places::default(),
            moves: Vec::new(),
            rechecked: Vec::new(),
            raised: Vec::new(),
            marks: None,
            expected_mark: None,
            clock: ClockEstimate::default(),
            lateness: Lateness::default(),
            contention: Contention::default(),
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
        self.places.clear();
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
        self.moves.clear();
        self.rechecked.clear();
        self.raised.clear();
        self.places.make_room();
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
        let (floors, places) = (&mut self.floors, &mut self.places);
        if let Some(results) = loading::lock(&mut self.connection, targets, lock_wait, floors, places)? {
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
        self.write_batch(batch)
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
        for (name, place) in std::mem::take(&mut self.moves) {
            self.places.moved(&name, place);
        }
        for (name, in_use) in std::mem::take(&mut self.rechecked) {
            self.places.set_in_use(&name, in_use);
        }
        for (name, floor) in std::mem::take(&mut self.raised) {
            self.known_floors.entry(floor_bucket(&name)).or_default().raise(floor);
            self.places.forget(&name);
        }
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

    fn assumed_floor(&self, name: &Name) -> StoredFloor {
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
