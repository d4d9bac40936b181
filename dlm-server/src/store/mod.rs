//! Persistence: the rows of resources and claims, and the event log.
//!
//! A store knows no lock rule and speaks in the engine's terms. It has three
//! sides: [`Store`] is a writer's connection, [`Reader`] reads committed state,
//! and [`Cluster`] is the set of replicas that share the store.
//!
//! - `sqlite`, `postgres`: the databases
//! - `schema`, `claim_columns`, `rows`: the tables, and the engine's types
//! - `statement`, `queries`, `views`: the SQL that both databases share
//! - `in_use`: everything that is held or waited for; `search`: resources by a part of their names
//! - `event`: events as they are stored
//! - `floors`: where the counters of deleted resources continue
//! - `optimistic`: batches that are decided before their rows are locked
//! - `housekeeping`: deleting what is kept no longer
//! - `names`: sets of resource names
//! - `tickets`: what opens one WebSocket
//! - `release_requests`: requests to let go of a lease
//! - `read`: what readers see; `cluster`: replicas and their messages
//! - `single_node`: the cluster of a store that belongs to one process
//! - `error`: what can go wrong
//! - `test_reader`: a reader that a test scripts
//!
//! **Architecture Invariant:** once [`Store::commit`] returns `Ok`, everything
//! written since [`Store::begin`] is durable; otherwise all of it is, or none.

mod claim_columns;
mod cluster;
mod error;
mod event;
mod floors;
mod housekeeping;
mod in_use;
mod migrations;
mod names;
mod optimistic;
mod postgres;
mod queries;
mod read;
mod release_requests;
mod rows;
mod schema;
mod search;
mod single_node;
mod sqlite;
mod statement;
#[cfg(test)]
pub(crate) mod test_reader;
mod tickets;
mod views;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{Claim, ClaimChange, ClaimKey, Event, Micros, Need, ReplicaId, Resource, RowChange};

pub(crate) use cluster::{Cluster, Heartbeat, PeerMessage, WaitId};
pub use error::OpenError;
pub(crate) use error::{NOT_AVAILABLE, StoreError, is_conflict};
pub(crate) use event::{LoggedEvent, RowEvents, event_kind};
use floors::FLOOR_BUCKETS;
pub(crate) use floors::{StoredFloor, floor_bucket};
pub(crate) use housekeeping::{ClaimRowKey, Housekeeping, KeyDeletion, LogTrim, OldLogRow};
pub(crate) use names::Names;
pub(crate) use optimistic::{Applied, Basis, OptimisticBatch};
pub use read::ListQuery;
pub(crate) use read::{
    ClaimCount, ClaimTotals, Contended, DueWork, InUseLimits, KeyRange, LockCounts, LogHead, LogPage, LogRow,
    QueueLimits, Reader, ResourceHistory, ResourcePage, ResourceView, for_each_row, holders_shown, next_rows,
};

pub(crate) use release_requests::{ReleaseRequest, ReleaseRequestStore};
pub(crate) use sqlite::Inspection;
pub(crate) use tickets::NewTicket;

/// A resource's name, shared between a writer and its store.
pub(crate) type Name = Arc<str>;

/// What identifies a database. It is generated when the database is created.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The key of the lease ids' MAC.
    pub(crate) secret: Vec<u8>,
    /// Random, so that cursors of other databases are recognized.
    pub(crate) log_id: u64,
    /// The last instant that was stored.
    pub(crate) last_at: Micros,
}

/// The parts of an open store.
pub(crate) struct OpenStore {
    /// One per writer.
    pub(crate) stores: Vec<Box<dyn Store>>,
    /// For requests: at most [`READERS`] read at a time.
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) task_readers: TaskReaders,
    pub(crate) cluster: Arc<dyn Cluster>,
    /// Keeps house beside the writers; `None` if only a writer can.
    pub(crate) housekeeping: Option<Box<dyn Housekeeping>>,
    pub(crate) identity: Identity,
}

/// Connections for the reads of requests. Reads are short; more connections would
/// only compete for CPU time.
pub(crate) const READERS: usize = 4;

/// The readers of the background tasks. Each has a connection of its own, so that
/// no request can keep a task from reading.
pub(crate) struct TaskReaders {
    pub(crate) sweeper: Arc<dyn Reader>,
    pub(crate) feed: Arc<dyn Reader>,
    pub(crate) readiness: Arc<dyn Reader>,
    /// Opens its connection when it is first used: not without limits of leases or waiters.
    pub(crate) usage: Arc<dyn Reader>,
    /// For tasks that nobody waits for.
    pub(crate) maintenance: Arc<dyn Reader>,
}

impl TaskReaders {
    fn new<R: Reader + 'static>(reader: impl Fn() -> Arc<R>) -> Self {
        Self {
            sweeper: reader(),
            feed: reader(),
            readiness: reader(),
            usage: reader(),
            maintenance: reader(),
        }
    }
}

/// Opens the database with this URL and migrates it to this version. Its peers learn
/// whether the server is open: without authentication.
pub(crate) fn open(url: &str, writers: usize, is_open: bool) -> Result<OpenStore, OpenError> {
    match url.split_once(':') {
        Some(("sqlite", rest)) => sqlite::open(rest),
        Some(("postgres" | "postgresql", _)) => postgres::open(url, writers, is_open),
        _ => Err(OpenError::Scheme),
    }
}

/// Opens a SQLite database to look into it. A server may be running on it.
pub(crate) fn inspect(url: &str) -> Result<Inspection, OpenError> {
    match url.split_once(':') {
        Some(("sqlite", rest)) => sqlite::inspect(rest),
        Some(("postgres" | "postgresql", _)) => Err(OpenError::ShowPostgres),
        _ => Err(OpenError::Scheme),
    }
}

/// Makes a database that was restored from a backup safe to serve: raises all
/// token counters, and invalidates old lease ids and cursors. No server may be
/// running on it.
pub(crate) fn restore(url: &str, raise: i64) -> Result<(), OpenError> {
    match url.split_once(':') {
        Some(("sqlite", rest)) => sqlite::restore(rest, raise),
        Some(("postgres" | "postgresql", _)) => postgres::restore(url, raise),
        _ => Err(OpenError::Scheme),
    }
}

/// A resource that a batch locks.
pub(crate) struct LockTarget<'a> {
    pub(crate) name: &'a Name,
    /// The version that the writer has in memory, if any.
    pub(crate) cached: Option<CachedVersion>,
}

/// Identifies one stored state of a resource. The revision alone is not enough:
/// a resource that was deleted and created again counts revisions from the
/// start, while its version continues from the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CachedVersion {
    pub(crate) revision: u64,
    pub(crate) version: u64,
}

/// The result of locking a resource.
pub(crate) enum LockResult {
    /// Locked; the writer's copy is current.
    Unchanged,
    /// Locked; the writer had no current copy.
    Loaded(Box<LoadedResource>),
    /// Another replica holds the lock, so the resource can't be in this batch.
    LockedElsewhere,
}

/// What to do about rows that another replica has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockWait {
    /// Proceed without them.
    Skip,
    /// Wait for them, for a short time.
    Wait,
}

/// A resource as it is stored.
pub(crate) struct LoadedResource {
    pub(crate) resource: Resource,
    /// The stored `check_at`; `None` if there is no row.
    pub(crate) stored_check_at: Option<Micros>,
    /// See [`ResourceWrite::last_events`].
    pub(crate) last_events: i64,
    /// Grows with every write to the resource or its claims.
    pub(crate) revision: u64,
}

/// What a batch writes of one resource.
pub(crate) struct ResourceWrite<'a> {
    pub(crate) name: &'a Name,
    pub(crate) row: RowChange,
    pub(crate) stored_check_at: Option<Micros>,
    /// Which batch has the resource's last events before this one, or a later batch; 0 if there
    /// are none. On SQLite it is the batch's position in the log, on Postgres its number.
    pub(crate) last_events: i64,
    /// Whether the batch has events of the resource.
    pub(crate) has_events: bool,
    pub(crate) claims: Vec<&'a ClaimChange>,
}

/// What a batch writes.
pub(crate) struct BatchWrite<'a> {
    pub(crate) now: Micros,
    pub(crate) writes: &'a [ResourceWrite<'a>],
    /// Its events in order, each with the name of its resource.
    pub(crate) events: &'a [(Name, Event)],
}

/// A writer's connection. Everything between `begin` and `commit` is one
/// transaction.
pub(crate) trait Store: Housekeeping + ReleaseRequestStore {
    /// Begins a transaction. `lock_wait` is what [`Store::lock`] will be called
    /// with.
    fn begin(&mut self, lock_wait: LockWait) -> Result<(), StoreError>;

    /// Locks these resources until the end of the transaction, and loads those
    /// of which the writer has no current copy. Returns one result per target,
    /// in order.
    fn lock(
        &mut self,
        targets: &[LockTarget<'_>],
        lock_wait: LockWait,
    ) -> Result<Vec<LockResult>, StoreError>;

    /// Reads the deciding clock. A batch reads it after it has locked its rows.
    fn now(&mut self) -> Result<Micros, StoreError>;

    /// Identifies the writer's marker row.
    fn marker(&self) -> i64;

    /// Loads claims in one statement. Returns one per key, in order; `None` for those
    /// that do not exist.
    fn claims(&mut self, keys: &[(&Name, &ClaimKey)]) -> Result<Vec<Option<Claim>>, StoreError>;

    /// Loads what the engine needs to proceed with an operation.
    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError>;

    /// Writes the changes and events of a batch, and records the number of the
    /// batch in the writer's marker row. Returns the number.
    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError>;

    /// Commits. After an `Err` the outcome is unknown: reconnect and compare
    /// [`Store::last_batch`].
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Whether a batch that writes nothing must still commit a write before its
    /// replies leave: what it read may not be on the synchronous standby yet. Known
    /// once the batch has read the clock.
    fn confirms_reads(&self) -> bool {
        false
    }

    /// An estimate of the deciding clock, for a batch that is to be decided before its rows are
    /// locked; `None` if that is not possible, or not now.
    fn estimate_now(&mut self) -> Option<Micros> {
        None
    }

    /// The floor of a name that is assumed to have no row.
    fn assumed_floor(&self, _name: &Name) -> StoredFloor {
        StoredFloor::default()
    }

    /// Writes what an optimistic batch has decided, as far as its basis still holds, and commits
    /// it. `None` if nothing was written, because the estimate of the clock was wrong.
    ///
    /// # Errors
    ///
    /// Nothing was written, unless it is [`StoreError::CommitOutcomeUnknown`]: then reconnect,
    /// and see [`Store::resolve_optimistic`].
    fn commit_optimistic(&mut self, _batch: &OptimisticBatch<'_>) -> Result<Option<Applied>, StoreError> {
        Ok(None)
    }

    /// The outcome of the last optimistic batch, which was decided at this instant and had
    /// something to write. `None` if it was not applied, and never will be.
    fn resolve_optimistic(&mut self, _decided_at: Micros) -> Result<Option<Applied>, StoreError> {
        Ok(None)
    }

    fn rollback(&mut self);

    fn reconnect(&mut self) -> Result<(), StoreError>;

    /// The number of this writer's last committed batch, from the marker row.
    fn last_batch(&mut self) -> Result<i64, StoreError>;

    /// The position in the log of a batch that has committed, if its number tells. Then batches
    /// of this store are all that is in the log, and they commit in the order of their positions.
    fn log_position(&self, _batch: i64) -> Option<i64> {
        None
    }

    /// Brings a part of the stored tables up to date with the committed batches, if that is
    /// due. Returns when to call it again; `None` if they are up to date. Nothing that was
    /// committed depends on it.
    ///
    /// # Errors
    ///
    /// If the database rejects it for good: the server must stop.
    fn settle(&mut self) -> Result<Option<Duration>, StoreError> {
        Ok(None)
    }

    /// Brings all tables up to date, before the server stops.
    fn finish(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Stores a ticket that is valid for so many milliseconds, in a transaction of its
    /// own. Returns when it expires; `None` if its principal has too many.
    fn add_ticket(&mut self, ticket: NewTicket, valid_ms: u64) -> Result<Option<Micros>, StoreError>;

    /// Removes a ticket and returns its content, unless it has expired; in a transaction
    /// of its own.
    fn take_ticket(&mut self, digest: &str) -> Result<Option<String>, StoreError>;

    /// Slews the deciding clock if it is this process's own, and stores what the next
    /// run needs to continue it, in a transaction of its own.
    fn keep_clock(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Moves the deciding clock forward if it is this process's own.
    #[cfg(feature = "test-time")]
    fn advance_clock(&mut self, _by: std::time::Duration) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("the clock of the database can't be moved".into()))
    }
}

/// A new replica id. Ids grow with time, so a replica's rank is its age.
pub(crate) fn new_replica_id() -> ReplicaId {
    // The timestamp is in the first 63 bits of a UUIDv7.
    ReplicaId((uuid::Uuid::now_v7().as_u128() >> 65) as i64)
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    // The kernel returns requests of up to 256 bytes in full.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(bytes)
}
