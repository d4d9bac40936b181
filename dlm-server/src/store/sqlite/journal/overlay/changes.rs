//! The newest state of each row that some rows of the journal change.

use std::collections::HashMap;

use dlm_engine::{ClaimKey, Mode, Phase, ResourceRecord, RowChange};

use crate::store::StoredFloor;
use crate::store::sqlite::journal::codec::{DecodedBatch, DecodedClaim};
use crate::store::{Name, floor_bucket};

/// By key.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// `None` if it was deleted.
    pub(super) resources: HashMap<Name, Changed<Option<ResourceRow>>>,
    pub(super) floors: HashMap<i64, Changed<StoredFloor>>,
    pub(super) claims: HashMap<Name, HashMap<ClaimKey, Changed<ClaimState>>>,
}

/// The newest state of a row, and the batch that changed it last.
#[derive(Debug)]
pub(super) struct Changed<T> {
    pub(super) position: i64,
    pub(super) state: T,
}

/// The row of a resource.
#[derive(Debug)]
pub(super) struct ResourceRow {
    pub(super) record: ResourceRecord,
    /// The key of its exclusive holder.
    pub(super) holder: Option<ClaimKey>,
    /// Where its last events are.
    pub(super) last_events: i64,
}

#[derive(Debug)]
pub(super) struct ClaimState {
    /// With its request, if it is new.
    pub(super) newest: DecodedClaim,
    /// Whether these rows of the journal insert it.
    pub(super) is_new: bool,
    /// Whether the table may have it as a waiter or a shared lease: queries find these without
    /// their key.
    pub(super) is_listed: bool,
}

impl Changes {
    /// Adds a batch. They are added in order.
    pub(super) fn add(&mut self, position: i64, batch: DecodedBatch) {
        for write in batch.writes {
            let state = match write.row {
                RowChange::Keep => None,
                RowChange::Write { row, holder } => {
                    Some(Some(ResourceRow { record: row, holder, last_events: write.last_events }))
                }
                RowChange::Delete(floor) => {
                    let floor = StoredFloor { floor, last_events: write.last_events };
                    self.raise(position, floor_bucket(&write.name), floor);
                    Some(None)
                }
            };
            if !write.claims.is_empty() {
                let claims = self.claims.entry(Name::clone(&write.name)).or_default();
                write.claims.into_iter().for_each(|claim| add_claim(claims, position, claim));
            }
            if let Some(state) = state {
                self.resources.insert(write.name, Changed { position, state });
            }
        }
    }

    fn raise(&mut self, position: i64, bucket: i64, floor: StoredFloor) {
        let changed = self.floors.entry(bucket).or_insert(Changed { position, state: floor });
        changed.position = position;
        changed.state.raise(floor);
    }
}

fn add_claim(claims: &mut HashMap<ClaimKey, Changed<ClaimState>>, position: i64, mut claim: DecodedClaim) {
    // One that is neither new nor was live has waited.
    let waits = matches!(claim.claim.phase, Phase::Waiting(_)) || !(claim.insert || claim.was_live);
    let is_listed = waits || claim.mode == Mode::Shared;
    match claims.get_mut(&claim.claim.key) {
        Some(changed) => {
            let state = &mut changed.state;
            changed.position = position;
            state.is_listed |= is_listed;
            if !claim.insert {
                claim.claim.request = state.newest.claim.request.take();
            }
            state.is_new |= claim.insert;
            state.newest = claim;
        }
        None => {
            let state = ClaimState { is_new: claim.insert, is_listed, newest: claim };
            claims.insert(state.newest.claim.key.clone(), Changed { position, state });
        }
    }
}
