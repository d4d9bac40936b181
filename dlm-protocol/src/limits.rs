//! Every bound of the wire contract, once.

/// Longest resource name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest idempotency key, in bytes (visible ASCII).
pub const MAX_KEY_BYTES: usize = 255;
/// Shortest TTL, in milliseconds.
pub const MIN_TTL_MS: u64 = 100;
/// Longest TTL, in milliseconds: a day.
pub const MAX_TTL_MS: u64 = 86_400_000;
/// TTL of an acquire that names none, in milliseconds.
pub const DEFAULT_TTL_MS: u64 = 30_000;
/// Longest wait of an acquire, in milliseconds: a day.
pub const MAX_WAIT_MS: u64 = 86_400_000;
/// Longest owner, in bytes of UTF-8.
pub const MAX_OWNER_BYTES: usize = 256;
/// All keys and values of one metadata object together, in bytes of UTF-8.
pub const MAX_METADATA_BYTES: usize = 4096;
/// Longest operator's reason, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 1024;
/// Largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Largest body of a renewal of several leases, in bytes.
pub const MAX_RENEW_BODY_BYTES: usize = 1024 * 1024;
/// Most leases in one renewal.
pub const MAX_RENEWALS: usize = 1000;
/// Most holders shown of one resource.
pub const MAX_HOLDERS_SHOWN: usize = 100;
/// Most waiters shown of one resource.
pub const MAX_WAITERS_SHOWN: usize = 100;
/// Rows of a page that asks for no number.
pub const DEFAULT_PAGE: usize = 100;
/// Most rows of a page.
pub const MAX_PAGE: usize = 1000;
/// How long a server holds one request of a waiter, in milliseconds.
pub const MAX_HOLD_MS: u64 = 20_000;
/// How long a waiter that is away keeps its place, in milliseconds.
pub const AWAY_GRACE_MS: u64 = 10_000;
/// How long a key is remembered after its lease or wait ended, in milliseconds.
pub const KEY_RETENTION_MS: u64 = 600_000;

/// Most seconds of which an overview tells what happened.
pub const OVERVIEW_SECONDS: usize = 300;

/// Who has waited longer than this, in milliseconds, has waited long.
pub const LONG_WAIT_MS: u64 = 30_000;
