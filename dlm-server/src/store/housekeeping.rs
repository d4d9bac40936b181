//! Deleting what is kept no longer.

use dlm_engine::Micros;

use super::StoreError;

/// A connection that deletes what is kept no longer. Each call is a transaction of its own, which
/// may be lost after it was reported.
pub(crate) trait Housekeeping: Send {
    /// Deletes old keys. Returns the number of deleted claims.
    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError>;

    /// Trims the event log. Returns the number of deleted rows.
    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError>;
}

/// Keys to delete: the claims behind `after`, up to and including `last`, that
/// ended before `cutoff`.
#[derive(Debug, Clone)]
pub(crate) struct KeyDeletion {
    pub(crate) after: Option<ClaimRowKey>,
    pub(crate) last: ClaimRowKey,
    pub(crate) cutoff: Micros,
}

/// What to trim from the start of the event log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogTrim {
    /// Trim rows older than this.
    pub(crate) before: Micros,
    /// Trim rows that are followed by at least this many events.
    pub(crate) keep: i64,
    /// The number of rows to consider.
    pub(crate) limit: i64,
}

/// One of the oldest rows of the log.
pub(crate) struct OldLogRow {
    pub(crate) position: i64,
    pub(crate) at: i64,
    /// The number of events ever logged, up to and including this row.
    pub(crate) upto: i64,
}

impl LogTrim {
    /// How many of these oldest rows to trim, and the last of their positions.
    pub(super) fn select(&self, rows: &[OldLogRow], log_upto: i64) -> Option<(usize, i64)> {
        let is_old = |row: &&OldLogRow| row.at < self.before.0 || row.upto <= log_upto - self.keep;
        let count = rows.iter().take_while(is_old).count();
        Some((count, rows[..count].last()?.position))
    }
}

/// The primary key of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimRowKey {
    pub(crate) resource: String,
    pub(crate) principal: String,
    pub(crate) key: String,
}

impl ClaimRowKey {
    /// The key to continue behind. Without one it precedes all claims, since no
    /// key is empty.
    pub(super) fn or_first(after: Option<&Self>) -> Self {
        let first = || Self { resource: String::new(), principal: String::new(), key: String::new() };
        after.cloned().unwrap_or_else(first)
    }
}
