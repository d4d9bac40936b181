//! Where the state lasts: the rows of resources and claims, the event log.
//!
//! A store knows no lock rule. It speaks in the engine's terms and has three
//! sides: [`Store`], the connection of a writer, [`Reader`], what everyone else
//! sees, and [`Cluster`], the replicas that share it. There is one module a
//! database; `schema`, `rows` and `queries` are what they have in
//! common.
//!
//! **Architecture Invariant:** what a writer was told to write is either all
//! there after [`Store::commit`] answered `Ok`, or none of it.

mod alone;
mod cluster;
mod error;
mod postgres;
mod queries;
mod read;
mod rows;
mod schema;
mod sqlite;

use std::sync::Arc;

use dlm_engine::{ClaimChange, Micros, Need, ReplicaId, Resource, RowChange};

pub(crate) use cluster::{Beat, Cluster, Heard, Word};
pub use error::OpenError;
pub(crate) use error::StoreError;
use read::SHOWN;
pub(crate) use read::{Due, Head, LogPage, LogRow, Reader, Standing, Stretch, View};

/// A resource's name as the store and its writer keep it.
pub(crate) type Name = Arc<str>;

/// What a database was told once.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The key of the lease ids' MAC.
    pub(crate) secret: Vec<u8>,
    /// Random per database: a cursor of another log is not one of this.
    pub(crate) log_id: u64,
    /// The last instant that was stored.
    pub(crate) last_at: Micros,
}

/// A store that is open: its parts go to those who use them.
pub(crate) struct Opened {
    /// One a writer; names are shared out among them.
    pub(crate) stores: Vec<Box<dyn Store>>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) identity: Identity,
}

/// Opens the store that the URL names and brings it to this version.
pub(crate) fn open(url: &str, writers: usize) -> Result<Opened, OpenError> {
    match url.split_once(':') {
        Some(("sqlite", rest)) => sqlite::open(rest),
        Some(("postgres" | "postgresql", _)) => postgres::open(url, writers),
        _ => Err(OpenError::Scheme),
    }
}

/// Makes a database that comes from a backup safe to serve: tokens go on above
/// all that were given out since, and old lease ids and cursors hold no more.
/// Nobody may be serving it.
pub(crate) fn restore(url: &str, raise: i64) -> Result<(), OpenError> {
    match url.split_once(':') {
        Some(("sqlite", rest)) => sqlite::restore(rest, raise),
        Some(("postgres" | "postgresql", _)) => postgres::restore(url, raise),
        _ => Err(OpenError::Scheme),
    }
}

/// A resource that a batch needs.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a Name,
    /// What the writer has in memory.
    pub(crate) known: Option<Known>,
}

/// Which state of a resource is meant. The revision alone won't do: a resource
/// that was forgotten and used again begins to count anew, while its version
/// goes on from the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) revision: u64,
    pub(crate) version: u64,
}

/// How a resource of a batch stands.
pub(crate) enum Locked {
    /// As the writer has it in memory.
    Same,
    Loaded(Box<Loaded>),
    /// Another replica is at it: it can't be in this batch.
    Elsewhere,
}

/// What to do about a resource that another replica is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contended {
    /// Go on without it.
    Skip,
    /// Wait for it, for a short while.
    Wait,
}

/// A resource as it is stored.
pub(crate) struct Loaded {
    pub(crate) resource: Resource,
    /// `check_at` as it is stored; `None` while there is no row.
    pub(crate) stored_check_at: Option<Micros>,
    /// Grows with every write of anything of the resource.
    pub(crate) revision: u64,
}

/// What a batch writes of one resource.
pub(crate) struct Write<'a> {
    pub(crate) name: &'a Name,
    pub(crate) row: RowChange,
    pub(crate) stored_check_at: Option<Micros>,
    pub(crate) claims: Vec<&'a ClaimChange>,
}

/// What a batch writes.
pub(crate) struct BatchWrite<'a> {
    pub(crate) now: Micros,
    pub(crate) writes: &'a [Write<'a>],
    /// Its events in their order, as JSON, and how many; if there are any.
    pub(crate) events: Option<(&'a str, usize)>,
}

/// Keys to forget: the claims behind `after` up to and with `last` that ended
/// before `cutoff`.
#[derive(Debug, Clone)]
pub(crate) struct Purge {
    pub(crate) after: Option<ClaimName>,
    pub(crate) last: ClaimName,
    pub(crate) cutoff: Micros,
}

/// What to forget of the event log, from its beginning on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trim {
    /// Rows that are older.
    pub(crate) before: Micros,
    /// Rows that so many events follow.
    pub(crate) keep: i64,
    /// Rows looked at.
    pub(crate) limit: i64,
}

/// One of the oldest rows of the log.
pub(crate) struct OldRow {
    pub(crate) position: i64,
    pub(crate) at: i64,
    /// How many events the log ever had up to and with this row.
    pub(crate) upto: i64,
}

impl Trim {
    /// The last of the oldest rows that is to go, and how many go with it.
    fn last(&self, rows: &[OldRow], log_upto: i64) -> Option<(usize, i64)> {
        let goes = |row: &&OldRow| row.at < self.before.0 || row.upto <= log_upto - self.keep;
        let going = rows.iter().take_while(goes).count();
        Some((going, rows[..going].last()?.position))
    }
}

/// A claim's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimName {
    pub(crate) resource: String,
    pub(crate) principal: String,
    pub(crate) key: String,
}

/// A writer's connection. Everything between `begin` and `commit` is one
/// transaction.
pub(crate) trait Store: Send {
    /// `contended` is what the batch will do about resources of others.
    fn begin(&mut self, contended: Contended) -> Result<(), StoreError>;

    /// Keeps everyone else from changing these resources until the end of the
    /// transaction, and loads what is not in memory as it is stored. Answers in
    /// the order asked.
    fn lock(&mut self, wanted: &[Wanted<'_>], contended: Contended) -> Result<Vec<Locked>, StoreError>;

    /// The deciding clock. In a batch it is read after the rows are locked.
    fn now(&mut self) -> Result<Micros, StoreError>;

    /// Gives a resource what it needs to go on.
    fn provide(&mut self, name: &Name, need: Need, resource: &mut Resource) -> Result<(), StoreError>;

    /// Writes what the batch changed and its events, and leaves the batch's
    /// number in the writer's marker. Returns the number.
    fn write(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError>;

    /// After an `Err` the outcome is unknown: ask [`Store::last_batch`] on a
    /// new connection.
    fn commit(&mut self) -> Result<(), StoreError>;

    fn rollback(&mut self);

    /// Makes the connection anew.
    fn reconnect(&mut self) -> Result<(), StoreError>;

    /// The number of this writer's last committed batch.
    fn last_batch(&mut self) -> Result<i64, StoreError>;

    /// Forgets keys, in a transaction of its own. Returns how many.
    fn purge(&mut self, purge: &Purge) -> Result<usize, StoreError>;

    /// Forgets the oldest rows of the log, in a transaction of its own. Returns
    /// how many.
    fn trim(&mut self, trim: &Trim) -> Result<usize, StoreError>;
}

/// How many buckets the names are hashed into.
const FLOOR_BUCKETS: i64 = 4096;

/// Where the counters of a name begin that has no row: names share a floor by
/// their hash, so that forgetting them costs no memory of each.
pub(crate) fn floor_bucket(name: &str) -> i64 {
    // FNV-1a: the bucket of a name must be the same for ever.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % FLOOR_BUCKETS as u64) as i64
}

/// One run of this server: who parked a waiter.
pub(crate) fn new_replica_id() -> ReplicaId {
    // The first 63 bits of a time-ordered id grow with each start.
    ReplicaId((uuid::Uuid::now_v7().as_u128() >> 65) as i64)
}

/// Random bytes from the system.
fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole once the kernel's source is ready.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(bytes)
}
