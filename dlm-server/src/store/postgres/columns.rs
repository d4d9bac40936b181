//! What a batch writes, column by column, as bulk statements take it.

use dlm_engine::ClaimKey;

use super::bulk::Column;
use crate::store::Name;
use crate::store::rows::Value;

pub(super) type NewRow<'a> = (&'a Name, &'a dlm_engine::Stored, &'a Option<ClaimKey>);

/// Rows of resources, column by column.
pub(super) fn row_columns<'a>(rows: &[NewRow<'a>]) -> Vec<Column<'a>> {
    let ints = |of: fn(&dlm_engine::Stored) -> i64| Column::ints(rows.iter().map(|(_, row, _)| of(row)));
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
pub(super) fn columns<'a, const N: usize>(
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
