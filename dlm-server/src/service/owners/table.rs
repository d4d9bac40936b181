//! All owners at one instant.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{Actor, Blocking, Claim, Micros, Request, WaitGraph, Waiting};
use dlm_protocol::limits::MAX_BLOCKERS;
use dlm_protocol::{OwnedLease, OwnedWait, OwnerSummary, Timestamp};

use crate::log::wire::damaged;
use crate::service::wait_graph::{Snapshot, Waits, actor, blocker};
use crate::service::wire;
use crate::store::{ResourceView, StoreError};

/// What is in use, by owner.
pub(in crate::service) struct OwnerTable {
    now: Micros,
    complete: bool,
    views: Vec<ResourceView>,
    /// How many waiters each of the resources blocks.
    blocked: Vec<u64>,
    blocking: Blocking,
    waits: Waits,
    of: HashMap<Actor, Places>,
    /// In the order of pages.
    summaries: Vec<OwnerSummary>,
}

/// A resource, and a place among its holders or waiters.
pub(super) type Place = (usize, usize);

/// Where an actor holds and waits.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) holds: Vec<Place>,
    pub(super) waits: Vec<Place>,
}

impl OwnerTable {
    pub(super) fn new(snapshot: Snapshot<'_>, now: Micros, complete: bool) -> Result<Self, StoreError> {
        let resources = snapshot.resources();
        let graph = WaitGraph::of(&resources);
        let waits = Waits::new(Waiting::of(&resources), snapshot.names()?);
        let mut of: HashMap<Actor, Places> = HashMap::new();
        for (resource, view) in snapshot.views.iter().enumerate() {
            for (index, claim) in view.holders.iter().enumerate() {
                of.entry(actor(claim)).or_default().holds.push((resource, index));
            }
            for (index, claim) in view.waiters.iter().enumerate() {
                if snapshot.is_waiting(claim) {
                    of.entry(actor(claim)).or_default().waits.push((resource, index));
                }
            }
        }
        let blocking = Blocking::of(&resources, &graph.waits);
        let mut views = snapshot.views;
        views
            .iter_mut()
            .flat_map(|view| view.holders.iter_mut().chain(&mut view.waiters))
            .for_each(forget_metadata);
        let mut table =
            Self { now, complete, views, blocked: graph.blocked, blocking, waits, of, summaries: Vec::new() };
        let summaries = table.of.values().map(|places| table.summary(places));
        table.summaries = summaries.collect::<Result<_, _>>()?;
        table.summaries.sort_by_cached_key(super::cursor::Place::of);
        Ok(table)
    }

    pub(super) fn at(&self) -> Timestamp {
        wire::time(self.now)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &OwnerSummary> {
        self.summaries.iter()
    }

    fn holder(&self, (resource, index): Place) -> &Claim {
        &self.views[resource].holders[index]
    }

    fn waiter(&self, (resource, index): Place) -> &Claim {
        &self.views[resource].waiters[index]
    }

    fn summary(&self, places: &Places) -> Result<OwnerSummary, StoreError> {
        let holds = places.holds.iter().map(|place| self.holder(*place));
        let waits = places.waits.iter().map(|place| self.waiter(*place));
        let claim = holds.clone().chain(waits.clone()).next().ok_or_else(|| damaged("claim"))?;
        let granted_at = holds.filter_map(|claim| Some(claim.lease()?.granted_at)).min();
        let enqueued_at = waits.filter_map(|claim| Some(claim.queue_entry()?.enqueued_at)).min();
        Ok(OwnerSummary {
            owner: wire::owner(claim)?,
            principal: wire::principal(claim),
            holds: places.holds.len() as u64,
            waits: places.waits.len() as u64,
            blocked: self.blocked_by(&places.holds),
            oldest_held_at: granted_at.map(wire::time),
            oldest_enqueued_at: enqueued_at.map(wire::time),
        })
    }

    /// How many waiters wait for a lock among these, directly or through others.
    pub(super) fn blocked_by(&self, holds: &[Place]) -> u64 {
        match holds {
            [] => 0,
            [(resource, _)] => self.blocked[*resource],
            holds => self.blocking.blocked_by(holds.iter().map(|(resource, _)| *resource)),
        }
    }

    /// Where the actors hold and wait for which this is true: those holds that block the most first, and
    /// the oldest waits first.
    pub(super) fn places_of(&self, is_wanted: impl Fn(&Actor) -> bool) -> Places {
        let mut found = Places::default();
        for (_, places) in self.of.iter().filter(|(actor, _)| is_wanted(actor)) {
            found.holds.extend(&places.holds);
            found.waits.extend(&places.waits);
        }
        let name = |resource: usize| &self.views[resource].name;
        found.holds.sort_by(|a, b| {
            let order = self.blocked[b.0].cmp(&self.blocked[a.0]).then_with(|| name(a.0).cmp(name(b.0)));
            order.then(a.1.cmp(&b.1))
        });
        let enqueued_at = |place| self.waiter(place).queue_entry().map(|entry| entry.enqueued_at);
        found.waits.sort_by(|a, b| {
            let order = enqueued_at(*a).cmp(&enqueued_at(*b)).then_with(|| name(a.0).cmp(name(b.0)));
            order.then(a.1.cmp(&b.1))
        });
        found
    }

    pub(super) fn hold(&self, place: Place) -> Result<OwnedLease, StoreError> {
        let claim = self.holder(place);
        Ok(OwnedLease {
            resource: self.waits.name(place.0),
            lease: blocker(claim, self.waits.of(claim))?,
            blocked: self.blocked[place.0],
        })
    }

    pub(super) fn wait(&self, place: Place) -> Result<OwnedWait, StoreError> {
        let (claim, view) = (self.waiter(place), &self.views[place.0]);
        let entry = claim.queue_entry().ok_or_else(|| damaged("waiter"))?;
        let holders = view.holders.iter().take(MAX_BLOCKERS);
        Ok(OwnedWait {
            resource: self.waits.name(place.0),
            owner: wire::owner(claim)?,
            principal: wire::principal(claim),
            mode: wire::mode(claim.mode()),
            position: place.1 as u64 + 1,
            enqueued_at: wire::time(entry.enqueued_at),
            holder_count: view.row.holder_count,
            holders: holders.map(|claim| blocker(claim, self.waits.of(claim))).collect::<Result<_, _>>()?,
        })
    }
}

/// Drops what a table does not show: it is kept in memory, and metadata can be large.
fn forget_metadata(claim: &mut Claim) {
    if let Some(request) = claim.request.as_mut().filter(|request| !request.metadata.is_empty()) {
        let owner = Arc::clone(&request.owner);
        *request = Arc::new(Request { owner, metadata: "".into(), ..**request });
    }
}
