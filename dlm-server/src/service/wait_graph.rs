//! The wait-for graph, computed once for all callers that may observe the same resources.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{Actor, Claim, ContendedResource, Context, WaitFor, WaitGraph};
use dlm_protocol::limits::MAX_BLOCKERS;
use dlm_protocol::{BlockedLock, Blocker, DeadlockedHolder, FencingToken, PossibleDeadlock, ResourceName};

use super::access::{View, names_in_sight};
use super::scopes::{Computed, Scopes};
use super::{Error, Outcome, Service, wire};
use crate::auth::Visibility;
use crate::log::wire::{damaged, resource_name};
use crate::store::{QueueLimits, Reader, ResourceView, StoreError};

/// What a computation looks at. With more it would take longer than a second.
const LIMITS: QueueLimits = QueueLimits { resources: 1_000, waiters: 20_000 };

/// The last answers.
pub(super) type WaitGraphs = Scopes<dlm_protocol::WaitGraph, ()>;

impl Service {
    pub(super) async fn wait_graph(&self, view: View, limit: usize) -> Result<Outcome, Error> {
        let (membership, limits) = (Arc::clone(&self.0.membership), Arc::clone(&self.0.limits));
        let compute = move |reader: &dyn Reader, visibility: &Visibility, _| {
            let now = reader.now()?;
            let contended = reader.contended(&names_in_sight(visibility), LIMITS)?;
            let replicas = membership.current();
            let context = Context { now, replicas: &replicas, limits: &limits };
            Ok((Snapshot { context, views: contended.views }.graph(contended.complete)?, ()))
        };
        let take = move |Computed { result, .. }: &Computed<dlm_protocol::WaitGraph>| {
            let dlm_protocol::WaitGraph { at, complete, locks, possible_deadlocks } = result;
            dlm_protocol::WaitGraph {
                at: *at,
                complete: *complete,
                locks: locks.iter().take(limit).cloned().collect(),
                possible_deadlocks: possible_deadlocks.clone(),
            }
        };
        self.computed(&self.0.wait_graphs, view, compute, take).await.map(Outcome::WaitGraph)
    }
}

/// The resources with waiters at one instant.
struct Snapshot<'a> {
    context: Context<'a>,
    views: Vec<ResourceView>,
}

impl Snapshot<'_> {
    fn graph(mut self, complete: bool) -> Result<dlm_protocol::WaitGraph, StoreError> {
        let now = self.context.now;
        for view in &mut self.views {
            // What is overdue is not shown as live, though it may not have been ended yet.
            view.holders.retain(|claim| claim.lease().is_some_and(|lease| lease.is_live(now)));
        }
        let resources: Vec<_> = self.views.iter().map(|view| self.contended(view)).collect();
        let graph = WaitGraph::of(&resources);
        let names: Vec<ResourceName> =
            self.views.iter().map(|view| resource_name(&view.name)).collect::<Result<_, _>>()?;
        let waits: HashMap<_, _> =
            graph.waits.iter().map(|wait| ((wait.resource, wait.holder), wait.waits_for)).collect();
        let waits_for = |resource, holder| Some(names[*waits.get(&(resource, holder))?].clone());
        let mut locks = Vec::new();
        for (index, view) in self.views.iter().enumerate() {
            // `None` if the queue emptied while it was read.
            let Some(oldest_enqueued_at) = wire::oldest_wait(view) else { continue };
            let holders = view.holders.iter().enumerate().take(MAX_BLOCKERS);
            locks.push(BlockedLock {
                resource: names[index].clone(),
                queue_len: view.row.queue_len,
                blocked: graph.blocked[index],
                oldest_enqueued_at,
                holder_count: view.row.holder_count,
                holders: holders
                    .map(|(number, claim)| blocker(claim, waits_for(index, number)))
                    .collect::<Result<_, _>>()?,
            });
        }
        locks.sort_by(|a, b| {
            let order = b.blocked.cmp(&a.blocked).then(a.oldest_enqueued_at.cmp(&b.oldest_enqueued_at));
            order.then_with(|| a.resource.as_str().cmp(b.resource.as_str()))
        });
        let in_cycle = |wait: &WaitFor| {
            let claim = &self.views[wait.resource].holders[wait.holder];
            let Blocker { owner, principal, fencing_token, .. } = blocker(claim, None)?;
            Ok(DeadlockedHolder { resource: names[wait.resource].clone(), owner, principal, fencing_token })
        };
        let deadlock = |cycle: &Vec<WaitFor>| {
            Ok(PossibleDeadlock { holders: cycle.iter().map(in_cycle).collect::<Result<_, StoreError>>()? })
        };
        Ok(dlm_protocol::WaitGraph {
            at: wire::time(now),
            complete,
            locks,
            possible_deadlocks: graph.cycles.iter().map(deadlock).collect::<Result<_, StoreError>>()?,
        })
    }

    fn contended(&self, view: &ResourceView) -> ContendedResource {
        let is_present = |claim: &&Claim| {
            claim.queue_entry().is_some_and(|entry| {
                entry.away_since(&self.context).is_none() && entry.due_at(&self.context) > self.context.now
            })
        };
        let waiters = view.waiters.iter().filter(is_present);
        ContendedResource {
            queue_len: view.row.queue_len,
            holders: view.holders.iter().map(actor).collect(),
            waiters: waiters.map(actor).collect(),
        }
    }
}

/// Who made an acquire.
fn actor(claim: &Claim) -> Actor {
    let owner = claim.request.as_ref().map_or_else(|| "".into(), |request| Arc::clone(&request.owner));
    Actor { principal: Arc::clone(&claim.key.principal), owner }
}

fn blocker(claim: &Claim, waits_for: Option<ResourceName>) -> Result<Blocker, StoreError> {
    let lease = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Blocker {
        mode: wire::mode(claim.mode()),
        owner: wire::owner(claim)?,
        principal: wire::principal(claim),
        fencing_token: FencingToken::new(lease.token),
        acquired_at: wire::time(lease.granted_at),
        expires_at: wire::time(lease.expires_at),
        waits_for,
    })
}
