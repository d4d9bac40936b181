//! The tail: what the journal contains and the tables do not have yet.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dlm_engine::{Claim, ClaimKey, Micros, Mode, ResourceRecord, RowChange};

use super::newest_key::NewestKey;
use super::staged::{StagedBatch, StagedWrite};
use crate::store::Name;
use crate::store::StoredFloor;

/// The changes of committed batches that are not in the tables. Of each row it has the
/// newest state alone, and what the tables have of it.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Tail {
    resources: HashMap<Name, DirtyResource>,
    /// The resources in the order of their first changes. An entry is valid if the resource
    /// still has this first change.
    order: VecDeque<(i64, Name)>,
    /// The claims in the same way. Their keys are mostly in this order, too: claims that are
    /// applied in it fill one page of the table after the other.
    claim_order: VecDeque<(i64, Name, ClaimKey)>,
    /// The rows of the journal, oldest first.
    rows: VecDeque<JournalRow>,
    /// How many claims it has.
    claims: usize,
    /// The size of its journal rows.
    bytes: usize,
    /// The last batch that changed a claim which had ended before.
    changed_ended: i64,
    /// The newest key that is in the tables without being in the tail.
    newest_key: NewestKey,
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
    /// See [`crate::store::ResourceWrite::last_events`].
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
    /// The position of the first batch whose change of it the table lacks.
    pub(in crate::store::sqlite) first: i64,
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

/// What a transaction has applied.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Applied {
    /// Resources without anything left in the tail.
    pub(in crate::store::sqlite) resources: Vec<Name>,
    /// Claims of resources of which more is left.
    pub(in crate::store::sqlite) claims: Vec<(Name, ClaimKey)>,
    /// How many journal rows were deleted.
    pub(in crate::store::sqlite) rows: usize,
}

impl Tail {
    /// An empty one, beside tables with this newest key.
    pub(in crate::store::sqlite) fn after(newest_key: NewestKey) -> Self {
        Self { newest_key, ..Self::default() }
    }

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

    pub(in crate::store::sqlite) fn rows(&self) -> impl ExactSizeIterator<Item = &JournalRow> {
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

    pub(in crate::store::sqlite) fn claim(&self, name: &Name, key: &ClaimKey) -> Option<&Arc<Claim>> {
        self.resources.get(name)?.claims.get(key).map(|dirty| &dirty.claim)
    }

    /// Whether the tables can't have a claim with this key that the tail does not have.
    pub(in crate::store::sqlite) fn is_newer_than_tables(&self, key: &ClaimKey) -> bool {
        self.newest_key.is_before(&key.key)
    }

    /// The resources, in the order of their first changes.
    pub(in crate::store::sqlite) fn in_order(&self) -> impl Iterator<Item = (&Name, &DirtyResource)> {
        self.order.iter().filter_map(|(first, name)| {
            let resource = self.resources.get(name)?;
            (resource.first == *first).then_some((name, resource))
        })
    }

    /// The claims, in the order of their first changes.
    pub(in crate::store::sqlite) fn claims_in_order(
        &self,
    ) -> impl Iterator<Item = (&Name, &ClaimKey, &DirtyClaim)> {
        self.claim_order.iter().filter_map(|(first, name, key)| {
            let claim = self.resources.get(name)?.claims.get(key)?;
            (claim.first == *first).then_some((name, key, claim))
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
        let name = write.name;
        let resource = match self.resources.entry(Name::clone(&name)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.order.push_back((position, Name::clone(&name)));
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
                    self.claim_order.push_back((position, Name::clone(&name), entry.key().clone()));
                    entry.insert(claim);
                }
            }
        }
    }

    /// Removes what a transaction has applied, once it has committed.
    pub(in crate::store::sqlite) fn forget(&mut self, applied: &Applied) {
        for name in &applied.resources {
            let claims = self.resources.remove(name).map(|resource| resource.claims).unwrap_or_default();
            claims.keys().for_each(|key| self.newest_key.raise(&key.key));
            self.claims -= claims.len();
        }
        for (name, key) in &applied.claims {
            let resource = self.resources.get_mut(name);
            let claim = resource.and_then(|resource| resource.claims.remove(key));
            self.claims -= usize::from(claim.is_some());
            self.newest_key.raise(&key.key);
        }
        self.bytes -= self.rows.drain(..applied.rows).map(|row| row.bytes).sum::<usize>();
        while let Some((first, name)) = self.order.front()
            && self.resources.get(name).is_none_or(|resource| resource.first != *first)
        {
            self.order.pop_front();
        }
        while let Some((first, name, key)) = self.claim_order.front()
            && self
                .resources
                .get(name)
                .and_then(|resource| resource.claims.get(key))
                .is_none_or(|claim| claim.first != *first)
        {
            self.claim_order.pop_front();
        }
    }

    /// Records that it is not known what the tables have of these: their transaction may
    /// have committed.
    pub(in crate::store::sqlite) fn doubt(&mut self, applied: &Applied) {
        for name in &applied.resources {
            let Some(resource) = self.resources.get_mut(name) else { continue };
            resource.row.iter_mut().for_each(|row| row.stored = StoredRow::Unknown);
            resource.claims.values_mut().for_each(|claim| claim.stored = StoredClaim::Unknown);
        }
        for (name, key) in &applied.claims {
            if let Some(claim) =
                self.resources.get_mut(name).and_then(|resource| resource.claims.get_mut(key))
            {
                claim.stored = StoredClaim::Unknown;
            }
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
