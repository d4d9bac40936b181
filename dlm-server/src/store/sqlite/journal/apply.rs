//! Writes what the tail has into the tables.

use std::time::Duration;

use diesel::sqlite::SqliteConnection;

use super::tail::{Applied, DirtyResource, DirtyRow, StoredRow, Tail};
use crate::clock::since_boot;
use crate::store::StoredFloor;
use crate::store::sqlite::WRITER;
use crate::store::sqlite::claims::{self, one_row};
use crate::store::sqlite::fixed::{
    self, DeleteJournal, DeleteResource, InsertLog, InsertResource, MarkBatch, RaiseFloor, UpdateResource,
    UpdateResourceAndCheck, UpsertResource, Value,
};
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

/// The time is looked up once in so many writes.
const LOOKS: usize = 16;

/// Applies the oldest changes, in the open transaction: writes the tables, moves the events to
/// the log, and deletes the rows of the journal of which the tables have everything.
pub(in crate::store::sqlite) fn oldest(
    connection: &mut SqliteConnection,
    tail: &Tail,
    budget: Budget,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let mut left =
        Left { claims: budget.claims, ends_at: since_boot().saturating_add(budget.time), looks: 0 };
    // First the claims, whichever resource they are of: so a page of the table is written once
    // rather than once for each resource that has a claim in it.
    for (name, key, claim) in tail.claims_in_order() {
        if claim.first > budget.until || left.is_used_up() {
            break;
        }
        claims::write(connection, name, claim)?;
        left.claims -= 1;
        applied.claims.push((Name::clone(name), key.clone()));
    }
    // The first change that the tables will lack.
    let mut lacking = i64::MAX;
    for (name, dirty) in tail.in_order() {
        if dirty.first > budget.until
            || !rest_of(connection, name, dirty, budget.until, &mut left, &mut applied)?
        {
            lacking = dirty.first;
            break;
        }
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

/// What is left of a budget.
struct Left {
    claims: usize,
    ends_at: Duration,
    looks: usize,
}

impl Left {
    fn is_used_up(&mut self) -> bool {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS) && since_boot() >= self.ends_at {
            // For good: what comes next must not go on.
            self.claims = 0;
        }
        self.claims == 0
    }
}

/// Applies what has been left of a resource: the claims that changed first after this batch,
/// and then its row. Returns whether the budget allowed all of it.
fn rest_of(
    connection: &mut SqliteConnection,
    name: &Name,
    dirty: &DirtyResource,
    until: i64,
    left: &mut Left,
    applied: &mut Applied,
) -> Result<bool, StoreError> {
    for (key, claim) in dirty.claims.iter().filter(|(_, claim)| claim.first > until) {
        if left.is_used_up() {
            return Ok(false);
        }
        claims::write(connection, name, claim)?;
        left.claims -= 1;
        applied.claims.push((Name::clone(name), key.clone()));
    }
    if left.is_used_up() {
        return Ok(false);
    }
    write_row(connection, name, dirty)?;
    applied.resources.push(Name::clone(name));
    Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_whose_time_is_over_stays_used_up() {
        let mut left = Left { claims: usize::MAX, ends_at: since_boot(), looks: 0 };
        let looks = (0..=LOOKS).take_while(|_| !left.is_used_up()).count();
        assert!(looks < LOOKS, "{looks} writes");
        assert!((0..2 * LOOKS).all(|_| left.is_used_up()));
    }
}
