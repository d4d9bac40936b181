//! All of one owner, or of one principal.

use dlm_protocol::limits::{MAX_OWNERS_SHOWN, MAX_PAGE, MAX_PAGE_BYTES};
use dlm_protocol::{OwnedLease, OwnedWait, OwnerDetails, OwnerSummary, PrincipalDetails};
use serde::Serialize;

use super::table::{OwnerTable, Places};
use crate::service::operation::OwnerFilter;
use crate::store::StoreError;

/// The leases and waiters that an answer shows.
struct Shown {
    holds: Vec<OwnedLease>,
    waits: Vec<OwnedWait>,
    /// Whether these are all.
    all: bool,
}

impl OwnerTable {
    /// What an owner holds and waits for, of one principal or of all.
    pub(super) fn details(&self, owner: &OwnerFilter) -> Result<OwnerDetails, StoreError> {
        let places = self.places_of(|actor| owner.is(actor));
        let Shown { holds, waits, all } = self.shown(&places, MAX_PAGE_BYTES)?;
        Ok(OwnerDetails {
            at: self.at(),
            complete: self.is_complete() && all,
            owner: owner.owner.clone(),
            hold_count: places.holds.len() as u64,
            wait_count: places.waits.len() as u64,
            blocked: self.blocked_by(&places.holds),
            holds,
            waits,
        })
    }

    /// What a principal holds and waits for, with whatever owners.
    pub(super) fn principal(&self, principal: String) -> Result<PrincipalDetails, StoreError> {
        let places = self.places_of(|actor| *actor.principal == *principal);
        let is_its = |owner: &&OwnerSummary| owner.principal.as_deref() == Some(&*principal);
        let owners: Vec<OwnerSummary> =
            self.owners().filter(is_its).take(MAX_OWNERS_SHOWN).cloned().collect();
        let owner_count = self.owners().filter(is_its).count();
        let left = MAX_PAGE_BYTES.saturating_sub(owners.iter().map(size).sum());
        let Shown { holds, waits, all } = self.shown(&places, left)?;
        Ok(PrincipalDetails {
            at: self.at(),
            complete: self.is_complete() && all && owners.len() == owner_count,
            owner_count: owner_count as u64,
            hold_count: places.holds.len() as u64,
            wait_count: places.waits.len() as u64,
            blocked: self.blocked_by(&places.holds),
            owners,
            holds,
            waits,
            principal,
        })
    }

    /// As many of these leases and waiters as fit on a page. Half of the bytes are for each.
    fn shown(&self, places: &Places, bytes: usize) -> Result<Shown, StoreError> {
        let holds = within(bytes / 2, places.holds.iter().map(|place| self.hold(*place)))?;
        let waits = within(bytes / 2, places.waits.iter().map(|place| self.wait(*place)))?;
        let all = (holds.len(), waits.len()) == (places.holds.len(), places.waits.len());
        Ok(Shown { holds, waits, all })
    }
}

/// The first of these rows, as far as they fit on a page and take so many bytes.
fn within<T: Serialize>(
    bytes: usize,
    rows: impl Iterator<Item = Result<T, StoreError>>,
) -> Result<Vec<T>, StoreError> {
    let (mut shown, mut left) = (Vec::new(), bytes);
    for row in rows.take(MAX_PAGE) {
        let row = row?;
        match left.checked_sub(size(&row)) {
            Some(rest) => left = rest,
            None => break,
        }
        shown.push(row);
    }
    Ok(shown)
}

/// The bytes of JSON that a row takes in a list.
fn size(row: &impl Serialize) -> usize {
    // Texts and numbers can always be serialized.
    serde_json::to_vec(row).map_or(0, |json| json.len() + 1)
}
