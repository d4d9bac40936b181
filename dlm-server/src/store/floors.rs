//! Where the counters of deleted resources continue.

use dlm_engine::Floor;

/// Where the counters of the deleted resources in a bucket continue, and where the log may
/// have events of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoredFloor {
    pub(crate) floor: Floor,
    /// As [`ResourceWrite::last_events`](super::ResourceWrite::last_events).
    pub(crate) last_events: i64,
}

impl StoredFloor {
    /// Raises it to another one where that is higher.
    pub(super) fn raise(&mut self, other: Self) {
        self.floor.token = self.floor.token.max(other.floor.token);
        self.floor.version = self.floor.version.max(other.floor.version);
        self.last_events = self.last_events.max(other.last_events);
    }
}

/// Names are hashed into this many buckets.
pub(super) const FLOOR_BUCKETS: i64 = 4096;

/// The bucket of a name. Names in one bucket share a floor, so that deleting an
/// idle resource leaves nothing behind that grows with the number of names.
pub(crate) fn floor_bucket(name: &str) -> i64 {
    // FNV-1a. The result is stored, so it must never change.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % FLOOR_BUCKETS as u64) as i64
}
