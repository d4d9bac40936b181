//! What a batch writes, column by column.

use dlm_engine::{ClaimKey, Floor, Micros, ResourceRecord, RowChange};

use super::bulk::Param;
use super::places::Places;
use crate::store::claim_columns::{ClaimColumn, ClaimRecord, Getter};
use crate::store::{Name, ResourceWrite};

/// The row of a resource as it is written.
pub(super) struct WrittenRow<'a> {
    pub(super) name: &'a Name,
    row: &'a ResourceRecord,
    holder: &'a Option<ClaimKey>,
    /// `None`: this batch.
    last_events: Option<i64>,
}

/// The rows of a batch, by what happens to them.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) new: Vec<WrittenRow<'a>>,
    pub(super) changed: Vec<WrittenRow<'a>>,
    /// The rows of names that change.
    pub(super) rechecked: Vec<Recheck<'a>>,
    /// Resources of which only claims changed.
    pub(super) touched: Vec<&'a Name>,
    /// With the floors that they leave; `None` for their last events: this batch.
    pub(super) deleted: Vec<(&'a Name, Floor, Option<i64>)>,
    pub(super) inserted: Vec<ClaimRecord<'a>>,
    pub(super) updated: Vec<ClaimRecord<'a>>,
}

impl<'a> Rows<'a> {
    /// Sorts the rows, so that no two batches wait for each other.
    pub(super) fn of(writes: &'a [ResourceWrite<'a>], places: &Places) -> Self {
        let mut rows = Self::default();
        let mut writes: Vec<&ResourceWrite<'_>> = writes.iter().collect();
        writes.sort_by(|one, other| one.name.cmp(other.name));
        for write in writes {
            let stored = write.stored_check_at.is_some();
            let last_events = (!write.has_events).then_some(write.last_events);
            match &write.row {
                RowChange::Write { row, holder } => {
                    let recheck = Recheck { name: write.name, check_at: row.check_at, in_use: in_use(row) };
                    let is_known = recheck.in_use <= places.is_in_use(write.name);
                    if stored && (write.stored_check_at != Some(row.check_at) || !is_known) {
                        rows.rechecked.push(recheck);
                    }
                    let written = WrittenRow { name: write.name, row, holder, last_events };
                    if stored { &mut rows.changed } else { &mut rows.new }.push(written);
                }
                RowChange::Delete(floor) => rows.deleted.push((write.name, *floor, last_events)),
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

/// What changes of the row of a resource's name.
pub(super) struct Recheck<'a> {
    pub(super) name: &'a Name,
    pub(super) check_at: Micros,
    pub(super) in_use: bool,
}

/// Whether a resource is held or waited for.
fn in_use(row: &ResourceRecord) -> bool {
    row.holder_count > 0 || row.queue_len > 0
}

impl<'a> WrittenRow<'a> {
    pub(super) fn in_use(&self) -> bool {
        in_use(self.row)
    }

    /// The numbers that are written.
    pub(super) fn ints(&self) -> [Option<i64>; 7] {
        let row = self.row;
        let (version, token) = (row.version as i64, row.token as i64);
        let (queue_len, holder_count) = (row.queue_len as i64, row.holder_count as i64);
        let ints = [version, token, row.touched_at.0, row.check_at.0, queue_len, holder_count].map(Some);
        let [version, token, touched_at, check_at, queue_len, holder_count] = ints;
        [version, token, touched_at, check_at, queue_len, holder_count, self.last_events]
    }

    /// The claim of the exclusive holder: its principal and key.
    pub(super) fn holder(&self) -> [Option<&'a str>; 2] {
        let holder = self.holder.as_ref();
        [holder.map(|key| &*key.principal), holder.map(|key| &*key.key)]
    }
}

/// The columns of resources.
pub(super) fn resource_params<'a>(rows: &[WrittenRow<'a>]) -> Vec<Param<'a>> {
    let ints = |index: usize| Param::Ints(rows.iter().map(|row| row.ints()[index]).collect());
    let holders = |index: usize| Param::Texts(rows.iter().map(|row| row.holder()[index]).collect());
    let names = Param::texts(rows.iter().map(|row| &**row.name));
    std::iter::once(names).chain((0..7).map(ints)).chain((0..2).map(holders)).collect()
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
