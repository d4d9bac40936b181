//! The wait-for graph: who blocks whom, as far as it follows from the holders and the queues of
//! several resources.
//!
//! A queue is fair: its first waiter waits for holders, and everyone behind it waits for it. So
//! every waiter of a resource waits for the holders of that resource, whatever the modes are. If
//! one of these waits for another resource itself, it blocks them through that one as well.
//!
//! Who holds and who waits is known only by the owner that each acquire gave, which proves
//! nothing. An owner that waits for several resources at once, or for one that it also holds, is
//! more than one task, so nothing follows from what it waits for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Who made an acquire, as far as it said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The principal; empty without authentication.
    pub principal: Arc<str>,
    /// The owner as given in the acquire. An empty one identifies nobody.
    pub owner: Arc<str>,
}

/// A resource with waiters.
#[derive(Debug, Clone, Default)]
pub struct ContendedResource {
    /// The number of waiters.
    pub queue_len: u64,
    /// The holders, in any order.
    pub holders: Vec<Actor>,
    /// The waiters that are not away, in any order.
    pub waiters: Vec<Actor>,
}

/// A holder of a resource that waits for another one. Resources and holders are identified by
/// their indexes in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WaitFor {
    /// The resource that it holds.
    pub resource: usize,
    /// Which of the holders it is.
    pub holder: usize,
    /// The resource that it waits for.
    pub waits_for: usize,
}

/// The wait-for graph of several resources.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WaitGraph {
    /// The holders that wait themselves, by resource and holder.
    pub waits: Vec<WaitFor>,
    /// For each resource, how many waiters wait for it, directly or through others.
    pub blocked: Vec<u64>,
    /// Cycles: in each, a holder of every resource waits for the next one, and a holder of the
    /// last one for the first. Of cycles with a resource in common there is only one, a shortest
    /// one of its first resource.
    pub cycles: Vec<Vec<WaitFor>>,
}

impl WaitGraph {
    /// Finds out who blocks whom. It takes time in proportion to the number of holders and
    /// waiters, and to that of the resources times that of the holders that wait themselves.
    ///
    /// ```
    /// use dlm_engine::{Actor, WaitGraph, ContendedResource};
    ///
    /// let actor = |owner: &str| Actor { principal: "".into(), owner: owner.into() };
    /// let held_and_wanted = |holder, waiter| ContendedResource {
    ///     queue_len: 1,
    ///     holders: vec![actor(holder)],
    ///     waiters: vec![actor(waiter)],
    /// };
    /// let graph = WaitGraph::of(&[held_and_wanted("a", "b"), held_and_wanted("b", "a")]);
    /// assert_eq!(graph.cycles[0].len(), 2);
    /// ```
    #[must_use]
    pub fn of(resources: &[ContendedResource]) -> Self {
        let waits = waits(resources);
        let mut next = vec![Vec::new(); resources.len()];
        let mut previous = vec![Vec::new(); resources.len()];
        for wait in &waits {
            next[wait.resource].push(*wait);
            previous[wait.waits_for].push(*wait);
        }
        let blocked = |index: usize| {
            let through = reachable(index, |of| previous[of].iter().map(|wait| wait.resource));
            through.iter().map(|resource| resources[*resource].queue_len).sum()
        };
        let blocked = (0..resources.len()).map(blocked).collect();
        let mut in_cycle = HashSet::new();
        let mut cycles = Vec::new();
        for wait in &waits {
            if !in_cycle.contains(&wait.resource)
                && let Some(cycle) = shortest_cycle(wait.resource, &next)
            {
                let after = reachable(wait.resource, |of| next[of].iter().map(|wait| wait.waits_for));
                let before = reachable(wait.resource, |of| previous[of].iter().map(|wait| wait.resource));
                in_cycle.extend(after.intersection(&before).copied());
                cycles.push(cycle);
            }
        }
        Self { waits, blocked, cycles }
    }
}

/// Where an actor waits.
enum Place {
    At(usize),
    Several,
}

/// The holders that wait themselves.
fn waits(resources: &[ContendedResource]) -> Vec<WaitFor> {
    let mut places = HashMap::new();
    for (index, resource) in resources.iter().enumerate() {
        for waiter in resource.waiters.iter().filter(|waiter| !waiter.owner.is_empty()) {
            places.entry(waiter).and_modify(|place| *place = Place::Several).or_insert(Place::At(index));
        }
    }
    let held: HashSet<(&Actor, usize)> = resources
        .iter()
        .enumerate()
        .flat_map(|(index, resource)| resource.holders.iter().map(move |holder| (holder, index)))
        .collect();
    let mut waits = Vec::new();
    for (resource, contended) in resources.iter().enumerate() {
        for (holder, actor) in contended.holders.iter().enumerate() {
            if let Some(Place::At(waits_for)) = places.get(actor)
                && !held.contains(&(actor, *waits_for))
            {
                waits.push(WaitFor { resource, holder, waits_for: *waits_for });
            }
        }
    }
    waits
}

/// What can be reached from here, itself included.
fn reachable<I: Iterator<Item = usize>>(from: usize, next: impl Fn(usize) -> I) -> HashSet<usize> {
    let mut reached = HashSet::from([from]);
    let mut left = vec![from];
    while let Some(resource) = left.pop() {
        left.extend(next(resource).filter(|next| reached.insert(*next)));
    }
    reached
}

/// A shortest cycle through a resource.
fn shortest_cycle(from: usize, next: &[Vec<WaitFor>]) -> Option<Vec<WaitFor>> {
    // By which wait each resource was reached first.
    let mut reached_by: HashMap<usize, WaitFor> = HashMap::new();
    let mut left = VecDeque::from([from]);
    while let Some(resource) = left.pop_front() {
        for wait in &next[resource] {
            if reached_by.contains_key(&wait.waits_for) {
                continue;
            }
            reached_by.insert(wait.waits_for, *wait);
            left.push_back(wait.waits_for);
            if wait.waits_for == from {
                let mut cycle = vec![*wait];
                while cycle.last()?.resource != from {
                    cycle.push(*reached_by.get(&cycle.last()?.resource)?);
                }
                cycle.reverse();
                return Some(cycle);
            }
        }
    }
    None
}
