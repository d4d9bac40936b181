//! The changes of a batch before they are in the tail.

use std::sync::Arc;

use dlm_engine::RowChange;

use super::codec::DecodedWrite;
use super::tail::{DirtyClaim, JournalRow, StoredClaim, StoredRow};
use crate::store::{Name, ResourceWrite};

/// The changes of a batch that has not committed yet.
#[derive(Debug)]
pub(in crate::store::sqlite) struct StagedBatch {
    pub(in crate::store::sqlite) row: JournalRow,
    pub(in crate::store::sqlite) writes: Vec<StagedWrite>,
}

#[derive(Debug)]
pub(in crate::store::sqlite) struct StagedWrite {
    pub(super) name: Name,
    pub(super) row: RowChange,
    pub(super) last_events: i64,
    pub(super) stored_row: StoredRow,
    pub(super) claims: Vec<DirtyClaim>,
    /// Whether one of the claims had ended before the batch.
    pub(super) changes_ended: bool,
}

impl StagedWrite {
    /// A change of the batch with this number.
    pub(in crate::store::sqlite) fn new(number: i64, write: &ResourceWrite<'_>) -> Self {
        let claims = write.claims.iter().map(|change| DirtyClaim {
            first: number,
            claim: Arc::clone(&change.claim),
            mode: change.claim.mode(),
            check_at: change.check_at,
            stored: match (change.insert, change.was_live) {
                (true, _) => StoredClaim::Absent,
                (false, true) => StoredClaim::Live,
                (false, false) => StoredClaim::Other,
            },
        });
        Self {
            name: Name::clone(write.name),
            row: write.row.clone(),
            last_events: if write.has_events { number } else { write.last_events },
            stored_row: write.stored_check_at.map_or(StoredRow::Absent, StoredRow::Row),
            claims: claims.collect(),
            changes_ended: write
                .claims
                .iter()
                .any(|change| !change.insert && !change.was_live && !change.was_waiting),
        }
    }

    /// A change of an earlier run, by the batch with this number. The tables may have any
    /// state up to the newest one.
    pub(in crate::store::sqlite) fn decoded(number: i64, write: DecodedWrite) -> Self {
        let claims = write.claims.into_iter().map(|decoded| DirtyClaim {
            first: number,
            claim: Arc::new(decoded.claim),
            mode: decoded.mode,
            check_at: decoded.check_at,
            stored: if decoded.insert { StoredClaim::Unknown } else { StoredClaim::Other },
        });
        Self {
            name: write.name,
            row: write.row,
            last_events: write.last_events,
            stored_row: StoredRow::Unknown,
            claims: claims.collect(),
            changes_ended: true,
        }
    }
}
