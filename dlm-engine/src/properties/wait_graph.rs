//! Who blocks whom, beside a simulation of actors that wait for one resource at a time.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::cases;
use crate::{Actor, Blocking, ContendedResource, Mode, WaitGraph, Waiting};

/// An actor of the simulation: it releases what it holds once it waits for nothing.
type Number = usize;

#[derive(Debug, Clone, Default)]
struct Resource {
    holders: BTreeMap<Number, Mode>,
    queue: Vec<(Number, Mode)>,
}

impl Resource {
    /// Grants from the front of the queue. Returns whether that changed anything.
    fn promote(&mut self) -> bool {
        let mut granted = false;
        while let Some((actor, mode)) = self.queue.first().copied() {
            let shares = mode == Mode::Shared && self.holders.values().all(|held| *held == Mode::Shared);
            if !self.holders.is_empty() && !shares {
                break;
            }
            self.queue.remove(0);
            self.holders.insert(actor, mode);
            granted = true;
        }
        granted
    }
}

#[derive(Debug, Clone)]
struct World(Vec<Resource>);

impl World {
    /// What actors do in turn, each as far as it is not waiting: acquire a resource that they
    /// neither hold nor wait for.
    fn of(resources: usize, steps: &[(Number, usize, Mode)]) -> Self {
        let mut world = Self(vec![Resource::default(); resources]);
        for (actor, resource, mode) in steps {
            if !world.is_waiting(*actor) && !world.0[*resource].holders.contains_key(actor) {
                world.0[*resource].queue.push((*actor, *mode));
                world.0[*resource].promote();
            }
        }
        world
    }

    fn is_waiting(&self, actor: Number) -> bool {
        self.0.iter().any(|resource| resource.queue.iter().any(|(waiter, _)| *waiter == actor))
    }

    /// Lets everyone go on who can, except that nobody releases `stuck`. Returns how many never
    /// stop waiting.
    fn left_waiting(mut self, stuck: Option<usize>) -> u64 {
        loop {
            let mut progress = false;
            for index in 0..self.0.len() {
                let holders: Vec<_> = self.0[index].holders.keys().copied().collect();
                for actor in holders {
                    if stuck != Some(index) && !self.is_waiting(actor) {
                        self.0[index].holders.remove(&actor);
                        progress = true;
                    }
                }
                progress |= self.0[index].promote();
            }
            if !progress {
                return self.0.iter().map(|resource| resource.queue.len() as u64).sum();
            }
        }
    }

    fn contended(&self) -> Vec<ContendedResource> {
        let contended = |resource: &Resource| ContendedResource {
            queue_len: resource.queue.len() as u64,
            holders: resource.holders.keys().map(|number| actor(*number)).collect(),
            waiters: resource.queue.iter().map(|(number, _)| actor(*number)).collect(),
        };
        self.0.iter().map(contended).collect()
    }
}

fn actor(number: Number) -> Actor {
    Actor { principal: "".into(), owner: format!("owner {number}").into() }
}

fn steps() -> impl Strategy<Value = Vec<(Number, usize, Mode)>> {
    let mode = prop::sample::select(vec![Mode::Exclusive, Mode::Exclusive, Mode::Shared]);
    prop::collection::vec((0..7_usize, 0..5_usize, mode), 0..25)
}

proptest! {
    #![proptest_config(cases(512))]

    /// The locks of a cycle are those that nobody can release any more.
    #[test]
    fn there_is_a_cycle_if_and_only_if_some_never_go_on(steps in steps()) {
        let world = World::of(5, &steps);
        let graph = WaitGraph::of(&world.contended());
        let left = world.clone().left_waiting(None);
        prop_assert_eq!(graph.cycles.is_empty(), left == 0, "{:?} left in {:?}", left, world);
        for cycle in &graph.cycles {
            for (wait, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                prop_assert_eq!(wait.waits_for, next.resource);
                let holder = *world.0[wait.resource].holders.keys().nth(wait.holder).unwrap();
                prop_assert!(world.0[wait.waits_for].queue.iter().any(|(waiter, _)| *waiter == holder));
            }
        }
        let resources: Vec<_> = graph.cycles.iter().flatten().map(|wait| wait.resource).collect();
        prop_assert_eq!(resources.iter().collect::<HashSet<_>>().len(), resources.len());
    }

    /// Without cycles, exactly those are blocked by a resource who wait for ever if it is never
    /// released.
    #[test]
    fn blocked_are_those_who_wait_for_ever_if_it_is_never_released(steps in steps()) {
        let world = World::of(5, &steps);
        let graph = WaitGraph::of(&world.contended());
        prop_assume!(graph.cycles.is_empty());
        for resource in 0..5 {
            let expected = match world.0[resource].holders.is_empty() {
                true => 0,
                false => world.clone().left_waiting(Some(resource)),
            };
            prop_assert_eq!(graph.blocked[resource], expected, "{} in {:?}", resource, world);
        }
    }
}

fn contended(holders: &[&str], waiters: &[&str]) -> ContendedResource {
    let actors = |owners: &[&str]| {
        owners.iter().map(|owner| Actor { principal: "".into(), owner: (*owner).into() }).collect()
    };
    ContendedResource { queue_len: waiters.len() as u64, holders: actors(holders), waiters: actors(waiters) }
}

#[test]
fn an_empty_owner_makes_no_edge() {
    let graph = WaitGraph::of(&[contended(&[""], &["a"]), contended(&["a"], &[""])]);
    // "a" holds the second and waits for the first. Nobody knows what the holder of that waits for.
    assert!(graph.cycles.is_empty());
    assert_eq!(graph.blocked, [2, 1]);
}

#[test]
fn an_owner_that_is_more_than_one_task_makes_no_edge() {
    let waits_for_its_own = [contended(&["a"], &["a"])];
    assert_eq!(WaitGraph::of(&waits_for_its_own).waits, []);
    let waits_twice = [contended(&["b"], &["a"]), contended(&["a"], &["b"]), contended(&["c"], &["a"])];
    assert_eq!(WaitGraph::of(&waits_twice).cycles, Vec::<Vec<_>>::new());
    // Of different principals, the same owner is someone else.
    let mut principals = [contended(&["a"], &["b"]), contended(&["b"], &["a"])];
    principals[1].waiters[0].principal = "p".into();
    assert_eq!(WaitGraph::of(&principals).cycles, Vec::<Vec<_>>::new());
}

#[test]
fn each_resource_is_in_one_cycle_at_most() {
    let resources = [
        contended(&["a", "x"], &["b", "y"]),
        contended(&["b"], &["a"]),
        contended(&["y"], &["x"]),
        contended(&["z"], &["other"]),
    ];
    let graph = WaitGraph::of(&resources);
    assert_eq!(graph.cycles.len(), 1);
    assert_eq!(graph.cycles[0].len(), 2);
    assert_eq!(graph.blocked, [4, 4, 4, 1]);
}

#[test]
fn waiters_that_several_held_resources_block_count_once() {
    // "a" holds the first two; "b" holds the third, and waits for the first.
    let resources = [contended(&["a"], &["b", "c"]), contended(&["a"], &["d"]), contended(&["b"], &["e"])];
    let graph = WaitGraph::of(&resources);
    assert_eq!(graph.blocked, [3, 1, 1]);
    let blocking = Blocking::of(&resources, &graph.waits);
    assert_eq!(blocking.blocked_by([0, 1]), 4);
    assert_eq!(blocking.blocked_by([0, 2]), 3, "the waiter of the third is blocked by both");
    assert_eq!(blocking.blocked_by([]), 0);
}

#[test]
fn an_actor_waits_where_its_only_waiter_is() {
    let waiting =
        Waiting::of(&[contended(&["a"], &["b", "twice"]), contended(&["b", "twice"], &["twice", "c", "c"])]);
    let waits_for = |owner: &str| waiting.waits_for(&Actor { principal: "".into(), owner: owner.into() });
    assert_eq!((waits_for("b"), waits_for("a"), waits_for("unknown")), (Some(0), None, None));
    assert_eq!((waits_for("twice"), waits_for("c")), (None, None), "it is more than one task");
}
