//! The wait-for graph, computed once for all callers that may observe the same resources.

use std::collections::HashMap;
use std::sync::Arc;

use dlm_engine::{Actor, Claim, ContendedResource, Context, Limits, Replicas, WaitFor, WaitGraph, Waiting};
use dlm_protocol::limits::MAX_BLOCKERS;
use dlm_protocol::{BlockedLock, Blocker, DeadlockedHolder, FencingToken, PossibleDeadlock, ResourceName};

use super::access::{View, names_in_sight};
use super::scopes::{Computed, Scopes};
use super::{Error, Outcome, Service, wire};
use crate::auth::Visibility;
use crate::log::wire::{damaged, resource_name};
use crate::store::{Names, QueueLimits, Reader, ResourceView, StoreError};

/// What a computation looks at. With more it would take longer than a second.
pub(super) const LIMITS: QueueLimits = QueueLimits { resources: 1_000, waiters: 20_000 };

/// The last graphs.
pub(super) type WaitGraphs = Scopes<ComputedGraph, ()>;

/// A graph.
pub(super) struct ComputedGraph {
    answer: dlm_protocol::WaitGraph,
    waits: Waits,
}

/// Which lock each actor waits for.
#[derive(Default)]
pub(super) struct Waits {
    waiting: Waiting,
    /// The names of the resources.
    names: Vec<ResourceName>,
}

impl Waits {
    pub(super) fn new(waiting: Waiting, names: Vec<ResourceName>) -> Self {
        Self { waiting, names }
    }

    /// The name of the lock with this index.
    pub(super) fn name(&self, index: usize) -> ResourceName {
        self.names[index].clone()
    }

    /// The lock that the holder of this lease waits for itself.
    pub(super) fn of(&self, claim: &Claim) -> Option<ResourceName> {
        self.waiting.waits_for(&actor(claim)).map(|index| self.name(index))
    }
}

impl Service {
    pub(super) async fn wait_graph(&self, view: View, limit: usize) -> Result<Outcome, Error> {
        self.first_of_wait_graph(view, limit).await.map(Outcome::WaitGraph)
    }

    /// The graph with the first `limit` locks.
    pub(super) async fn first_of_wait_graph(
        &self,
        view: View,
        limit: usize,
    ) -> Result<dlm_protocol::WaitGraph, Error> {
        let take = move |graph: &ComputedGraph| {
            let dlm_protocol::WaitGraph { at, complete, locks, possible_deadlocks } = &graph.answer;
            dlm_protocol::WaitGraph {
                at: *at,
                complete: *complete,
                locks: locks.iter().take(limit).cloned().collect(),
                possible_deadlocks: possible_deadlocks.clone(),
            }
        };
        self.with_wait_graph(view, take).await
    }

    /// Finds out which locks the holders of these leases wait for themselves, as far as these locks
    /// are in sight.
    pub(super) async fn waits_of(
        &self,
        view: View,
        claims: Vec<Claim>,
    ) -> Result<Vec<Option<ResourceName>>, Error> {
        self.with_wait_graph(view, move |graph| claims.iter().map(|claim| graph.waits.of(claim)).collect())
            .await
    }

    async fn with_wait_graph<R: Send + 'static>(
        &self,
        view: View,
        take: impl FnOnce(&ComputedGraph) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (membership, limits) = (Arc::clone(&self.0.membership), Arc::clone(&self.0.limits));
        let compute = move |reader: &dyn Reader, visibility: &Visibility, _| {
            let graph = compute(reader, &names_in_sight(visibility), &membership.current(), &limits)?;
            Ok((graph, ()))
        };
        let take = move |Computed { result, .. }: &Computed<ComputedGraph>| take(result);
        self.computed(&self.0.wait_graphs, view, compute, take).await
    }
}

/// Whether a graph has all locks that are waited for, though not all of their holders.
pub(super) fn has_all_queues(graph: &dlm_protocol::WaitGraph) -> bool {
    let waiters: u64 = graph.locks.iter().map(|lock| lock.queue_len).sum();
    graph.complete || (graph.locks.len() < LIMITS.resources && waiters < LIMITS.waiters as u64)
}

/// The graph of all resources.
pub(super) fn of_all(
    reader: &dyn Reader,
    replicas: &Replicas,
    limits: &Limits,
) -> Result<dlm_protocol::WaitGraph, StoreError> {
    Ok(compute(reader, &Names::All, replicas, limits)?.answer)
}

fn compute(
    reader: &dyn Reader,
    names: &Names,
    replicas: &Replicas,
    limits: &Limits,
) -> Result<ComputedGraph, StoreError> {
    let now = reader.now()?;
    let contended = reader.contended(names, LIMITS)?;
    let context = Context { now, replicas, limits };
    Snapshot::new(context, contended.views).graph(contended.complete)
}

/// Resources at one instant.
pub(super) struct Snapshot<'a> {
    context: Context<'a>,
    pub(super) views: Vec<ResourceView>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(context: Context<'a>, mut views: Vec<ResourceView>) -> Self {
        for view in &mut views {
            // What is overdue is not shown as live, though it may not have been ended yet.
            view.holders.retain(|claim| claim.lease().is_some_and(|lease| lease.is_live(context.now)));
        }
        Self { context, views }
    }

    /// The resources as the rules look at them.
    pub(super) fn resources(&self) -> Vec<ContendedResource> {
        self.views.iter().map(|view| self.contended(view)).collect()
    }

    /// Whether the wait of this waiter is not overdue.
    pub(super) fn is_waiting(&self, claim: &Claim) -> bool {
        claim.queue_entry().is_some_and(|entry| entry.due_at(&self.context) > self.context.now)
    }

    pub(super) fn names(&self) -> Result<Vec<ResourceName>, StoreError> {
        self.views.iter().map(|view| resource_name(&view.name)).collect()
    }

    fn graph(self, complete: bool) -> Result<ComputedGraph, StoreError> {
        let resources = self.resources();
        let graph = WaitGraph::of(&resources);
        let names = self.names()?;
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
        let answer = dlm_protocol::WaitGraph {
            at: wire::time(self.context.now),
            complete,
            locks,
            possible_deadlocks: graph.cycles.iter().map(deadlock).collect::<Result<_, StoreError>>()?,
        };
        Ok(ComputedGraph { answer, waits: Waits::new(Waiting::of(&resources), names) })
    }

    fn contended(&self, view: &ResourceView) -> ContendedResource {
        let is_present = |claim: &&Claim| {
            let is_away = claim.queue_entry().is_none_or(|entry| entry.away_since(&self.context).is_some());
            !is_away && self.is_waiting(claim)
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
pub(super) fn actor(claim: &Claim) -> Actor {
    let owner = claim.request.as_ref().map_or_else(|| "".into(), |request| Arc::clone(&request.owner));
    Actor { principal: Arc::clone(&claim.key.principal), owner }
}

/// A holder in wire terms.
pub(super) fn blocker(claim: &Claim, waits_for: Option<ResourceName>) -> Result<Blocker, StoreError> {
    let lease = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Blocker {
        mode: wire::mode(claim.mode()),
        owner: wire::owner(claim)?,
        principal: wire::principal(claim),
        fencing_token: FencingToken::new(lease.token),
        acquired_at: wire::time(lease.granted_at),
        expires_at: wire::time(lease.expires_at),
        waits_for,
        checked_at: None,
    })
}
