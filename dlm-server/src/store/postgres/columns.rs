//! What a batch writes, column by column.

use dlm_engine::{ClaimKey, Floor, ResourceRecord, RowChange};

use super::bulk::Param;
use crate::store::claim_columns::{ClaimColumn, ClaimRecord, Getter};
use crate::store::{Name, ResourceWrite};

pub(super) type NewRow<'a> = (&'a Name, &'a ResourceRecord, &'a Option<ClaimKey>);

/// The rows of a batch, by what happens to them.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) new: Vec<NewRow<'a>>,
    pub(super) changed: Vec<NewRow<'a>>,
    /// Resources of which only claims changed.
    pub(super) touched: Vec<&'a Name>,
    pub(super) deleted: Vec<(&'a Name, Floor)>,
    pub(super) inserted: Vec<ClaimRecord<'a>>,
    pub(super) updated: Vec<ClaimRecord<'a>>,
}

impl<'a> Rows<'a> {
    /// Sorts the rows, so that no two batches wait for each other.
    pub(super) fn of(writes: &'a [ResourceWrite<'a>]) -> Self {
        let mut rows = Self::default();
        let mut writes: Vec<&ResourceWrite<'_>> = writes.iter().collect();
        writes.sort_by(|one, other| one.name.cmp(other.name));
        for write in writes {
            let stored = write.stored_check_at.is_some();
            match &write.row {
                RowChange::Write { row, holder } if stored => rows.changed.push((write.name, row, holder)),
                RowChange::Write { row, holder } => rows.new.push((write.name, row, holder)),
                RowChange::Delete(floor) => rows.deleted.push((write.name, *floor)),
                RowChange::Keep if stored => rows.touched.push(write.name),
                RowChange::Keep => {}
            }
            for change in &write.claims {
                let claims = if change.insert { &mut rows.inserted } else { &mut rows.updated };
                claims.push(ClaimRecord::new(write.name, change));
            }
        }
        rows.inserted.sort_by(|one, other| one.claim.key.key.cmp(&other.claim.key.key));
        rows
    }
}

/// The numbers of a resource that are written.
pub(super) fn resource_columns(row: &ResourceRecord) -> [i64; 6] {
    let (version, token) = (row.version as i64, row.token as i64);
    [version, token, row.touched_at.0, row.check_at.0, row.queue_len as i64, row.holder_count as i64]
}

/// The claim of the exclusive holder: its principal and key.
pub(super) fn holder_columns(holder: Option<&ClaimKey>) -> [Option<&str>; 2] {
    [holder.map(|key| &*key.principal), holder.map(|key| &*key.key)]
}

/// The columns of resources.
pub(super) fn resource_params<'a>(rows: &[NewRow<'a>]) -> Vec<Param<'a>> {
    let ints = |index: usize| Param::ints(rows.iter().map(move |(_, row, _)| resource_columns(row)[index]));
    let holders = |index: usize| {
        Param::Texts(rows.iter().map(|(_, _, holder)| holder_columns(holder.as_ref())[index]).collect())
    };
    let names = Param::texts(rows.iter().map(|(name, ..)| &***name));
    std::iter::once(names).chain((0..6).map(ints)).chain((0..2).map(holders)).collect()
}

/// These columns of claims.
pub(super) fn claim_params<'a>(
    columns: &[ClaimColumn],
    claims: &[ClaimRecord<'a>],
) -> impl Iterator<Item = Param<'a>> {
    columns.iter().map(|column| match column.get {
        Getter::Int(get) => Param::Ints(claims.iter().map(get).collect()),
        Getter::Bool(get) => Param::Ints(claims.iter().map(|claim| get(claim).map(i64::from)).collect()),
        Getter::Text(get) => Param::Texts(claims.iter().map(get).collect()),
    })
}
