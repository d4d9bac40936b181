//! What the writer reads of resources.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{Claim, ClaimKey, Need, Resource};

use super::SqliteStore;
use crate::store::StoredFloor;
use crate::store::rows::ResourceRow;
use crate::store::sqlite::claims;
use crate::store::sqlite::fixed::{self, LoadResources};
use crate::store::sqlite::journal::apply;
use crate::store::views::{self, WAITERS_LOADED};
use crate::store::{LoadedResource, Name, StoreError, floor_bucket};

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

    /// Loads what the engine needs to proceed with an operation.
    pub(super) fn provide_current(
        &mut self,
        name: &Name,
        need: Need,
        resource: &mut Resource,
    ) -> Result<(), StoreError> {
        match need {
            Need::Claim(key) => {
                let claims = self.current_claims(&[(name, &key)])?;
                resource.provide_claim(key, claims.into_iter().flatten().next());
            }
            Need::Waiters { after } => {
                let (waiters, all) = self.current_waiters(name, after)?;
                resource.provide_waiters(waiters, all);
            }
            // An operator repeats a force-release, which is rare.
            Need::ForceReleased { .. } => {
                self.apply_resource(name)?;
                views::provide(&mut *self.connection, name, need, resource)?;
            }
        }
        Ok(())
    }

    /// The newest states of these claims.
    pub(super) fn current_claims(
        &mut self,
        keys: &[(&Name, &ClaimKey)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        let is_stored = |(name, key): &(&Name, &ClaimKey)| self.tail.claim(name, key).is_none();
        let stored: Vec<_> = keys.iter().copied().filter(is_stored).collect();
        let mut stored = claims::load(&mut self.connection, &stored)?.into_iter();
        let current = |(name, key): &(&Name, &ClaimKey)| match self.tail.claim(name, key) {
            Some(claim) => Some(Claim::clone(claim)),
            None => stored.next().flatten(),
        };
        Ok(keys.iter().map(current).collect())
    }

    /// The next waiters behind a ticket, at least one if there is any, and whether there are no
    /// more. The tail is not applied for them: with a long queue that would be every few
    /// hand-overs, each of which waits for its batch.
    fn current_waiters(&mut self, name: &Name, mut after: u64) -> Result<(Vec<Claim>, bool), StoreError> {
        loop {
            let stored = views::waiters(&mut *self.connection, name, after)?;
            let mut all = stored.len() < WAITERS_LOADED;
            let last = stored.last().and_then(ticket).filter(|_| !all).unwrap_or(u64::MAX);
            let mut waiters = stored;
            if let Some(dirty) = self.tail.resource(name) {
                waiters.retain(|claim| !dirty.claims.contains_key(&claim.key));
                let changed = dirty.claims.values().map(|dirty| &dirty.claim);
                let is_next = |claim: &&Arc<Claim>| {
                    ticket(claim).is_some_and(|ticket| ticket > after && ticket <= last)
                };
                waiters.extend(changed.filter(is_next).map(|claim| Claim::clone(claim)));
                waiters.sort_unstable_by_key(ticket);
                all &= waiters.len() <= WAITERS_LOADED;
                waiters.truncate(WAITERS_LOADED);
            }
            if all || !waiters.is_empty() {
                return Ok((waiters, all));
            }
            after = last;
        }
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

/// The place of a waiter in the queue.
fn ticket(claim: &Claim) -> Option<u64> {
    claim.queue_entry().map(|entry| entry.ticket)
}
