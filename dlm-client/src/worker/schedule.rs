//! The watched guards and their next wake-up.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dlm_protocol::{FencingToken, ResourceName};

use super::command::ManualRenewal;
use crate::clock::BootInstant;
use crate::held_lease::HeldLease;
use crate::retry::Backoff;

/// A guard whose deadline is watched and whose lease may be renewed.
pub(super) struct WatchedGuard {
    pub(super) lease: Arc<HeldLease>,
    /// When to renew next; `None` if the caller renews by hand.
    pub(super) renew_at: Option<BootInstant>,
    /// Whether a renewal is in flight.
    pub(super) in_flight: bool,
    /// The backoff of failed renewals; `None` after a success.
    pub(super) backoff: Option<Backoff>,
    /// Callers that wait for the next renewal.
    pub(super) callers: Vec<ManualRenewal>,
}

impl WatchedGuard {
    pub(super) fn new(lease: Arc<HeldLease>, renew_at: Option<BootInstant>) -> Self {
        Self { lease, renew_at, in_flight: false, backoff: None, callers: Vec::new() }
    }

    /// When to look at the guard next: to renew it, or because its deadline
    /// passed.
    fn wake_at(&self) -> BootInstant {
        let deadline = self.lease.term().deadline();
        match self.renew_at {
            Some(renew_at) if !self.in_flight => renew_at.min(deadline),
            _ => deadline,
        }
    }
}

/// All watched guards, ordered by their next wake-up.
#[derive(Default)]
pub(super) struct Schedule {
    /// Each guard with its entry in `wakeups`, by the id of its [`HeldLease`].
    guards: HashMap<u64, (WatchedGuard, BootInstant)>,
    /// The ids of the guards of each lease: usually one.
    by_lease: HashMap<(ResourceName, FencingToken), Vec<u64>>,
    wakeups: BTreeSet<(BootInstant, u64)>,
}

impl Schedule {
    /// The time of the next wake-up.
    pub(super) fn next_wakeup(&self) -> Option<BootInstant> {
        self.wakeups.first().map(|&(wake_at, _)| wake_at)
    }

    /// The lease of a guard whose wake-up is due.
    pub(super) fn next_due(&self, now: BootInstant) -> Option<Arc<HeldLease>> {
        let (_, id) = self.wakeups.first().filter(|(wake_at, _)| *wake_at <= now)?;
        self.guards.get(id).map(|(guard, _)| Arc::clone(&guard.lease))
    }

    pub(super) fn insert(&mut self, guard: WatchedGuard) {
        let (id, wake_at) = (guard.lease.id, guard.wake_at());
        self.wakeups.insert((wake_at, id));
        self.by_lease.entry(lease_key(&guard.lease)).or_default().push(id);
        self.guards.insert(id, (guard, wake_at));
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<WatchedGuard> {
        let (guard, wake_at) = self.guards.remove(&id)?;
        self.wakeups.remove(&(wake_at, id));
        if let Entry::Occupied(mut ids) = self.by_lease.entry(lease_key(&guard.lease)) {
            ids.get_mut().retain(|other| *other != id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
        Some(guard)
    }

    /// Changes a guard and reschedules it. Returns `None` if it is not watched.
    pub(super) fn update<T>(&mut self, id: u64, change: impl FnOnce(&mut WatchedGuard) -> T) -> Option<T> {
        let (guard, wake_at) = self.guards.get_mut(&id)?;
        let result = change(guard);
        let next = guard.wake_at();
        if next != *wake_at {
            self.wakeups.remove(&(*wake_at, id));
            self.wakeups.insert((next, id));
            *wake_at = next;
        }
        Some(result)
    }

    /// The ids of the guards whose leases match `condition`.
    pub(super) fn ids(&self, condition: impl Fn(&HeldLease) -> bool) -> Vec<u64> {
        let guards = self.guards.values().filter(|(guard, _)| condition(&guard.lease));
        guards.map(|(guard, _)| guard.lease.id).collect()
    }

    /// The lease of this guard.
    pub(super) fn lease(&self, id: u64) -> Option<&HeldLease> {
        Some(&self.guards.get(&id)?.0.lease)
    }

    /// The ids of the guards of a lease. Takes the same time however many guards there
    /// are, because all leases may end at once.
    pub(super) fn ids_of(&self, resource: &ResourceName, token: FencingToken) -> Vec<u64> {
        self.by_lease.get(&(resource.clone(), token)).cloned().unwrap_or_default()
    }
}

fn lease_key(lease: &HeldLease) -> (ResourceName, FencingToken) {
    (lease.resource.clone(), lease.fencing_token)
}
