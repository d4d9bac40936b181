//! All owners at one instant.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{Actor, Blocking, Claim, Micros, Request, WaitGraph, Waiting};
use dlm_protocol::limits::{MAX_BLOCKERS, MAX_PAGE, MAX_PAGE_BYTES};
use dlm_protocol::{OwnedLease, OwnedWait, OwnerDetails, OwnerSummary, Timestamp};
use serde::Serialize;

use crate::log::wire::damaged;
use crate::service::operation::OwnerFilter;
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

/// Where an actor holds and waits: each is a resource and a place among its holders or waiters.
#[derive(Debug, Default)]
struct Places {
    holds: Vec<(usize, usize)>,
    waits: Vec<(usize, usize)>,
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
        table.summaries.sort_by_cached_key(super::Place::of);
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

    fn holder(&self, (resource, index): (usize, usize)) -> &Claim {
        &self.views[resource].holders[index]
    }

    fn waiter(&self, (resource, index): (usize, usize)) -> &Claim {
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

    fn blocked_by(&self, holds: &[(usize, usize)]) -> u64 {
        match holds {
            [] => 0,
            [(resource, _)] => self.blocked[*resource],
            holds => self.blocking.blocked_by(holds.iter().map(|(resource, _)| *resource)),
        }
    }

    /// What an owner holds and waits for, of one principal or of all.
    pub(super) fn details(&self, owner: &OwnerFilter) -> Result<OwnerDetails, StoreError> {
        let matching = self.of.iter().filter(|(actor, _)| owner.is(actor)).map(|(_, places)| places);
        let (mut holds, mut waits) = (Vec::new(), Vec::new());
        for places in matching {
            holds.extend(&places.holds);
            waits.extend(&places.waits);
        }
        let blocked = self.blocked_by(&holds);
        let name = |resource: usize| &self.views[resource].name;
        holds.sort_by(|a, b| {
            let order = self.blocked[b.0].cmp(&self.blocked[a.0]).then_with(|| name(a.0).cmp(name(b.0)));
            order.then(a.1.cmp(&b.1))
        });
        let enqueued_at = |place| self.waiter(place).queue_entry().map(|entry| entry.enqueued_at);
        waits.sort_by(|a, b| {
            let order = enqueued_at(*a).cmp(&enqueued_at(*b)).then_with(|| name(a.0).cmp(name(b.0)));
            order.then(a.1.cmp(&b.1))
        });
        let (hold_count, wait_count) = (holds.len() as u64, waits.len() as u64);
        // Half of an answer is for each.
        let holds = self.within(MAX_PAGE_BYTES / 2, holds, Self::hold)?;
        let waits = self.within(MAX_PAGE_BYTES / 2, waits, Self::wait)?;
        Ok(OwnerDetails {
            at: self.at(),
            complete: self.complete && (holds.len() as u64, waits.len() as u64) == (hold_count, wait_count),
            owner: owner.owner.clone(),
            hold_count,
            wait_count,
            blocked,
            holds,
            waits,
        })
    }

    /// The first of these places, as far as they fit on a page and take so many bytes.
    fn within<T: Serialize>(
        &self,
        bytes: usize,
        places: Vec<(usize, usize)>,
        show: impl Fn(&Self, (usize, usize)) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (mut shown, mut left) = (Vec::new(), bytes);
        for place in places.into_iter().take(MAX_PAGE) {
            let row = show(self, place)?;
            // Texts and numbers can always be serialized.
            let size = serde_json::to_vec(&row).map_or(0, |json| json.len() + 1);
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => break,
            }
            shown.push(row);
        }
        Ok(shown)
    }

    fn hold(&self, place: (usize, usize)) -> Result<OwnedLease, StoreError> {
        let claim = self.holder(place);
        Ok(OwnedLease {
            resource: self.waits.name(place.0),
            lease: blocker(claim, self.waits.of(claim))?,
            blocked: self.blocked[place.0],
        })
    }

    fn wait(&self, place: (usize, usize)) -> Result<OwnedWait, StoreError> {
        let (claim, view) = (self.waiter(place), &self.views[place.0]);
        let entry = claim.queue_entry().ok_or_else(|| damaged("waiter"))?;
        let holders = view.holders.iter().take(MAX_BLOCKERS);
        Ok(OwnedWait {
            resource: self.waits.name(place.0),
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
