//! The tail: what the journal contains and the tables do not have yet.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dlm_engine::{Claim, ClaimKey, Micros, Mode, ResourceRecord, RowChange};

use super::codec::DecodedWrite;
use crate::store::sqlite::StoredFloor;
use crate::store::{Name, ResourceWrite};

/// The changes of committed batches that are not in the tables. Of each row it has the
/// newest state alone, and what the tables have of it.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Tail {
    resources: HashMap<Name, DirtyResource>,
    /// The resources in the order of their first changes. An entry is valid if the resource
    /// still has this first change.
    order: VecDeque<(i64, Name)>,
    /// The rows of the journal, oldest first.
    rows: VecDeque<JournalRow>,
    /// How many claims it has.
    claims: usize,
    /// The size of its journal rows.
    bytes: usize,
    /// The last batch that changed a claim which had ended before.
    changed_ended: i64,
}

/// A row of the journal, without the changes in it.
#[derive(Debug)]
pub(in crate::store::sqlite) struct JournalRow {
    pub(in crate::store::sqlite) position: i64,
    pub(in crate::store::sqlite) at: Micros,
    /// The number of events ever logged, up to and including this row.
    pub(in crate::store::sqlite) upto: i64,
    /// What moves to the log; empty if the batch had no events.
    pub(in crate::store::sqlite) events: Vec<u8>,
    /// The size of its data.
    pub(in crate::store::sqlite) bytes: usize,
}

/// What the tables lack of a resource.
#[derive(Debug)]
pub(in crate::store::sqlite) struct DirtyResource {
    /// The position of the first batch whose changes they lack.
    pub(in crate::store::sqlite) first: i64,
    pub(in crate::store::sqlite) row: Option<DirtyRow>,
    /// The floor that was raised when the row was deleted. It may have been inserted
    /// again since.
    pub(in crate::store::sqlite) floor: Option<StoredFloor>,
    pub(in crate::store::sqlite) claims: HashMap<ClaimKey, DirtyClaim>,
}

#[derive(Debug)]
pub(in crate::store::sqlite) struct DirtyRow {
    /// The row and the key of the exclusive holder; `None` if the row was deleted.
    pub(in crate::store::sqlite) state: Option<(ResourceRecord, Option<ClaimKey>)>,
    /// See [`ResourceWrite::last_events`].
    pub(in crate::store::sqlite) last_events: i64,
    pub(in crate::store::sqlite) stored: StoredRow,
}

/// What the table has of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum StoredRow {
    Absent,
    /// A row with this check instant.
    Row(Micros),
    Unknown,
}

#[derive(Debug)]
pub(in crate::store::sqlite) struct DirtyClaim {
    pub(in crate::store::sqlite) claim: Arc<Claim>,
    pub(in crate::store::sqlite) mode: Mode,
    pub(in crate::store::sqlite) check_at: Option<Micros>,
    pub(in crate::store::sqlite) stored: StoredClaim,
}

/// What the table has of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum StoredClaim {
    Absent,
    Live,
    /// A waiter or a tombstone.
    Other,
    /// Nothing, or an earlier state.
    Unknown,
}

/// The changes of a batch that has not committed yet.
#[derive(Debug)]
pub(in crate::store::sqlite) struct StagedBatch {
    pub(in crate::store::sqlite) row: JournalRow,
    pub(in crate::store::sqlite) writes: Vec<StagedWrite>,
}

#[derive(Debug)]
pub(in crate::store::sqlite) struct StagedWrite {
    name: Name,
    row: RowChange,
    last_events: i64,
    stored_row: StoredRow,
    claims: Vec<DirtyClaim>,
    /// Whether one of the claims had ended before the batch.
    changes_ended: bool,
}

impl StagedWrite {
    /// A change of the batch with this number.
    pub(in crate::store::sqlite) fn new(number: i64, write: &ResourceWrite<'_>) -> Self {
        let claims = write.claims.iter().map(|change| DirtyClaim {
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
}

/// A change of an earlier run. The tables may have any state up to the newest one.
impl From<DecodedWrite> for StagedWrite {
    fn from(write: DecodedWrite) -> Self {
        let claims = write.claims.into_iter().map(|decoded| DirtyClaim {
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

/// What a transaction has applied.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Applied {
    /// Resources without anything left in the tail.
    pub(in crate::store::sqlite) resources: Vec<Name>,
    /// A resource of which only these claims were applied.
    pub(in crate::store::sqlite) part: Option<(Name, Vec<ClaimKey>)>,
    /// How many journal rows were deleted.
    pub(in crate::store::sqlite) rows: usize,
}

impl Tail {
    /// Whether the journal is empty.
    pub(in crate::store::sqlite) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(in crate::store::sqlite) fn last_position(&self) -> Option<i64> {
        self.rows.back().map(|row| row.position)
    }

    pub(in crate::store::sqlite) fn claims(&self) -> usize {
        self.claims
    }

    pub(in crate::store::sqlite) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::store::sqlite) fn rows(&self) -> impl Iterator<Item = &JournalRow> {
        self.rows.iter()
    }

    /// Whether the journal has anything of claims that ended before this instant. Such a claim
    /// must not be deleted: the tables may get it back from the journal.
    pub(in crate::store::sqlite) fn may_have_ended_before(&self, cutoff: Micros) -> bool {
        // A claim ends at the instant of its batch or later.
        self.rows.front().is_some_and(|row| row.at <= cutoff || row.position <= self.changed_ended)
    }

    pub(in crate::store::sqlite) fn resource(&self, name: &Name) -> Option<&DirtyResource> {
        self.resources.get(name)
    }

    pub(in crate::store::sqlite) fn has_claim(&self, name: &Name, key: &ClaimKey) -> bool {
        self.resources.get(name).is_some_and(|resource| resource.claims.contains_key(key))
    }

    /// The resources, in the order of their first changes.
    pub(in crate::store::sqlite) fn in_order(&self) -> impl Iterator<Item = (&Name, &DirtyResource)> {
        self.order.iter().filter_map(|(first, name)| {
            let resource = self.resources.get(name)?;
            (resource.first == *first).then_some((name, resource))
        })
    }

    /// Adds a batch that has committed.
    pub(in crate::store::sqlite) fn add(&mut self, batch: StagedBatch) {
        for write in batch.writes {
            self.add_write(batch.row.position, write);
        }
        self.bytes += batch.row.bytes;
        self.rows.push_back(batch.row);
    }

    fn add_write(&mut self, position: i64, write: StagedWrite) {
        if write.changes_ended {
            self.changed_ended = position;
        }
        let resource = match self.resources.entry(write.name) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.order.push_back((position, Name::clone(entry.key())));
                entry.insert(DirtyResource {
                    first: position,
                    row: None,
                    floor: None,
                    claims: HashMap::new(),
                })
            }
        };
        let state = match write.row {
            RowChange::Keep => None,
            RowChange::Write { row, holder } => Some(Some((row, holder))),
            RowChange::Delete(floor) => {
                let floor = StoredFloor { floor, last_events: write.last_events };
                resource.floor.get_or_insert_default().raise(floor);
                Some(None)
            }
        };
        if let Some(state) = state {
            let stored = resource.row.as_ref().map_or(write.stored_row, |row| row.stored);
            resource.row = Some(DirtyRow { state, last_events: write.last_events, stored });
        }
        for claim in write.claims {
            match resource.claims.entry(claim.claim.key.clone()) {
                Entry::Occupied(mut entry) => entry.get_mut().replace(claim),
                Entry::Vacant(entry) => {
                    self.claims += 1;
                    entry.insert(claim);
                }
            }
        }
    }

    /// Removes what a transaction has applied, once it has committed.
    pub(in crate::store::sqlite) fn forget(&mut self, applied: &Applied) {
        for name in &applied.resources {
            self.claims -= self.resources.remove(name).map_or(0, |resource| resource.claims.len());
        }
        if let Some((name, keys)) = &applied.part
            && let Some(resource) = self.resources.get_mut(name)
        {
            self.claims -= keys.iter().filter(|key| resource.claims.remove(key).is_some()).count();
        }
        self.bytes -= self.rows.drain(..applied.rows).map(|row| row.bytes).sum::<usize>();
        while let Some((first, name)) = self.order.front()
            && self.resources.get(name).is_none_or(|resource| resource.first != *first)
        {
            self.order.pop_front();
        }
    }

    /// Records that it is not known what the tables have of these: their transaction may
    /// have committed.
    pub(in crate::store::sqlite) fn doubt(&mut self, applied: &Applied) {
        for name in applied.resources.iter().chain(applied.part.as_ref().map(|(name, _)| name)) {
            let Some(resource) = self.resources.get_mut(name) else { continue };
            resource.row.iter_mut().for_each(|row| row.stored = StoredRow::Unknown);
            resource.claims.values_mut().for_each(|claim| claim.stored = StoredClaim::Unknown);
        }
    }
}

impl DirtyClaim {
    /// Replaces it by its next state.
    fn replace(&mut self, next: Self) {
        let mut claim = next.claim;
        // One that was decoded has its request in the row that inserted it only.
        if claim.request.is_none() && self.claim.request.is_some() {
            Arc::make_mut(&mut claim).request.clone_from(&self.claim.request);
        }
        self.claim = claim;
        self.check_at = next.check_at;
    }
}
