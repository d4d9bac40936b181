//! The resources between batches.

use std::collections::{HashMap, VecDeque};

use dlm_engine::{Micros, Resource, RowChange};

use crate::store::{Loaded, Name, Store, StoreError, Write};

/// Most resources kept that nobody holds and nobody waits for.
const MAX_IDLE: usize = 50_000;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) resource: Resource,
    stored_check_at: Option<Micros>,
    touched: bool,
    /// The last batch that left it idle.
    idle_since: u64,
}

/// What the store holds of the resources in use, and what the open batch
/// changed of it.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Name, Entry>,
    touched: Vec<Name>,
    idle: VecDeque<(Name, u64)>,
    batches: u64,
}

impl Cache {
    /// Has the resource loaded, and part of the open batch.
    pub(super) fn load(&mut self, name: &Name, store: &mut dyn Store) -> Result<(), StoreError> {
        if let Some(entry) = self.entries.get_mut(name) {
            if !entry.touched {
                entry.touched = true;
                self.touched.push(Name::clone(name));
            }
            return Ok(());
        }
        let Loaded { resource, stored_check_at } = store.load(name)?;
        self.entries
            .insert(Name::clone(name), Entry { resource, stored_check_at, touched: true, idle_since: 0 });
        self.touched.push(Name::clone(name));
        Ok(())
    }

    pub(super) fn resource(&mut self, name: &Name) -> Option<&mut Resource> {
        self.entries.get_mut(name).map(|entry| &mut entry.resource)
    }

    /// Writes what the open batch changed, each resource once. Tells whether
    /// that was anything.
    pub(super) fn write(&self, store: &mut dyn Store) -> Result<bool, StoreError> {
        let mut any = false;
        for name in &self.touched {
            let Some(entry) = self.entries.get(name) else { continue };
            let row = entry.resource.row_change();
            let claims: Vec<_> = entry.resource.claim_changes().collect();
            if row != RowChange::Keep || !claims.is_empty() {
                any = true;
                store.write(&Write { name, row, stored_check_at: entry.stored_check_at, claims })?;
            }
        }
        Ok(any)
    }

    /// The batch is committed. Returns the first instant at which the sweeper
    /// has to look at any of it.
    pub(super) fn committed(&mut self) -> Micros {
        self.batches += 1;
        let mut first = Micros::MAX;
        for name in std::mem::take(&mut self.touched) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            entry.touched = false;
            first =
                entry.resource.claim_changes().filter_map(|change| change.check_at).fold(first, Micros::min);
            if entry.resource.row_change() != RowChange::Keep {
                entry.stored_check_at = Some(entry.resource.check_at());
                first = first.min(entry.resource.check_at());
            }
            let remembered = entry.resource.committed();
            // One that was never written costs a read when it is asked for again.
            if !remembered || (entry.stored_check_at.is_none() && entry.resource.is_idle()) {
                self.entries.remove(&name);
            } else if entry.resource.is_idle() {
                entry.idle_since = self.batches;
                self.idle.push_back((name, self.batches));
            }
        }
        self.evict();
        first
    }

    /// The batch is not committed: what it touched is not what is stored.
    pub(super) fn failed(&mut self) {
        for name in std::mem::take(&mut self.touched) {
            self.entries.remove(&name);
        }
    }

    fn evict(&mut self) {
        while self.idle.len() > MAX_IDLE {
            let Some((name, since)) = self.idle.pop_front() else { return };
            if let Some(entry) = self.entries.get(&name)
                && entry.idle_since == since
                && entry.resource.is_idle()
            {
                self.entries.remove(&name);
            }
        }
    }
}
