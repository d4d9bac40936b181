//! The state at an instant, from the current state and the events read backwards.

use std::collections::{BTreeMap, HashMap, HashSet};

use dlm_engine::{Actor, Claim, ContendedResource, Micros, Mode};
use dlm_protocol::limits::{MAX_HOLDERS_SHOWN, MAX_PAST_WAITERS};
use dlm_protocol::{EventKind, FencingToken, PastHolder, PastLock, PastWaiter};

use super::waits::{ContendedLock, Waits};
use crate::log::wire::{mode, owner, resource_name, time};
use crate::store::{LoggedEvent, Name, ResourceView, StoreError};

/// What is known of all locks at an instant.
///
/// What is live now and began before the instant was there then. An event after the instant that
/// ended a lease or a wait shows that it was there as well, unless another event after the instant
/// shows that it began later. Only what began and ended before the instant follows from the events before
/// it.
#[derive(Debug)]
pub(super) struct Rewind {
    at: i64,
    locks: HashMap<Name, Lock>,
}

#[derive(Debug, Default)]
struct Lock {
    /// By fencing token.
    holders: BTreeMap<u64, Known>,
    /// By ticket.
    waiters: BTreeMap<u64, Known>,
    /// The tokens and tickets of leases and waits that had ended.
    ended: HashSet<u64>,
    left: HashSet<u64>,
}

/// A holder or a waiter.
#[derive(Debug)]
struct Known {
    owner: String,
    principal: Option<String>,
    mode: Mode,
    /// When it was granted or enqueued; `None` until the event was found.
    since: Option<i64>,
}

impl Known {
    fn of(claim: &Claim, since: Micros) -> Self {
        let owner = claim.request.as_ref().map_or_else(String::new, |request| request.owner.to_string());
        let principal = Some(claim.key.principal.to_string()).filter(|principal| !principal.is_empty());
        Self { owner, principal, mode: claim.mode(), since: Some(since.0) }
    }

    fn of_event(event: &LoggedEvent<'_>, since: Option<i64>) -> Self {
        Self {
            owner: event.owner.to_string(),
            principal: event.principal.as_ref().map(ToString::to_string),
            mode: if event.shared { Mode::Shared } else { Mode::Exclusive },
            since,
        }
    }

    fn actor(&self) -> Actor {
        let principal = self.principal.as_deref().unwrap_or_default();
        Actor { principal: principal.into(), owner: self.owner.as_str().into() }
    }

    /// Fills in what another event tells.
    fn complete(&mut self, other: Self) {
        // The event itself is more exact than the length of a wait.
        self.since = other.since.or(self.since);
        self.principal = self.principal.take().or(other.principal);
    }
}

impl Rewind {
    pub(super) fn to(at: i64) -> Self {
        Self { at, locks: HashMap::new() }
    }

    /// Adds a resource as it is now.
    pub(super) fn add_current(&mut self, view: &ResourceView) {
        let lock = self.locks.entry(Name::clone(&view.name)).or_default();
        for claim in &view.holders {
            if let Some(lease) = claim.lease().filter(|lease| lease.granted_at.0 <= self.at) {
                lock.holders.insert(lease.token, Known::of(claim, lease.granted_at));
            }
        }
        for claim in &view.waiters {
            if let Some(entry) = claim.queue_entry().filter(|entry| entry.enqueued_at.0 <= self.at) {
                lock.waiters.insert(entry.ticket, Known::of(claim, entry.enqueued_at));
            }
        }
    }

    /// Adds an event. Those of a resource are added from the newest on.
    pub(super) fn add(&mut self, event: &LoggedEvent<'_>) {
        let lock = match self.locks.get_mut(&*event.resource) {
            Some(lock) => lock,
            None => self.locks.entry(Name::from(&*event.resource)).or_default(),
        };
        match event.at > self.at {
            true => lock.undo(event),
            false => lock.add_earlier(event),
        }
    }

    /// Forgets what is only supposed to have been there: the events between were not all read, and
    /// may show that it began later.
    pub(super) fn forget_unproved(&mut self) {
        let is_proved = |_: &u64, known: &mut Known| known.since.is_some_and(|since| since <= self.at);
        for lock in self.locks.values_mut() {
            lock.holders.retain(is_proved);
            lock.waiters.retain(is_proved);
        }
    }

    /// Whether earlier events could still tell when something began.
    pub(super) fn has_unknown(&self) -> bool {
        let is_unknown = |known: &Known| known.since.is_none();
        self.locks.values().any(|lock| lock.holders.values().chain(lock.waiters.values()).any(is_unknown))
    }

    /// Who waited for whom.
    pub(super) fn waits(&self) -> Result<Waits, StoreError> {
        let contended = self.locks.iter().filter(|(_, lock)| !lock.waiters.is_empty());
        Waits::of(contended.map(|(name, lock)| lock.contended(name)).collect())
    }

    /// The locks that were held or waited for, in the order of their names.
    pub(super) fn locks(self, owner: Option<&str>, waits: &Waits) -> Result<Vec<PastLock>, StoreError> {
        let used = |(_, lock): &(Name, Lock)| {
            let mut of = lock.holders.values().chain(lock.waiters.values());
            of.any(|known| owner.is_none_or(|owner| *known.owner == *owner))
        };
        let mut locks: Vec<(Name, Lock)> = self.locks.into_iter().filter(used).collect();
        locks.sort_by(|a, b| a.0.cmp(&b.0));
        locks.into_iter().map(|(name, lock)| lock.wire(&name, waits)).collect()
    }
}

impl Lock {
    /// Takes back an event after the instant.
    fn undo(&mut self, event: &LoggedEvent<'_>) {
        match (event.kind, event.token, event.ticket) {
            (EventKind::Released | EventKind::Expired | EventKind::ForceReleased, Some(token), _) => {
                self.holders.entry(token).or_insert_with(|| Known::of_event(event, None));
            }
            (EventKind::Granted, Some(token), ticket) => {
                self.holders.remove(&token);
                if let Some(ticket) = ticket {
                    let waited = event.waited_ms.and_then(|ms| i64::try_from(ms).ok());
                    let since = waited.map(|ms| event.at.saturating_sub(ms.saturating_mul(1000)));
                    self.waiters.insert(ticket, Known::of_event(event, since));
                }
            }
            (EventKind::Cancelled | EventKind::WaitTimedOut, _, Some(ticket)) => {
                self.waiters.insert(ticket, Known::of_event(event, None));
            }
            (EventKind::Queued, _, Some(ticket)) => {
                self.waiters.remove(&ticket);
            }
            // Written by a newer server that shares the database.
            _ => {}
        }
    }

    /// Adds an event of the instant or before.
    fn add_earlier(&mut self, event: &LoggedEvent<'_>) {
        match (event.kind, event.token, event.ticket) {
            (EventKind::Released | EventKind::Expired | EventKind::ForceReleased, Some(token), _) => {
                self.ended.insert(token);
            }
            (EventKind::Granted, Some(token), ticket) => {
                self.left.extend(ticket);
                if !self.ended.remove(&token) {
                    began(&mut self.holders, token, event);
                }
            }
            (EventKind::Cancelled | EventKind::WaitTimedOut, _, Some(ticket)) => {
                self.left.insert(ticket);
            }
            (EventKind::Queued, _, Some(ticket)) if !self.left.remove(&ticket) => {
                began(&mut self.waiters, ticket, event);
            }
            _ => {}
        }
    }

    fn contended(&self, name: &Name) -> ContendedLock {
        let resource = ContendedResource {
            queue_len: self.waiters.len() as u64,
            holders: self.holders.values().map(Known::actor).collect(),
            waiters: self.waiters.values().map(Known::actor).collect(),
        };
        ContendedLock { name: Name::clone(name), tokens: self.holders.keys().copied().collect(), resource }
    }

    fn wire(self, name: &Name, waits: &Waits) -> Result<PastLock, StoreError> {
        let (holder_count, queue_len) = (self.holders.len() as u64, self.waiters.len() as u64);
        let holder = |(token, known): (u64, Known)| {
            Ok(PastHolder {
                owner: owner(&known.owner)?,
                principal: known.principal,
                mode: mode(known.mode),
                fencing_token: FencingToken::new(token),
                acquired_at: known.since.map(|since| time(Micros(since))),
                expires_at: None,
                waits_for: waits.of_holder(name, token)?,
            })
        };
        let waiter = |(_, known): (u64, Known)| {
            Ok(PastWaiter {
                owner: owner(&known.owner)?,
                principal: known.principal,
                mode: mode(known.mode),
                enqueued_at: known.since.map(|since| time(Micros(since))),
            })
        };
        let holders = self.holders.into_iter().take(MAX_HOLDERS_SHOWN).map(holder);
        let waiters = self.waiters.into_iter().take(MAX_PAST_WAITERS).map(waiter);
        Ok(PastLock {
            resource: resource_name(name)?,
            holder_count,
            holders: holders.collect::<Result<_, StoreError>>()?,
            queue_len,
            blocked: waits.blocked(name, queue_len),
            waiters: waiters.collect::<Result<_, StoreError>>()?,
        })
    }
}

/// The event began a lease or a wait that had not ended at the instant.
fn began(known: &mut BTreeMap<u64, Known>, key: u64, event: &LoggedEvent<'_>) {
    let found = Known::of_event(event, Some(event.at));
    match known.get_mut(&key) {
        Some(known) => known.complete(found),
        None => {
            known.insert(key, found);
        }
    }
}
