//! The bounds and defaults of the wire contract.

/// Maximum length of a resource name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;
/// Maximum length of an idempotency key, in bytes (visible ASCII).
pub const MAX_KEY_BYTES: usize = 255;
/// Minimum TTL, in milliseconds.
pub const MIN_TTL_MS: u64 = 100;
/// Maximum TTL, in milliseconds: one day.
pub const MAX_TTL_MS: u64 = 86_400_000;
/// Default TTL of an acquire, in milliseconds.
pub const DEFAULT_TTL_MS: u64 = 30_000;
/// Maximum wait of an acquire, in milliseconds: one day.
pub const MAX_WAIT_MS: u64 = 86_400_000;
/// Maximum length of an owner, in bytes of UTF-8.
pub const MAX_OWNER_BYTES: usize = 256;
/// Maximum total length of the keys and values of a metadata object, in bytes
/// of UTF-8.
pub const MAX_METADATA_BYTES: usize = 4096;
/// Maximum length of an operator's reason, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 1024;
/// Minimum time within which a holder can be asked to let go, in milliseconds.
pub const MIN_WITHIN_MS: u64 = 1_000;
/// Maximum time within which a holder can be asked to let go, in milliseconds: one hour.
pub const MAX_WITHIN_MS: u64 = 3_600_000;
/// Maximum size of a request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Maximum size of the body of a renewal of several leases, in bytes.
pub const MAX_RENEW_BODY_BYTES: usize = 1024 * 1024;
/// Maximum number of leases in one renewal.
pub const MAX_RENEWALS: usize = 1000;
/// Maximum number of holders shown per resource.
pub const MAX_HOLDERS_SHOWN: usize = 100;
/// Maximum number of waiters shown per resource.
pub const MAX_WAITERS_SHOWN: usize = 100;
/// Size of the holders shown per resource, in bytes of JSON: holders beyond it are
/// left out, but for the first.
pub const MAX_HOLDERS_BYTES: usize = 64 * 1024;
/// Size of a page, in bytes of JSON: a page ends before the row or event beyond it,
/// but for the first.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// Default number of rows of a page.
pub const DEFAULT_PAGE: usize = 100;
/// Maximum number of rows of a page.
pub const MAX_PAGE: usize = 1000;
/// Maximum time for which a server holds one request of a waiter open, in
/// milliseconds.
pub const MAX_HOLD_MS: u64 = 20_000;
/// How long a waiter that is away keeps its place, in milliseconds.
pub const AWAY_GRACE_MS: u64 = 10_000;
/// Minimum time for which a key is kept after its lease or wait ended, in
/// milliseconds.
pub const KEY_RETENTION_MS: u64 = 600_000;

/// Maximum time between two messages of an event stream that are sent in batches, in milliseconds.
pub const MAX_BATCH_MS: u64 = 250;

/// Maximum number of seconds in an overview.
pub const OVERVIEW_SECONDS: usize = 300;

/// Maximum number of holders of a lock in a wait-for graph.
pub const MAX_BLOCKERS: usize = 10;
/// Maximum number of owners in [`PrincipalDetails::owners`](crate::PrincipalDetails::owners).
pub const MAX_OWNERS_SHOWN: usize = 100;
/// A wait longer than this, in milliseconds, is a long wait in the overview.
pub const LONG_WAIT_MS: u64 = 30_000;
/// Maximum number of waiters in [`Explanation::next`](crate::Explanation::next).
pub const MAX_NEXT: usize = 10;
/// Maximum number of leases that hold statistics are made from.
pub const MAX_HOLD_SAMPLES: usize = 100;
/// Maximum number of locks in one request for hold statistics.
pub const MAX_HOLD_STATISTICS: usize = 100;
/// Maximum number of waiters of a lock at an instant of the past.
pub const MAX_PAST_WAITERS: usize = 10;
