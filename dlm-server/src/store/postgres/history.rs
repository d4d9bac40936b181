//! The events of one resource, read by their links: the row of a resource names the last batch with
//! events of it, and the first of these events names the batch before.

use diesel::sql_types::{BigInt, Nullable, Text};
use dlm_pq::PqConnection;

use super::bulk;
use super::log;
use crate::store::statement::statements;
use crate::store::{LogRow, Name, ResourceHistory, RowEvents, StoreError, floor_bucket};

statements! {
    LastEvents -> BigInt = "SELECT coalesce((SELECT last_events FROM resources WHERE name = ?), \
        (SELECT last_events FROM floors WHERE bucket = ?), 0)";
    /// The position of a batch, if it has one, and its events.
    ReadBatch -> (Nullable<BigInt>, Text) = "SELECT log.position, batch_events.events \
        FROM batch_events LEFT JOIN log USING (batch) WHERE batch_events.batch = ?";
    OldestBatch -> BigInt = "SELECT batch FROM log ORDER BY position LIMIT 1";
    /// The batches at these positions, the last first.
    BatchesAt -> BigInt = "SELECT batch FROM log WHERE position BETWEEN ? AND ? ORDER BY position DESC";
}

/// Reads the rows with events of a resource at this position or before, newest first, until `each`
/// returns false. Call it in a transaction that reads from one snapshot.
pub(super) fn read(
    connection: &mut PqConnection,
    name: &Name,
    upto: i64,
    each: &mut dyn FnMut(&LogRow) -> bool,
) -> Result<ResourceHistory, StoreError> {
    let (head, trimmed) = log::bounds(connection)?;
    let last: Vec<i64> =
        bulk::load::<LastEvents, _>(connection, vec![(&**name).into(), floor_bucket(name).into()])?;
    let mut batch = last.first().copied().unwrap_or(0);
    // Events of a resource have positions in the order of their batches.
    let mut before = head.0.min(upto);
    let mut search_from = None;
    let mut must_jump = upto < head.0;
    while batch > 0 {
        let Some((position, row)) = read_batch(connection, batch)? else {
            // It was trimmed, and so were all those before; or it was never written.
            let oldest: Vec<i64> = bulk::load::<OldestBatch, _>(connection, Vec::new())?;
            search_from = oldest.first().filter(|oldest| batch > **oldest).map(|_| before);
            break;
        };
        let is_later = position.is_none_or(|position| position > upto);
        if is_later && std::mem::take(&mut must_jump) {
            let Some(near) = linked_near(connection, name, upto)? else {
                search_from = Some(before);
                break;
            };
            batch = near;
            continue;
        }
        // Without a link: events of an older server, or of a deleted resource, are somewhere before.
        let Some(earlier) = earlier_batch(&row, name).filter(|earlier| *earlier < batch) else {
            search_from = Some(before);
            break;
        };
        // A batch without a position is not in the log yet.
        if let Some(position) = position.filter(|_| !is_later) {
            before = position - 1;
            if position <= trimmed || !each(&row) {
                break;
            }
        }
        batch = earlier;
    }
    Ok(ResourceHistory { head, trimmed, search_from })
}

/// A batch, and its position if it has one.
fn read_batch(
    connection: &mut PqConnection,
    batch: i64,
) -> Result<Option<(Option<i64>, LogRow)>, StoreError> {
    let rows: Vec<(Option<i64>, String)> = bulk::load::<ReadBatch, _>(connection, vec![batch.into()])?;
    Ok(rows.into_iter().next().map(|(position, events)| {
        (position, LogRow { position: position.unwrap_or(0), events: RowEvents::Json(events) })
    }))
}

/// The batch at this position or the one after, if it has events of a resource and says where the
/// earlier ones are.
fn linked_near(connection: &mut PqConnection, name: &Name, position: i64) -> Result<Option<i64>, StoreError> {
    let params = vec![position.into(), (position + 1).into()];
    let batches: Vec<i64> = bulk::load::<BatchesAt, _>(connection, params)?;
    for batch in batches {
        if read_batch(connection, batch)?.is_some_and(|(_, row)| earlier_batch(&row, name).is_some()) {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// The batch with the events of a resource before those in this row; 0 if there are none. `None` if
/// the row does not tell.
fn earlier_batch(row: &LogRow, name: &str) -> Option<i64> {
    // A damaged row is reported by those who read all rows.
    row.decode().ok()?.into_iter().find(|event| event.resource == name)?.earlier
}
