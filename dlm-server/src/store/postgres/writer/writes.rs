//! What a batch that has locked its resources writes.

use dlm_engine::Floor;

use super::{PostgresStore, or_exists};
use crate::store::error::NOT_AVAILABLE;
use crate::store::postgres::batch_sql::{
    DeleteResources, INSERTED, InsertResources, RaiseFloors, UPDATED, WriteBatch,
};
use crate::store::postgres::bulk::{self, Param};
use crate::store::postgres::columns::{Rows, WrittenRow, claim_params, resource_params};
use crate::store::{BatchWrite, Name, StoreError, StoredFloor, event, floor_bucket};

/// How many resources were changed and touched, how many claims inserted and updated, the new place
/// of the marker row, and the names and new places of the resources.
type Written = (i64, i64, i64, i64, Option<String>, Option<Vec<String>>, Option<Vec<String>>);

impl PostgresStore {
    /// See [`Store::write`](crate::store::Store::write).
    pub(super) fn write_batch(&mut self, batch: &BatchWrite<'_>) -> Result<i64, StoreError> {
        let rows = Rows::of(batch.writes, &self.places);
        if !rows.new.is_empty() {
            self.insert_resources(&rows.new)?;
        }
        if !rows.deleted.is_empty() {
            self.delete_resources(&rows.deleted)?;
        }
        let events = format!("[{}]", event::to_json(batch.events, batch.writes)?.join(","));
        let mut params: Vec<Param<'_>> = vec![
            self.number.into(),
            batch.now.0.into(),
            (batch.events.len() as i64).into(),
            (&*events).into(),
            self.id.into(),
        ];
        let place = |name: &Name| self.places.get(name);
        params.extend(resource_params(&rows.changed));
        params.push(Param::Texts(rows.changed.iter().map(|row| place(row.name)).collect()));
        params.push(Param::texts(rows.touched.iter().map(|name| &***name)));
        params.push(Param::Texts(rows.touched.iter().map(|name| place(name)).collect()));
        params.push(Param::texts(rows.rechecked.iter().map(|row| &**row.name)));
        params.push(Param::ints(rows.rechecked.iter().map(|row| row.check_at.0)));
        params.push(Param::ints(rows.rechecked.iter().map(|row| i64::from(row.in_use))));
        params.extend(claim_params(&INSERTED, &rows.inserted));
        params.extend(claim_params(&UPDATED, &rows.updated));
        params.extend([(&*self.marker_place).into(), self.id.into()]);
        let written: Vec<Written> = or_exists(bulk::load::<WriteBatch, _>(&mut self.connection, params))?;
        let expected = (rows.changed.len(), rows.touched.len(), rows.inserted.len(), rows.updated.len());
        match &written[..] {
            &[(changed, touched, inserted, updated, Some(ref place), ref names, ref places)]
                if (changed as usize, touched as usize, inserted as usize, updated as usize) == expected =>
            {
                self.marks = Some((self.number, place.clone()));
                let moves = names.iter().flatten().zip(places.iter().flatten());
                self.moves = moves.map(|(name, place)| (Name::from(name.as_str()), place.clone())).collect();
                self.rechecked =
                    rows.rechecked.iter().map(|row| (Name::clone(row.name), row.in_use)).collect();
                Ok(self.number)
            }
            // The row has moved. A retry looks for it.
            [(.., None, _, _)] if !self.marker_place.is_empty() => {
                self.marker_place.clear();
                Err(StoreError::NotCommitted(NOT_AVAILABLE))
            }
            // This replica was declared dead so long ago that its rows were deleted, or a call that
            // was given up has been applied since this batch began.
            [(.., None, _, _)] => {
                Err(StoreError::Unavailable("the writer's marker row is not as expected".into()))
            }
            // A locked resource or a known claim was deleted all the same. A retry reads it again.
            _ => Err(StoreError::NotCommitted(NOT_AVAILABLE)),
        }
    }

    fn insert_resources(&mut self, new: &[WrittenRow<'_>]) -> Result<(), StoreError> {
        let floor = |name: &Name| self.floors.get(name).copied().unwrap_or_default().floor.token as i64;
        let mut params = resource_params(new);
        params.insert(1, Param::ints(new.iter().map(|row| floor_bucket(row.name))));
        params.insert(2, Param::ints(new.iter().map(|row| floor(row.name))));
        params.push(self.number.into());
        let inserted = or_exists(bulk::run::<InsertResources>(&mut self.connection, params))?;
        if inserted == new.len() { Ok(()) } else { Err(StoreError::KeyExists) }
    }

    fn delete_resources(&mut self, deleted: &[(&Name, Floor, Option<i64>)]) -> Result<(), StoreError> {
        let number = self.number;
        let names = || Param::texts(deleted.iter().map(|(name, ..)| &***name));
        bulk::run::<DeleteResources>(&mut self.connection, vec![names(), names()])?;
        let floors = vec![
            Param::ints(deleted.iter().map(|(name, ..)| floor_bucket(name))),
            Param::ints(deleted.iter().map(|(_, floor, _)| floor.token as i64)),
            Param::ints(deleted.iter().map(|(_, floor, _)| floor.version as i64)),
            Param::ints(deleted.iter().map(|(.., last_events)| last_events.unwrap_or(number))),
        ];
        bulk::run::<RaiseFloors>(&mut self.connection, floors)?;
        let raised = deleted.iter().map(|(name, floor, last_events)| {
            let last_events = last_events.unwrap_or(number);
            (Name::clone(name), StoredFloor { floor: *floor, last_events })
        });
        self.raised = raised.collect();
        Ok(())
    }
}
