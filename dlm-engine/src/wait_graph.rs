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
        let waits = waits(resources, &Waiting::of(resources));
        let blocking = Blocking::of(resources, &waits);
        let mut next = vec![Vec::new(); resources.len()];
        for wait in &waits {
            next[wait.resource].push(*wait);
        }
        let blocked = (0..resources.len()).map(|index| blocking.blocked_by([index])).collect();
        let mut in_cycle = HashSet::new();
        let mut cycles = Vec::new();
        for wait in &waits {
            if !in_cycle.contains(&wait.resource)
                && let Some(cycle) = shortest_cycle(wait.resource, &next)
            {
                let after = reachable([wait.resource], |of| next[of].iter().map(|wait| wait.waits_for));
                let before = blocking.through([wait.resource]);
                in_cycle.extend(after.intersection(&before).copied());
                cycles.push(cycle);
            }
        }
        Self { waits, blocked, cycles }
    }
}

/// Who is blocked by whom, through the holders that wait themselves.
#[derive(Debug, Default)]
pub struct Blocking {
    queue_len: Vec<u64>,
    /// For each resource, those whose holders wait for it.
    previous: Vec<Vec<usize>>,
}

impl Blocking {
    /// Prepares for resources and the [`waits`](WaitGraph::waits) of their graph.
    #[must_use]
    pub fn of(resources: &[ContendedResource], waits: &[WaitFor]) -> Self {
        let mut previous = vec![Vec::new(); resources.len()];
        for wait in waits {
            previous[wait.waits_for].push(wait.resource);
        }
        Self { queue_len: resources.iter().map(|resource| resource.queue_len).collect(), previous }
    }

    /// How many waiters wait for any of these resources, directly or through others. Each counts
    /// once.
    #[must_use]
    pub fn blocked_by(&self, resources: impl IntoIterator<Item = usize>) -> u64 {
        self.through(resources).iter().map(|resource| self.queue_len[*resource]).sum()
    }

    /// These resources, and those whose holders wait for one of them, directly or through others.
    fn through(&self, resources: impl IntoIterator<Item = usize>) -> HashSet<usize> {
        reachable(resources, |of| self.previous[of].iter().copied())
    }
}

/// Which resource each actor waits for, as far as an actor is known to be one task.
#[derive(Debug, Default)]
pub struct Waiting {
    places: HashMap<Actor, Place>,
    held: HashSet<(Actor, usize)>,
}

/// Where an actor waits.
#[derive(Debug)]
enum Place {
    At(usize),
    Several,
}

impl Waiting {
    /// Finds out where the waiters of several resources wait.
    #[must_use]
    pub fn of(resources: &[ContendedResource]) -> Self {
        let mut places = HashMap::new();
        for (index, resource) in resources.iter().enumerate() {
            for waiter in resource.waiters.iter().filter(|waiter| !waiter.owner.is_empty()) {
                let place = places.entry(waiter.clone());
                place.and_modify(|place| *place = Place::Several).or_insert(Place::At(index));
            }
        }
        let holders = |(index, resource): (usize, &ContendedResource)| {
            let waits = |holder: &&Actor| places.contains_key(*holder);
            resource
                .holders
                .iter()
                .filter(waits)
                .map(move |holder| (holder.clone(), index))
                .collect::<Vec<_>>()
        };
        let held = resources.iter().enumerate().flat_map(holders).collect();
        Self { places, held }
    }

    /// The index of the resource that an actor waits for. `None` if it waits for none, or is more
    /// than one task as far as can be seen.
    #[must_use]
    pub fn waits_for(&self, actor: &Actor) -> Option<usize> {
        match self.places.get(actor)? {
            Place::At(resource) if !self.held.contains(&(actor.clone(), *resource)) => Some(*resource),
            Place::At(_) | Place::Several => None,
        }
    }
}

/// The holders that wait themselves.
fn waits(resources: &[ContendedResource], waiting: &Waiting) -> Vec<WaitFor> {
    let mut waits = Vec::new();
    for (resource, contended) in resources.iter().enumerate() {
        for (holder, actor) in contended.holders.iter().enumerate() {
            if let Some(waits_for) = waiting.waits_for(actor) {
                waits.push(WaitFor { resource, holder, waits_for });
            }
        }
    }
    waits
}

/// What can be reached from here, itself included.
fn reachable<I: Iterator<Item = usize>>(
    from: impl IntoIterator<Item = usize>,
    next: impl Fn(usize) -> I,
) -> HashSet<usize> {
    let mut reached: HashSet<usize> = from.into_iter().collect();
    let mut left: Vec<usize> = reached.iter().copied().collect();
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
