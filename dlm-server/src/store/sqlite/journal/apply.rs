//! Writes what the tail has into the tables.

use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use dlm_engine::ClaimKey;

use super::tail::{Applied, DirtyResource, DirtyRow, StoredRow, Tail};
use crate::clock::since_boot;
use crate::store::sqlite::claims::{self, one_row};
use crate::store::sqlite::fixed::{
    self, DeleteJournal, DeleteResource, InsertLog, InsertResource, MarkBatch, RaiseFloor, UpdateResource,
    UpdateResourceAndCheck, UpsertResource, Value,
};
use crate::store::sqlite::{StoredFloor, WRITER};
use crate::store::{Name, StoreError, floor_bucket};

/// How much to apply in one transaction.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sqlite) struct Budget {
    /// Only resources that first changed in this batch or an earlier one.
    pub(in crate::store::sqlite) until: i64,
    /// About how many claims.
    pub(in crate::store::sqlite) claims: usize,
    /// How many rows of the journal are deleted, and their events moved.
    pub(in crate::store::sqlite) rows: usize,
    /// About how long it may take.
    pub(in crate::store::sqlite) time: Duration,
}

impl Budget {
    /// Everything.
    pub(in crate::store::sqlite) const ALL: Self =
        Self { until: i64::MAX, claims: usize::MAX, rows: usize::MAX, time: Duration::MAX };
}

/// The time is looked up once in so many claims.
const CLAIMS_PER_LOOK: usize = 16;

/// Applies the oldest changes, in the open transaction: writes the tables, moves the events to
/// the log, and deletes the rows of the journal of which the tables have everything.
pub(in crate::store::sqlite) fn oldest(
    connection: &mut SqliteConnection,
    tail: &Tail,
    budget: Budget,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let mut left = Left { claims: budget.claims, began: since_boot(), time: budget.time };
    // The first change that the tables will lack.
    let mut lacking = i64::MAX;
    for (name, dirty) in tail.in_order() {
        if dirty.first > budget.until || left.is_used_up() {
            lacking = dirty.first;
            break;
        }
        if let Some(keys) = part_of(connection, name, dirty, &mut left)? {
            applied.part = Some((Name::clone(name), keys));
            lacking = dirty.first;
            break;
        }
        applied.resources.push(Name::clone(name));
    }
    move_rows(connection, tail, lacking, budget.rows, &mut applied)?;
    Ok(applied)
}

/// Applies everything of a resource, in the open transaction.
pub(in crate::store::sqlite) fn resource(
    connection: &mut SqliteConnection,
    name: &str,
    dirty: &DirtyResource,
) -> Result<(), StoreError> {
    dirty.claims.values().try_for_each(|claim| claims::write(connection, name, claim))?;
    write_row(connection, name, dirty)
}

struct Left {
    claims: usize,
    began: Duration,
    time: Duration,
}

impl Left {
    fn is_used_up(&self) -> bool {
        self.claims == 0 || since_boot() - self.began >= self.time
    }
}

/// Applies a resource as far as the budget allows: `None` if that is all of it, else the
/// claims that were applied. The row is the last of it.
fn part_of(
    connection: &mut SqliteConnection,
    name: &str,
    dirty: &DirtyResource,
    left: &mut Left,
) -> Result<Option<Vec<ClaimKey>>, StoreError> {
    for (index, claim) in dirty.claims.values().enumerate() {
        let looks = index % CLAIMS_PER_LOOK == CLAIMS_PER_LOOK - 1;
        if left.claims == 0 || looks && left.is_used_up() {
            return Ok(Some(dirty.claims.keys().take(index).cloned().collect()));
        }
        left.claims -= 1;
        claims::write(connection, name, claim)?;
    }
    write_row(connection, name, dirty)?;
    Ok(None)
}

/// Moves the events of the oldest journal rows to the log and deletes the rows, if the tables
/// have everything up to them.
fn move_rows(
    connection: &mut SqliteConnection,
    tail: &Tail,
    lacking: i64,
    limit: usize,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let mut last = None;
    for row in tail.rows().take(limit).take_while(|row| row.position < lacking) {
        if !row.events.is_empty() {
            let values = [row.position.into(), row.at.0.into(), row.upto.into(), Value::Blob(&row.events)];
            one_row(fixed::run::<InsertLog, _>(connection, values)?)?;
        }
        applied.rows += 1;
        last = Some(row);
    }
    let Some(last) = last else { return Ok(()) };
    fixed::run::<DeleteJournal, _>(connection, [last.position.into()])?;
    fixed::run::<MarkBatch, _>(connection, [WRITER.into(), last.position.into(), last.at.0.into()])?;
    Ok(())
}

fn write_row(connection: &mut SqliteConnection, name: &str, dirty: &DirtyResource) -> Result<(), StoreError> {
    if let Some(StoredFloor { floor, last_events }) = dirty.floor {
        let bucket = floor_bucket(name).into();
        let values = [bucket, floor.token.into(), floor.version.into(), last_events.into()];
        fixed::run::<RaiseFloor, _>(connection, values)?;
    }
    let Some(DirtyRow { state, last_events, stored }) = &dirty.row else { return Ok(()) };
    let Some((row, holder)) = state else {
        // An earlier state may never have reached the table.
        fixed::run::<DeleteResource, _>(connection, [name.into()])?;
        return Ok(());
    };
    let (version, token, touched_at) = (row.version.into(), row.token.into(), row.touched_at.0.into());
    let (queue_len, holder_count) = (row.queue_len.into(), row.holder_count.into());
    let principal = holder.as_ref().map(|key| &*key.principal).into();
    let key = holder.as_ref().map(|key| &*key.key).into();
    let last_events = (*last_events).into();
    let check_at = row.check_at;
    if *stored == StoredRow::Row(check_at) {
        // SQLite writes an index whenever its column is set, changed or not.
        let values =
            [version, token, touched_at, queue_len, holder_count, principal, key, last_events, name.into()];
        return one_row(fixed::run::<UpdateResource, _>(connection, values)?);
    }
    let (check_at, name) = (check_at.0.into(), name.into());
    let values =
        [version, token, touched_at, queue_len, holder_count, principal, key, last_events, check_at, name];
    one_row(match stored {
        StoredRow::Row(_) => fixed::run::<UpdateResourceAndCheck, _>(connection, values)?,
        StoredRow::Absent => fixed::run::<InsertResource, _>(connection, values)?,
        StoredRow::Unknown => fixed::run::<UpsertResource, _>(connection, values)?,
    })
}
