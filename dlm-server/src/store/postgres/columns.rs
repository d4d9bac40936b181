//! What a batch writes, column by column, as bulk statements take it.

use dlm_engine::{ClaimChange, ClaimKey, Floor, RowChange};

use super::bulk::Column;
use crate::store::rows::{NewClaim, Value};
use crate::store::{Name, ResourceWrite};

pub(super) type NewRow<'a> = (&'a Name, &'a dlm_engine::ResourceRecord, &'a Option<ClaimKey>);

/// The rows of a batch, by what happens to them.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) new: Vec<NewRow<'a>>,
    pub(super) changed: Vec<NewRow<'a>>,
    /// Something of their claims alone.
    pub(super) touched: Vec<&'a Name>,
    pub(super) deleted: Vec<(&'a Name, Floor)>,
    pub(super) inserted: Vec<(&'a Name, &'a ClaimChange)>,
    pub(super) updated: Vec<(&'a Name, &'a ClaimChange)>,
}

impl<'a> Rows<'a> {
    /// Always in one order, so that no two batches wait for each other.
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
                claims.push((write.name, change));
            }
        }
        rows.inserted.sort_by(|(_, one), (_, other)| one.claim.key.key.cmp(&other.claim.key.key));
        rows
    }

    pub(super) fn new_claims(&self) -> Vec<Column<'a>> {
        columns::<26>(
            &[0, 1, 2, 6, 7],
            self.inserted.iter().map(|(name, change)| {
                let NewClaim { asked, state } = NewClaim::of(name, change);
                asked.into_iter().chain(state)
            }),
        )
    }

    pub(super) fn old_claims(&self) -> Vec<Column<'a>> {
        columns::<21>(
            &[0, 1, 2],
            self.updated.iter().map(|(name, change)| {
                let NewClaim { asked, state } = NewClaim::of(name, change);
                asked.into_iter().take(3).chain(state)
            }),
        )
    }
}

/// Rows of resources, column by column.
pub(super) fn row_columns<'a>(rows: &[NewRow<'a>]) -> Vec<Column<'a>> {
    let ints =
        |of: fn(&dlm_engine::ResourceRecord) -> i64| Column::ints(rows.iter().map(|(_, row, _)| of(row)));
    vec![
        Column::texts(rows.iter().map(|(name, ..)| &***name)),
        ints(|row| row.version as i64),
        ints(|row| row.token as i64),
        ints(|row| row.touched_at.0),
        ints(|row| row.check_at.0),
        ints(|row| row.queue_len as i64),
        ints(|row| row.holder_count as i64),
        Column::Texts(rows.iter().map(|(_, _, holder)| holder.as_ref().map(|key| &*key.principal)).collect()),
        Column::Texts(rows.iter().map(|(_, _, holder)| holder.as_ref().map(|key| &*key.key)).collect()),
    ]
}

/// Rows of claims, column by column; `texts` says which columns are text.
fn columns<'a, const N: usize>(
    texts: &[usize],
    rows: impl Iterator<Item = impl Iterator<Item = Value<'a>>>,
) -> Vec<Column<'a>> {
    let column = |index| match texts.contains(&index) {
        true => Column::Texts(Vec::new()),
        false => Column::Ints(Vec::new()),
    };
    let mut columns: Vec<Column<'a>> = (0..N).map(column).collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            match (column, value) {
                (Column::Texts(texts), Value::Text(text)) => texts.push(text),
                (Column::Texts(texts), Value::Int(_)) => texts.push(None),
                (Column::Ints(ints), Value::Int(int)) => ints.push(int),
                (Column::Ints(ints), Value::Text(_)) => ints.push(None),
                (Column::Int(_) | Column::Text(_), _) => {}
            }
        }
    }
    columns
}
