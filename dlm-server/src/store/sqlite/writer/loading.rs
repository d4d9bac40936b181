//! What the writer reads of resources.

use std::collections::HashMap;

use dlm_engine::Resource;

use super::SqliteStore;
use crate::store::rows::ResourceRow;
use crate::store::sqlite::StoredFloor;
use crate::store::sqlite::fixed::{self, LoadResources};
use crate::store::sqlite::journal::apply;
use crate::store::{LoadedResource, Name, StoreError, floor_bucket, views};

impl SqliteStore {
    /// The rows of these resources, by name, and where their last events are. One statement for all: a batch may be full of
    /// new names.
    pub(super) fn rows(&mut self, names: &[&str]) -> Result<HashMap<String, (ResourceRow, i64)>, StoreError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let asked = serde_json::to_string(names).map_err(|error| StoreError::Rejected(error.to_string()))?;
        let rows: Vec<(ResourceRow, i64)> =
            fixed::load::<LoadResources, _, 1>(&mut self.connection, [(&*asked).into()])?;
        Ok(rows.into_iter().map(|row| (row.0.name.clone(), row)).collect())
    }

    pub(super) fn loaded(
        &mut self,
        name: &Name,
        row: Option<(ResourceRow, i64)>,
    ) -> Result<LoadedResource, StoreError> {
        let Some((row, last_events)) = row else {
            let StoredFloor { floor, last_events } =
                self.floors.get(&floor_bucket(name)).copied().unwrap_or_default();
            return Ok(LoadedResource {
                resource: Resource::absent(floor),
                stored_check_at: None,
                last_events,
                revision: 0,
            });
        };
        let live = views::holders(&mut *self.connection, &row, row.holder_count)?;
        Ok(LoadedResource { last_events, ..row.into_loaded(live)? })
    }

    /// Has the tables contain everything of a resource, in the open transaction, before
    /// something of it is read from them.
    pub(super) fn apply_resource(&mut self, name: &Name) -> Result<(), StoreError> {
        if let Some(dirty) = self.tail.resource(name)
            && !self.applied.contains(name)
        {
            apply::resource(&mut self.connection, name, dirty)?;
            self.applied.insert(Name::clone(name));
        }
        Ok(())
    }
}
