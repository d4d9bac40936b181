//! What those who don't write see of a store.

use std::time::Duration;

use dlm_engine::{Claim, ClaimKey, Micros};

use super::{ClaimName, Name, StoreError};
use crate::service::ListQuery;

/// What a resource looks like to those who don't write.
pub(crate) struct View {
    pub(crate) name: Name,
    pub(crate) row: dlm_engine::ResourceRecord,
    /// The first holders.
    pub(crate) holders: Vec<Claim>,
    /// The first waiters; in lists the first one alone.
    pub(crate) waiters: Vec<Claim>,
}

/// How many of the most contended resources, and of the oldest waiters, a
/// [`Standing`] has.
pub(super) const SHOWN: i64 = 10;

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
