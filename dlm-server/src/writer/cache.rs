//! The resources between batches.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use dlm_engine::{Micros, Resource, RowChange};

use crate::store::{
    CachedVersion, LoadedResource, LockResult, LockTarget, LockWait, Name, ResourceWrite, Store, StoreError,
};

/// Most resources kept that could as well be read again.
const MAX_KEPT: usize = 50_000;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) resource: Resource,
    stored_check_at: Option<Micros>,
    revision: u64,
    touched: bool,
    /// It was used since its turn to go came last.
    used: bool,
    /// It has a turn to go.
    has_turn: bool,
}

/// What the store holds of the resources in use, and what the open batch
/// changed of it.
///
/// What nobody holds and nobody waits for goes when there is much of it. Where
/// others write too, everything does: the end of a lease may never be seen here.
#[derive(Debug)]
pub(super) struct Cache {
    /// Whether the store belongs to this process alone.
    alone: bool,
    entries: HashMap<Name, Entry>,
    touched: Vec<Name>,
    /// Whose turn it is to go, unless it was used since.
    turns: VecDeque<Name>,
}

impl Cache {
    pub(super) fn new(alone: bool) -> Self {
        Self { alone, entries: HashMap::new(), touched: Vec::new(), turns: VecDeque::new() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.alone);
    }

    /// Has these resources locked for the open batch, and loaded.
    pub(super) fn lock<'a>(
        &mut self,
        names: impl Iterator<Item = &'a Name>,
        store: &mut dyn Store,
        lock_wait: LockWait,
    ) -> Result<(), StoreError> {
        let mut asked = HashSet::new();
        let names: Vec<&Name> = names.filter(|name| asked.insert(Arc::clone(name))).collect();
        let cached = |name: &Name| {
            let entry = self.entries.get(name)?;
            Some(CachedVersion { revision: entry.revision, version: entry.resource.to_record().version })
        };
        let targets: Vec<_> = names.iter().map(|name| LockTarget { name, cached: cached(name) }).collect();
        let locked = store.lock(&targets, lock_wait)?;
        for (name, locked) in names.into_iter().zip(locked) {
            match locked {
                LockResult::LockedElsewhere => continue,
                LockResult::Unchanged => {}
                LockResult::Loaded(loaded) => {
                    let LoadedResource { resource, stored_check_at, revision } = *loaded;
                    let has_turn = self.entries.get(name).is_some_and(|entry| entry.has_turn);
                    let entry =
                        Entry { resource, stored_check_at, revision, touched: false, used: true, has_turn };
                    self.entries.insert(Name::clone(name), entry);
                }
            }
            if let Some(entry) = self.entries.get_mut(name) {
                entry.touched = true;
                entry.used = true;
                self.touched.push(Name::clone(name));
            }
        }
        Ok(())
    }

    /// Whether the open batch may change it.
    pub(super) fn is_locked(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.touched)
    }

    pub(super) fn resource(&mut self, name: &Name) -> Option<&mut Resource> {
        self.entries.get_mut(name).map(|entry| &mut entry.resource)
    }

    /// What the open batch changed, each resource once.
    pub(super) fn writes(&self) -> Vec<ResourceWrite<'_>> {
        let changed = |name| {
            let (name, entry) = self.entries.get_key_value::<Name>(name)?;
            let row = entry.resource.row_change();
            let claims: Vec<_> = entry.resource.claim_changes().collect();
            let stored_check_at = entry.stored_check_at;
            (row != RowChange::Keep || !claims.is_empty()).then_some(ResourceWrite {
                name,
                row,
                stored_check_at,
                claims,
            })
        };
        self.touched.iter().filter_map(changed).collect()
    }

    /// The batch is committed. Returns the first instant at which the sweeper
    /// has to look at any of it.
    pub(super) fn committed(&mut self) -> Micros {
        let mut first = Micros::MAX;
        for name in std::mem::take(&mut self.touched) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            entry.touched = false;
            let claims = entry.resource.claim_changes();
            first = claims.filter_map(|change| change.check_at).fold(first, Micros::min);
            let row_changed = entry.resource.row_change() != RowChange::Keep;
            if row_changed || entry.resource.claim_changes().next().is_some() {
                entry.revision += 1;
            }
            if row_changed {
                entry.stored_check_at = Some(entry.resource.check_at());
                first = first.min(entry.resource.check_at());
            }
            let remembered = entry.resource.committed();
            // One that was never written costs a read when it is asked for again.
            if !remembered || (entry.stored_check_at.is_none() && entry.resource.is_idle()) {
                self.entries.remove(&name);
            } else if !entry.has_turn && (!self.alone || entry.resource.is_idle()) {
                entry.has_turn = true;
                self.turns.push_back(name);
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
        while self.turns.len() > MAX_KEPT {
            let Some(name) = self.turns.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            if self.alone && !entry.resource.is_idle() {
                entry.has_turn = false;
            } else if std::mem::take(&mut entry.used) {
                self.turns.push_back(name);
            } else {
                self.entries.remove(&name);
            }
        }
    }
}
