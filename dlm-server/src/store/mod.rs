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
mod postgres;
mod queries;
mod rows;
mod schema;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use dlm_engine::{Claim, ClaimChange, ClaimKey, Micros, Need, ReplicaId, Replicas, Resource, RowChange};

use dlm_protocol::EndReason;

use crate::service::ListQuery;

/// A resource's name as the store and its writer keep it.
pub(crate) type Name = Arc<str>;

/// Why the store did not do what it was asked. What it says is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A claim that was taken for new is there already.
    #[error("a claim with this key is there already")]
    KeyExists,
    /// The database refused the data.
    #[error("the database refused the data: {0}")]
    Refused(String),
    /// The database can't be used now.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A transaction may have been committed or not.
    #[error("what became of a commit is not known")]
    Unclear,
    /// A transaction was not committed, and could be tried again.
    #[error("a commit did not take place")]
    NotCommitted,
    /// What is stored can't be understood.
    #[error("the database holds what this version can't read: {0}")]
    Corrupt(String),
}

/// Why a store can't be opened: for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL must begin with `sqlite:` or `postgres:`; no other scheme is supported")]
    Scheme,
    #[error("the SQLite URL names no file")]
    NoFile,
    #[error("the database {path} belongs to another dlm-server that is running (lock file {lock})")]
    InUse { path: String, lock: String },
    #[error("the file {path} can't be opened: {source}")]
    File { path: String, source: std::io::Error },
    #[error("the database {path} can't be opened: {why}")]
    Database { path: String, why: String },
    #[error("the Postgres database can't be opened: {why}")]
    Postgres { why: String },
    #[error("{0} servers are at work on the database: stop them first")]
    Served(usize),
    #[error("the database can't be brought to this version: {0}")]
    Migration(String),
    #[error("the server can't be started: {0}")]
    Stopped(String),
    #[error("the secret file {path} must hold at least 32 bytes")]
    ShortSecret { path: String },
}

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
    /// The revision that the writer has in memory.
    pub(crate) known: Option<u64>,
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
    fn begin(&mut self) -> Result<(), StoreError>;

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

/// The replicas that share a store.
pub(crate) trait Cluster: Send + Sync {
    /// Says that this replica is alive, and learns which are not.
    fn beat(&self) -> Result<Replicas, StoreError>;

    /// This replica is about to end.
    fn leave(&self) -> Result<(), StoreError>;

    /// How many of the replicas that are alive come before this one: it is what
    /// they share work by.
    fn rank(&self) -> u32;

    /// Tells the other replicas what concerns them. It may be lost.
    fn announce(&self, words: Vec<Word>);

    /// What other replicas told this one, once there is anything; nothing after
    /// a while.
    fn heard(&self) -> Vec<Heard>;

    /// Those of these waits that are over, or that nobody is known to hold
    /// open. For a message that was lost.
    fn missed(&self, parked: &[(Name, ClaimKey)]) -> Result<Vec<(Name, ClaimKey)>, StoreError>;

    /// Whether there may be other replicas at all.
    fn is_shared(&self) -> bool;
}

/// What one replica tells others.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// A wait has ended that the replica holds open.
    WaitEnded { replica: ReplicaId, name: Name, key: ClaimKey },
    /// A lease has ended without its holder's doing.
    LeaseEnded { name: Name, token: u64, reason: EndReason },
}

/// What a replica was told.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    WaitEnded(Name, ClaimKey),
    LeaseEnded(Name, u64, EndReason),
}

/// What a resource looks like to those who don't write.
pub(crate) struct View {
    pub(crate) name: Name,
    pub(crate) row: dlm_engine::Stored,
    /// The first holders.
    pub(crate) holders: Vec<Claim>,
    /// The first waiters; in lists the first one alone.
    pub(crate) waiters: Vec<Claim>,
}

/// How many of the most contended resources, and of the oldest waiters, a
/// [`Standing`] has.
const SHOWN: i64 = 10;

/// How all locks stand.
pub(crate) struct Standing {
    pub(crate) held: u64,
    pub(crate) leases: u64,
    pub(crate) waiting: u64,
    /// How many have waited long.
    pub(crate) long_waits: u64,
    /// Those who have waited longest, oldest first.
    pub(crate) oldest: Vec<(Name, Claim)>,
    /// The resources with the most waiters, with their first waiter.
    pub(crate) contended: Vec<View>,
}

/// The end of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head(pub(crate) i64);

/// A part of the event log, as of one instant.
pub(crate) struct LogPage {
    pub(crate) rows: Vec<LogRow>,
    pub(crate) head: Head,
    /// The last position that was forgotten; 0 when none was.
    pub(crate) trimmed: i64,
}

/// One row of the event log.
pub(crate) struct LogRow {
    pub(crate) position: i64,
    pub(crate) events: String,
}

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// The deciding clock at the look.
    pub(crate) now: Micros,
    pub(crate) resources: Vec<Name>,
    pub(crate) waiters: Vec<(Name, ClaimKey)>,
    /// When the next thing is due; `None` when nothing is.
    pub(crate) next: Option<Micros>,
}

/// A stretch of the claims table, for those who forget keys.
pub(crate) struct Stretch {
    pub(crate) last: ClaimName,
    /// How many of its claims ended before the cutoff.
    pub(crate) forgettable: i64,
    /// Whether more claims follow.
    pub(crate) more: bool,
}

/// What is committed, for those who don't write. Each call sees one state.
/// Calls block: they are for threads that may.
pub(crate) trait Reader: Send + Sync {
    /// The deciding clock.
    fn now(&self) -> Result<Micros, StoreError>;
    fn view(&self, name: &Name) -> Result<(View, Head), StoreError>;
    fn position(&self, name: &Name, key: &ClaimKey) -> Result<Option<u64>, StoreError>;
    fn list(&self, query: &ListQuery) -> Result<(Vec<View>, Head), StoreError>;
    /// Who began to wait before `long` has waited long.
    fn standing(&self, long: Micros) -> Result<Standing, StoreError>;
    /// Log rows from this position on, oldest first.
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError>;
    /// What was due `behind` ago, and the waiters of replicas that are gone
    /// whose rows don't say so yet.
    fn due(&self, behind: Duration, limit: i64) -> Result<Due, StoreError>;
    fn stretch(
        &self,
        after: Option<&ClaimName>,
        cutoff: Micros,
        limit: i64,
    ) -> Result<Option<Stretch>, StoreError>;
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

/// What databases say of trouble that is not of the data's making. diesel gives
/// the text, not the code.
const NOT_OF_THE_DATA: [&str; 20] = [
    // SQLite; fixed in its source.
    "database is locked",
    "database table is locked",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "interrupted",
    "file is not a database",
    // Postgres and libpq.
    "terminating connection",
    "server closed the connection",
    "no connection to the server",
    "connection to server",
    "SSL ",
    "could not receive data",
    "could not send data",
    "the database system is",
    "read-only transaction",
    "canceling statement due to",
    "No space left",
];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let says = |info: &dyn DatabaseErrorInformation, what: &str| info.message().contains(what);
        match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            ) => Self::NotCommitted,
            DieselError::DatabaseError(_, info)
                if says(&**info, "lock timeout") || says(&**info, "deadlock detected") =>
            {
                Self::NotCommitted
            }
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info)
                if NOT_OF_THE_DATA.iter().any(|trouble| says(&**info, trouble)) =>
            {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if says(&**info, "database disk image is malformed") => {
                Self::Corrupt(error.to_string())
            }
            DieselError::DatabaseError(..)
            | DieselError::SerializationError(_)
            | DieselError::QueryBuilderError(_) => Self::Refused(error.to_string()),
            DieselError::DeserializationError(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
