//! Batches that are decided on what the writer has in memory, before any row is locked.

use dlm_engine::{Event, Micros};

use super::{CachedVersion, Name, ResourceWrite, StoredFloor};

/// What a batch was decided on for one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Its row in this state.
    Stored(CachedVersion),
    /// It has no row, and the floor of its bucket is at most this.
    Absent(StoredFloor),
}

/// A batch that was decided, and applies to each resource whose basis still holds.
pub(crate) struct OptimisticBatch<'a> {
    /// What [`Store::estimate_now`](super::Store::estimate_now) returned.
    pub(crate) decided_at: Micros,
    /// Before this instant no lease expires on any resource that it depends on.
    pub(crate) valid_until: Micros,
    /// The resources that it depends on.
    pub(crate) resources: &'a [(Name, Basis)],
    pub(crate) writes: &'a [ResourceWrite<'a>],
    /// Its events in order, each with the name of its resource.
    pub(crate) events: &'a [(Name, Event)],
    /// Whether it must commit a write even if it changes nothing; see
    /// [`Store::confirms_reads`](super::Store::confirms_reads).
    pub(crate) must_mark: bool,
}

/// The outcome of an [`OptimisticBatch`] that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The number of the batch; `None` if it wrote nothing.
    pub(crate) number: Option<i64>,
    /// The deciding clock when the batch was applied, or a later instant.
    pub(crate) clock: Micros,
    /// The resources whose basis does not hold, or which another replica has locked, by
    /// position. Nothing that was decided on them may leave.
    pub(crate) omitted: Vec<usize>,
}
