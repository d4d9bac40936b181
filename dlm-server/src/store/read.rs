//! The read side of a store.

use std::collections::HashMap;
use std::time::Duration;

use dlm_engine::{Claim, ClaimKey, Micros};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::MAX_HOLDERS_BYTES;

use super::event::RowEvents;
use super::names::Names;
use super::{ClaimRowKey, Name, ReleaseRequest, StoreError};

/// Which resources to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    pub prefix: String,
    /// Only names with this part, in any case of ASCII letters. Then a page may have fewer resources than
    /// there are, even none, and `next` nevertheless: one read looks at a bounded number of names.
    pub contains: String,
    pub state: StateFilter,
    /// 1 to [`dlm_protocol::limits::MAX_PAGE`]; checked by the transport.
    pub limit: usize,
    /// `next` of the previous page.
    pub after: Option<String>,
}

/// A resource as readers see it.
#[derive(Debug)]
pub(crate) struct ResourceView {
    pub(crate) name: Name,
    pub(crate) row: dlm_engine::ResourceRecord,
    /// The first holders.
    pub(crate) holders: Vec<Claim>,
    /// The first waiters; in lists only the first.
    pub(crate) waiters: Vec<Claim>,
}

impl ResourceView {
    /// About how many bytes of JSON the resource takes in a list.
    pub(crate) fn list_bytes(&self) -> usize {
        const FIELDS: usize = 384;
        FIELDS + self.name.len() + self.holders.iter().map(holder_bytes).sum::<usize>()
    }
}

/// A page of resources, in the order of their names.
#[derive(Debug)]
pub(crate) struct ResourcePage {
    pub(crate) views: Vec<ResourceView>,
    /// The name behind which more may follow.
    pub(crate) next: Option<Name>,
    pub(crate) head: LogHead,
}

/// About how many bytes of JSON a holder takes.
fn holder_bytes(claim: &Claim) -> usize {
    const FIELDS: usize = 256;
    let request = claim.request.as_ref().map_or(0, |request| request.metadata.len() + request.owner.len());
    FIELDS + claim.key.principal.len() + request
}

/// How many of these holders a reply shows: at least one, and no more than
/// [`MAX_HOLDERS_BYTES`] have place for.
pub(crate) fn holders_shown<'a>(holders: impl IntoIterator<Item = &'a Claim>) -> usize {
    let mut bytes = 0;
    let fits = |claim: &&Claim| {
        let first = bytes == 0;
        bytes += holder_bytes(claim);
        first || bytes <= MAX_HOLDERS_BYTES
    };
    holders.into_iter().take_while(fits).count()
}

/// How many of the longest queues, and of the oldest waiters, [`LockCounts`]
/// contains.
pub(super) const TOP: i64 = 10;

/// Counts over resources, and the worst of them.
#[derive(Debug)]
pub(crate) struct LockCounts {
    pub(crate) held: u64,
    pub(crate) leases: u64,
    pub(crate) waiting: u64,
    /// Waiters enqueued before the given instant.
    pub(crate) long_waits: u64,
    /// The oldest waiters, oldest first.
    pub(crate) oldest: Vec<(Name, Claim)>,
    /// The resources with the longest queues, each with its first waiter.
    pub(crate) contended: Vec<ResourceView>,
}

/// How much of the queues a read may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) resources: usize,
    /// In all queues together.
    pub(crate) waiters: usize,
}

/// How much of what is in use a read may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InUseLimits {
    /// Resources with waiters.
    pub(crate) queues: usize,
    pub(crate) waiters: usize,
    pub(crate) leases: usize,
    /// How long the read may take, but for what it has begun.
    pub(crate) within: Duration,
}

/// Resources with waiters, or in use.
#[derive(Debug)]
pub(crate) struct Contended {
    /// With their holders and waiters, the longest queues first.
    pub(crate) views: Vec<ResourceView>,
    /// Whether nothing was left out.
    pub(crate) complete: bool,
}

/// The last position of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogHead(pub(crate) i64);

/// Size of the rows of a [`LogPage`], in bytes: it ends with the row that reaches it.
pub(super) const LOG_PAGE_BYTES: usize = 256 * 1024;

/// A page of the event log, read from one snapshot.
pub(crate) struct LogPage {
    pub(crate) rows: Vec<LogRow>,
    /// Whether more rows may follow.
    pub(crate) more: bool,
    pub(crate) head: LogHead,
    /// The last position that was trimmed; 0 if none was.
    pub(crate) trimmed: i64,
}

/// One row of the event log: the events of a batch.
pub(crate) struct LogRow {
    pub(crate) position: i64,
    pub(crate) events: RowEvents,
}

/// What a read of the events of one resource found.
pub(crate) struct ResourceHistory {
    pub(crate) head: LogHead,
    /// The last position that was trimmed; 0 if none was.
    pub(crate) trimmed: i64,
    /// The log may have earlier events of the resource at this position or before, but only a
    /// search can tell. `None` if there are none, or nobody wants them.
    pub(crate) search_from: Option<i64>,
}

/// What the sweeper has to end.
#[derive(Debug, Default)]
pub(crate) struct DueWork {
    /// The deciding clock at the time of the read.
    pub(crate) now: Micros,
    pub(crate) resources: Vec<Name>,
    pub(crate) waiters: Vec<(Name, ClaimKey)>,
    /// When the next resource or waiter becomes due, if there is any.
    pub(crate) next: Option<Micros>,
}

/// A range of the claims table.
pub(crate) struct KeyRange {
    pub(crate) last: ClaimRowKey,
    /// How many of its claims ended before the cutoff.
    pub(crate) expired: i64,
    /// Whether any of its claims is of the anonymous principal.
    pub(crate) anonymous: bool,
    /// Whether more claims follow.
    pub(crate) more: bool,
}

/// How many leases and waiters there are, or how many more than before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClaimCount {
    pub(crate) leases: i64,
    pub(crate) waiters: i64,
}

/// The leases and waiters of each principal, read from one snapshot.
#[derive(Debug, Default)]
pub(crate) struct ClaimTotals {
    /// By principal, for each set of names that was asked for.
    pub(crate) below: Vec<HashMap<String, ClaimCount>>,
    /// The last batch of each writer that the snapshot contains, by
    /// [`Store::marker`](super::Store::marker).
    pub(crate) writers: HashMap<i64, i64>,
}

/// Reads committed state. Each call reads one snapshot. Calls block, so they
/// belong on threads that may.
pub(crate) trait Reader: Send + Sync {
    /// Reads the deciding clock.
    fn now(&self) -> Result<Micros, StoreError>;

    /// A resource with this many of its first waiters.
    fn view(&self, name: &Name, waiters: usize) -> Result<(ResourceView, LogHead), StoreError>;

    /// The place of a waiter in the queue, counted from 1.
    fn queue_position(&self, name: &Name, key: &ClaimKey) -> Result<Option<u64>, StoreError>;

    /// The keys of all waiters of a resource, in FIFO order.
    fn queue(&self, name: &Name) -> Result<Vec<ClaimKey>, StoreError>;

    /// The versions of those of these resources that there are.
    fn versions(&self, names: &[Name]) -> Result<HashMap<Name, u64>, StoreError>;

    /// A page of those resources that are asked for and among `names`.
    fn list(&self, query: &ListQuery, names: &Names) -> Result<ResourcePage, StoreError>;

    /// Reads the rows of these resources in a list again: of all, or of as many of
    /// the first as fit on a page.
    fn list_again(&self, names: &[Name]) -> Result<Vec<ResourceView>, StoreError>;

    /// Counts over the resources among `names`. Waiters enqueued before `long` count as
    /// long waits.
    fn lock_counts(&self, long: Micros, names: &Names) -> Result<LockCounts, StoreError>;

    /// The resources among `names` with waiters, the longest queues if they are too many.
    fn contended(&self, names: &Names, limits: QueueLimits) -> Result<Contended, StoreError>;

    /// The resources among `names` that are held or waited for; if they are too many, first those
    /// with the longest queues.
    fn in_use(&self, names: &Names, limits: InUseLimits) -> Result<Contended, StoreError>;

    /// Counts the leases and waiters of each principal, for each of these sets of names.
    /// Takes time in proportion to the number of resources, holders and waiters there.
    fn claim_totals(&self, names: &[Names]) -> Result<ClaimTotals, StoreError>;

    /// Reads up to `limit` log rows from this position on, oldest first. The page
    /// may end earlier, with a row that makes it large.
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError>;

    /// Reads the log rows with events of a resource at the position `upto` or before, newest
    /// first, until `each` returns false. If there are later ones, it follows links only if the
    /// row at `upto`, or the one after, has events of the resource; otherwise all is left to a search.
    fn history(
        &self,
        name: &Name,
        upto: i64,
        each: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError>;

    /// What was due `behind` ago, and orphans: waiters of dead replicas whose
    /// rows do not say so yet.
    fn due_work(&self, behind: Duration, limit: i64) -> Result<DueWork, StoreError>;

    /// The deciding clock, and the requests to let go of leases.
    fn release_requests(&self) -> Result<(Micros, Vec<ReleaseRequest>), StoreError>;

    /// The next `limit` claims behind `after`, in key order.
    fn key_range(
        &self,
        after: Option<&ClaimRowKey>,
        cutoff: Micros,
        limit: i64,
    ) -> Result<Option<KeyRange>, StoreError>;
}

/// Reads the log rows between two positions, inclusive, oldest first. Returns their
/// size in bytes.
pub(crate) fn for_each_row(
    reader: &dyn Reader,
    mut from: i64,
    to: i64,
    mut each: impl FnMut(&LogRow),
) -> Result<usize, StoreError> {
    let mut bytes = 0;
    while from <= to {
        let page = reader.log(from, to - from + 1)?;
        for row in page.rows.iter().take_while(|row| row.position <= to) {
            bytes += row.events.bytes();
            each(row);
        }
        match page.rows.last() {
            Some(last) if page.more => from = last.position + 1,
            _ => break,
        }
    }
    Ok(bytes)
}

/// How many rows to read next, after a read of `rows` that were this large.
pub(crate) fn next_rows(rows: i64, bytes: usize, max: i64) -> i64 {
    if bytes < LOG_PAGE_BYTES { (rows * 2).min(max) } else { (rows / 2).max(1) }
}
