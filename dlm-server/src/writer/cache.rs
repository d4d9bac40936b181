//! The resources kept in memory between batches.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use dlm_engine::{Micros, Phase, Resource, RowChange};

use crate::store::{
    Basis, CachedVersion, ClaimCount, LoadedResource, LockResult, LockTarget, LockWait, Name, ResourceWrite,
    Store, StoreError, StoredFloor,
};
use crate::usage::ClaimChange;

/// Most resources kept that may be evicted.
const MAX_EVICTABLE: usize = 50_000;

#[derive(Debug)]
struct Entry {
    resource: Resource,
    stored_check_at: Option<Micros>,
    last_events: i64,
    /// Whether the open batch has events of it.
    has_events: bool,
    revision: u64,
    /// Locked by the open batch.
    locked: bool,
    /// Used since it was last considered for eviction.
    used: bool,
    in_eviction_queue: bool,
}

impl Entry {
    /// A resource without a row.
    fn absent(basis: Basis) -> Self {
        let StoredFloor { floor, last_events } = match basis {
            Basis::Absent(floor) => floor,
            Basis::Stored(_) => StoredFloor::default(),
        };
        Self {
            resource: Resource::absent(floor),
            stored_check_at: None,
            last_events,
            has_events: false,
            revision: 0,
            locked: false,
            used: false,
            in_eviction_queue: false,
        }
    }

    fn cached_version(&self) -> CachedVersion {
        CachedVersion { revision: self.revision, version: self.resource.to_record().version }
    }
}

/// What remains to be done after a batch.
#[derive(Debug)]
pub(super) struct FollowUp {
    /// When the sweeper first has to check any of its resources.
    pub(super) first_check: Micros,
    /// The resources that the engine has to go on with in the next batch.
    pub(super) unfinished: Vec<Name>,
}

impl Default for FollowUp {
    fn default() -> Self {
        Self { first_check: Micros::MAX, unfinished: Vec::new() }
    }
}

/// The stored state of the resources in use, and what the open batch changed.
///
/// Idle resources are evicted when there are many, in second-chance order. On a
/// store that other replicas write to, all resources may be evicted, since the
/// end of a lease may never be seen here.
#[derive(Debug)]
pub(super) struct Cache {
    /// Whether the store belongs to this process.
    single_node: bool,
    entries: HashMap<Name, Entry>,
    /// The resources that the open batch has locked, or assumes to be as they are here.
    locked: Vec<Name>,
    /// Whether the open batch only assumes that.
    is_optimistic: bool,
    eviction_queue: VecDeque<Name>,
    /// The names in it whose resources were discarded meanwhile.
    discarded: HashSet<Name>,
}

impl Cache {
    pub(super) fn new(single_node: bool) -> Self {
        Self {
            single_node,
            entries: HashMap::new(),
            locked: Vec::new(),
            is_optimistic: false,
            eviction_queue: VecDeque::new(),
            discarded: HashSet::new(),
        }
    }

    /// Evicts everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.single_node);
    }

    /// Locks these resources for the open batch, and loads those that changed.
    pub(super) fn lock<'a>(
        &mut self,
        names: impl Iterator<Item = &'a Name>,
        store: &mut dyn Store,
        lock_wait: LockWait,
    ) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        let names: Vec<&Name> = names.filter(|name| seen.insert(Arc::clone(name))).collect();
        let cached = |name: &Name| {
            let entry = self.entries.get(name)?;
            Some(entry.cached_version())
        };
        let targets: Vec<_> = names.iter().map(|name| LockTarget { name, cached: cached(name) }).collect();
        let results = store.lock(&targets, lock_wait)?;
        for (name, result) in names.into_iter().zip(results) {
            match result {
                LockResult::LockedElsewhere => continue,
                LockResult::Unchanged => {}
                LockResult::Loaded(loaded) => {
                    let LoadedResource { resource, stored_check_at, last_events, revision } = *loaded;
                    let in_eviction_queue = self.discarded.remove(name)
                        || self.entries.get(name).is_some_and(|entry| entry.in_eviction_queue);
                    let entry = Entry {
                        resource,
                        stored_check_at,
                        last_events,
                        has_events: false,
                        revision,
                        locked: false,
                        used: true,
                        in_eviction_queue,
                    };
                    self.entries.insert(Name::clone(name), entry);
                }
            }
            if let Some(entry) = self.entries.get_mut(name) {
                entry.locked = true;
                entry.used = true;
                self.locked.push(Name::clone(name));
            }
        }
        Ok(())
    }

    /// Opens an optimistic batch on these resources. Returns what it is based on, and an instant before
    /// which no lease on them expires; `None` if that is not known, and nothing is open then. A
    /// resource that is not in memory may be assumed to be new, with a floor.
    pub(super) fn assume<'a>(
        &mut self,
        resources: impl Iterator<Item = (&'a Name, Option<StoredFloor>)>,
    ) -> Option<(Vec<(Name, Basis)>, Micros)> {
        let mut seen = HashSet::new();
        let mut bases = Vec::new();
        let mut valid_until = Micros::MAX;
        for (name, floor) in resources.filter(|(name, _)| seen.insert(Name::clone(name))) {
            let basis = match self.entries.get(name) {
                Some(entry) => {
                    valid_until = valid_until.min(entry.resource.check_at());
                    Basis::Stored(entry.cached_version())
                }
                None => Basis::Absent(floor?),
            };
            bases.push((Name::clone(name), basis));
        }
        for (name, basis) in &bases {
            let discarded = &mut self.discarded;
            let absent = || Entry { in_eviction_queue: discarded.remove(name), ..Entry::absent(*basis) };
            let entry = self.entries.entry(Name::clone(name)).or_insert_with(absent);
            entry.locked = true;
            entry.used = true;
            self.locked.push(Name::clone(name));
        }
        self.is_optimistic = true;
        Some((bases, valid_until))
    }

    /// Whether the open batch is optimistic.
    pub(super) fn is_optimistic(&self) -> bool {
        self.is_optimistic
    }

    /// Discards resources of the open batch: what it assumes of them is wrong.
    pub(super) fn leave_out(&mut self, names: &HashSet<Name>) {
        self.locked.retain(|name| !names.contains(name));
        for name in names {
            self.discard(name);
        }
    }

    /// Forgets these resources. No batch may be open.
    pub(super) fn forget(&mut self, is_meant: impl Fn(&Name) -> bool) {
        let names: Vec<_> = self.entries.keys().filter(|name| is_meant(name)).cloned().collect();
        names.iter().for_each(|name| self.discard(name));
    }

    /// Forgets a resource, but not that it is in the eviction queue.
    fn discard(&mut self, name: &Name) {
        if self.entries.remove(name).is_some_and(|entry| entry.in_eviction_queue) {
            self.discarded.insert(Name::clone(name));
        }
    }

    /// The resources of the open batch that still have no row and get none.
    pub(super) fn not_created(&self) -> HashSet<Name> {
        let is_created = |entry: &Entry| matches!(entry.resource.row_change(), RowChange::Write { .. });
        let not_created = |name: &&Name| {
            self.entries.get(*name).is_some_and(|entry| entry.stored_check_at.is_none() && !is_created(entry))
        };
        self.locked.iter().filter(not_created).cloned().collect()
    }

    /// Whether the open batch has locked this resource.
    pub(super) fn is_locked(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.locked)
    }

    /// Whether the resource has holders or waiters.
    pub(super) fn is_in_use(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| !entry.resource.is_idle())
    }

    pub(super) fn resource(&mut self, name: &Name) -> Option<&mut Resource> {
        self.entries.get_mut(name).map(|entry| &mut entry.resource)
    }

    /// What the open batch changed, one write per resource.
    pub(super) fn writes(&self) -> Vec<ResourceWrite<'_>> {
        let changed = |name| {
            let (name, entry) = self.entries.get_key_value::<Name>(name)?;
            let row = entry.resource.row_change();
            let claims: Vec<_> = entry.resource.claim_changes().collect();
            (row != RowChange::Keep || !claims.is_empty()).then_some(ResourceWrite {
                name,
                row,
                stored_check_at: entry.stored_check_at,
                last_events: entry.last_events,
                has_events: entry.has_events,
                claims,
            })
        };
        self.locked.iter().filter_map(changed).collect()
    }

    /// How many leases and waiters of each principal the open batch adds and removes, by
    /// resource; nothing unless it is `wanted`.
    pub(super) fn usage_changes(&self, wanted: bool) -> Vec<(Name, ClaimChange)> {
        let mut changes = Vec::new();
        if !wanted {
            return changes;
        }
        for name in &self.locked {
            let Some(entry) = self.entries.get(name) else { continue };
            for change in entry.resource.claim_changes() {
                let (is_live, is_waiting) = match &change.claim.phase {
                    Phase::Live(_) => (1, 0),
                    Phase::Waiting(_) => (0, 1),
                    Phase::Ended(_) => (0, 0),
                };
                let count = ClaimCount {
                    leases: is_live - i64::from(change.was_live),
                    waiters: is_waiting - i64::from(change.was_waiting),
                };
                if count != ClaimCount::default() {
                    let principal = Arc::clone(&change.claim.key.principal);
                    changes.push((Name::clone(name), ClaimChange { principal, count }));
                }
            }
        }
        changes
    }

    /// Records that the open batch has events of this resource.
    pub(super) fn add_events(&mut self, name: &Name) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.has_events = true;
        }
    }

    /// Keeps the changes of the open batch, which has committed with this number.
    pub(super) fn committed(&mut self, batch: Option<i64>) -> FollowUp {
        let mut first = Micros::MAX;
        let mut unfinished = Vec::new();
        self.is_optimistic = false;
        for name in std::mem::take(&mut self.locked) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            entry.locked = false;
            if std::mem::take(&mut entry.has_events) {
                entry.last_events = batch.unwrap_or(entry.last_events);
            }
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
            if entry.resource.is_unfinished() {
                unfinished.push(Name::clone(&name));
            }
            let exists = entry.resource.committed();
            // A name that was only looked up is not worth keeping.
            if !exists || (entry.stored_check_at.is_none() && entry.resource.is_idle()) {
                self.discard(&name);
            } else if !entry.in_eviction_queue && (!self.single_node || entry.resource.is_idle()) {
                entry.in_eviction_queue = true;
                self.eviction_queue.push_back(name);
            }
        }
        self.evict();
        FollowUp { first_check: first, unfinished }
    }

    /// Discards the resources of the open batch, which has failed.
    pub(super) fn failed(&mut self) {
        self.is_optimistic = false;
        for name in std::mem::take(&mut self.locked) {
            self.discard(&name);
        }
    }

    fn evict(&mut self) {
        while self.eviction_queue.len() > MAX_EVICTABLE {
            let Some(name) = self.eviction_queue.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&name) else {
                self.discarded.remove(&name);
                continue;
            };
            if self.single_node && !entry.resource.is_idle() {
                entry.in_eviction_queue = false;
            } else if std::mem::take(&mut entry.used) {
                self.eviction_queue.push_back(name);
            } else {
                self.entries.remove(&name);
            }
        }
    }
}
