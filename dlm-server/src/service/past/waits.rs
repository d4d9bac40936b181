//! Who waited for whom at an instant.

use std::cmp::Reverse;
use std::collections::HashMap;

use dlm_engine::{Actor, ContendedResource, WaitFor, WaitGraph};
use dlm_protocol::{DeadlockedHolder, FencingToken, PossibleDeadlock, ResourceName};

use crate::log::wire::{owner, resource_name};
use crate::service::wait_graph::LIMITS;
use crate::store::{Name, StoreError};

/// A lock with waiters at the instant.
pub(super) struct ContendedLock {
    pub(super) name: Name,
    /// The tokens of the holders.
    pub(super) tokens: Vec<u64>,
    pub(super) resource: ContendedResource,
}

/// The waits of holders, and how many waiters each lock blocks. Of too many locks, only those with the
/// longest queues are looked at.
pub(super) struct Waits {
    blocked: HashMap<Name, u64>,
    waits_for: HashMap<(Name, u64), Name>,
    pub(super) possible_deadlocks: Vec<PossibleDeadlock>,
}

impl Waits {
    pub(super) fn of(mut locks: Vec<ContendedLock>) -> Result<Self, StoreError> {
        locks.sort_by(|a, b| {
            Reverse(a.resource.queue_len)
                .cmp(&Reverse(b.resource.queue_len))
                .then_with(|| a.name.cmp(&b.name))
        });
        let mut waiters = 0;
        let fits = |lock: &ContendedLock| {
            waiters += lock.resource.waiters.len();
            waiters <= LIMITS.waiters
        };
        let (mut names, mut tokens, mut resources) = (Vec::new(), Vec::new(), Vec::new());
        for lock in locks.into_iter().take(LIMITS.resources).take_while(fits) {
            names.push(lock.name);
            tokens.push(lock.tokens);
            resources.push(lock.resource);
        }
        let graph = WaitGraph::of(&resources);
        let name = |index: usize| Name::clone(&names[index]);
        let holder = |wait: &WaitFor| {
            let Actor { principal, owner: of } = &resources[wait.resource].holders[wait.holder];
            Ok(DeadlockedHolder {
                resource: resource_name(&names[wait.resource])?,
                owner: owner(of)?,
                principal: Some(principal.to_string()).filter(|principal| !principal.is_empty()),
                fencing_token: FencingToken::new(tokens[wait.resource][wait.holder]),
            })
        };
        let deadlock = |cycle: &Vec<WaitFor>| {
            Ok(PossibleDeadlock { holders: cycle.iter().map(holder).collect::<Result<_, StoreError>>()? })
        };
        let key = |wait: &WaitFor| (name(wait.resource), tokens[wait.resource][wait.holder]);
        Ok(Self {
            blocked: graph
                .blocked
                .iter()
                .enumerate()
                .map(|(index, blocked)| (name(index), *blocked))
                .collect(),
            waits_for: graph.waits.iter().map(|wait| (key(wait), name(wait.waits_for))).collect(),
            possible_deadlocks: graph.cycles.iter().map(deadlock).collect::<Result<_, StoreError>>()?,
        })
    }

    /// How many waiters a lock with this queue blocks.
    pub(super) fn blocked(&self, name: &Name, queue_len: u64) -> u64 {
        self.blocked.get(name).copied().unwrap_or(queue_len)
    }

    /// The lock that the holder of this lease waited for.
    pub(super) fn of_holder(&self, name: &Name, token: u64) -> Result<Option<ResourceName>, StoreError> {
        self.waits_for.get(&(Name::clone(name), token)).map(|name| resource_name(name)).transpose()
    }
}
