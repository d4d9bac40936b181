//! The state of one resource: loading it, and finding things in it.

mod changes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(crate) use self::changes::EventDetails;
pub use self::changes::{ClaimChange, RowChange};
use crate::queue::Queue;
use crate::{
    Claim, ClaimKey, Context, EndReason, Micros, Mode, Need, Phase, Refusal, Reply, Snapshot, Tombstone,
};

/// Where the counters of a resource without a row begin: what clean-up left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// Of the token counter.
    pub token: u64,
    /// Of the version.
    pub version: u64,
}

/// The row of a resource, as it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceRecord {
    /// One more with every event.
    pub version: u64,
    /// The token counter.
    pub token: u64,
    /// The last now that was stored.
    pub touched_at: Micros,
    /// When the sweeper looks at it next.
    pub check_at: Micros,
    /// How many wait.
    pub queue_len: u64,
    /// How many hold it.
    pub holder_count: u64,
}

/// Where a live or waiting claim that is loaded stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Holder(u64),
    Waiter(u64),
}

/// What the loaded state knows of a key.
pub(crate) enum Lookup {
    Claim(Arc<Claim>),
    /// No claim has this key.
    Absent,
    /// It has to be looked up.
    Unknown,
}

/// The state of one resource between and during batches.
#[derive(Debug)]
pub struct Resource {
    pub(crate) version: u64,
    pub(crate) token: u64,
    pub(crate) touched_at: Micros,
    /// At or before the first instant at which something is due; it moves
    /// back only when the sweeper finds it passed (a renewal leaves it).
    pub(crate) check_at: Micros,
    /// Now, and never before any now that was seen.
    pub(crate) now: Micros,
    /// At or before the first expiry of a holder.
    pub(crate) next_expiry: Micros,
    pub(crate) holders: BTreeMap<u64, Arc<Claim>>,
    pub(crate) queue: Queue,
    pub(crate) slots: HashMap<ClaimKey, Slot>,
    lookups: HashMap<ClaimKey, Option<Arc<Claim>>>,
    force_released: HashMap<u64, Option<Arc<Claim>>>,
    row_changed: bool,
    deleted: bool,
    changed: HashMap<ClaimKey, ClaimChange>,
    /// Leases expired, and whoever can be granted for it is not yet.
    pub(crate) unsettled: bool,
    /// The answer to an operation that was executed but for the promotion.
    pub(crate) pending: Option<Result<Reply, Refusal>>,
    #[cfg(test)]
    pub(crate) fault: Option<crate::fault::Fault>,
}

impl Resource {
    /// A resource without a row.
    #[must_use]
    pub fn absent(floor: Floor) -> Self {
        Self::load(
            ResourceRecord {
                version: floor.version,
                token: floor.token,
                check_at: Micros::MAX,
                ..ResourceRecord::default()
            },
            Vec::new(),
        )
    }

    /// A resource from its row and its live claims. The front of its queue is
    /// asked for when it is needed.
    #[must_use]
    pub fn load(row: ResourceRecord, live: Vec<Claim>) -> Self {
        let mut resource = Self {
            version: row.version,
            token: row.token,
            touched_at: row.touched_at,
            check_at: row.check_at,
            now: row.touched_at,
            next_expiry: Micros::MAX,
            holders: BTreeMap::new(),
            queue: Queue::of_len(row.queue_len),
            slots: HashMap::new(),
            lookups: HashMap::new(),
            force_released: HashMap::new(),
            row_changed: false,
            deleted: false,
            changed: HashMap::new(),
            unsettled: false,
            pending: None,
            #[cfg(test)]
            fault: None,
        };
        for claim in live {
            if let Some(lease) = claim.lease() {
                resource.now = resource.now.max(lease.term_at);
                resource.next_expiry = resource.next_expiry.min(lease.expires_at);
                resource.slots.insert(claim.key.clone(), Slot::Holder(lease.token));
                resource.holders.insert(lease.token, Arc::new(claim));
            }
        }
        resource
    }

    /// Answers [`Need::Claim`].
    pub fn provide_claim(&mut self, key: ClaimKey, claim: Option<Claim>) {
        self.lookups.insert(key, claim.map(Arc::new));
    }

    /// Answers [`Need::ForceReleased`].
    pub fn provide_force_released(&mut self, token: u64, claim: Option<Claim>) {
        self.force_released.insert(token, claim.map(Arc::new));
    }

    /// Answers [`Need::Waiters`] with the stored waiters behind the last loaded
    /// ticket, in their order, and whether they are the last ones stored.
    pub fn provide_waiters(&mut self, stored: Vec<Claim>, all: bool) {
        let after = self.queue.horizon();
        let ticket = |claim: &Claim| claim.queue_entry().map(|entry| entry.ticket);
        // What the store showed counts as seen, also where it changed since.
        let horizon = if all { None } else { Some(stored.last().and_then(ticket).unwrap_or(after)) };
        let stored = stored.into_iter().filter(|claim| !self.changed.contains_key(&claim.key)).map(Arc::new);
        let changed = self.changed.values().map(|change| Arc::clone(&change.claim));
        let loaded: BTreeMap<u64, Arc<Claim>> = stored
            .chain(changed)
            .filter_map(|claim| Some((ticket(&claim)?, claim)))
            .filter(|(ticket, _)| *ticket > after && horizon.is_none_or(|horizon| *ticket <= horizon))
            .collect();
        for (ticket, claim) in &loaded {
            self.slots.insert(claim.key.clone(), Slot::Waiter(*ticket));
        }
        self.queue.load(loaded, horizon);
    }

    /// Whether nobody holds it and nobody waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.queue.len() == 0
    }

    /// When the sweeper has to look at it next.
    #[must_use]
    pub fn check_at(&self) -> Micros {
        self.check_at
    }

    /// The row as it stands.
    #[must_use]
    pub fn to_record(&self) -> ResourceRecord {
        ResourceRecord {
            version: self.version,
            token: self.token,
            touched_at: self.touched_at,
            check_at: self.check_at,
            queue_len: self.queue.len(),
            holder_count: self.holders.len() as u64,
        }
    }

    /// The live claims, by token.
    pub fn holders(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.holders.values()
    }

    pub(crate) fn exclusive_holder(&self) -> Option<&Arc<Claim>> {
        self.holders.values().next().filter(|claim| claim.mode() == Mode::Exclusive)
    }

    pub(crate) fn snapshot(&self, ctx: &Context<'_>) -> Snapshot {
        Snapshot {
            holders: self.holders.values().take(ctx.limits.holders_shown).cloned().collect(),
            queue_len: self.queue.len(),
        }
    }

    #[cfg(test)]
    pub(crate) fn find(&self, key: &ClaimKey) -> Lookup {
        match self.find_loaded(key) {
            Lookup::Claim(claim) if self.forgets(&claim) => Lookup::Absent,
            found => found,
        }
    }

    #[cfg(test)]
    fn forgets(&self, claim: &Claim) -> bool {
        self.fault == Some(crate::fault::Fault::KeyForgotten) && matches!(claim.phase, Phase::Ended(_))
    }

    #[cfg(not(test))]
    pub(crate) fn find(&self, key: &ClaimKey) -> Lookup {
        self.find_loaded(key)
    }

    fn find_loaded(&self, key: &ClaimKey) -> Lookup {
        match self.slots.get(key) {
            Some(Slot::Holder(token)) => return Lookup::Claim(Arc::clone(&self.holders[token])),
            Some(Slot::Waiter(ticket)) => {
                if let Some(claim) = self.queue.get(*ticket) {
                    return Lookup::Claim(Arc::clone(claim));
                }
            }
            None => {}
        }
        if let Some(change) = self.changed.get(key) {
            return Lookup::Claim(Arc::clone(&change.claim));
        }
        match self.lookups.get(key) {
            Some(Some(claim)) => Lookup::Claim(Arc::clone(claim)),
            Some(None) => Lookup::Absent,
            None => Lookup::Unknown,
        }
    }

    /// [`Self::find`] for those who can't do without an answer.
    pub(crate) fn look_up(&self, key: &ClaimKey) -> Result<Option<Arc<Claim>>, Need> {
        match self.find(key) {
            Lookup::Claim(claim) => Ok(Some(claim)),
            Lookup::Absent => Ok(None),
            Lookup::Unknown => Err(Need::Claim(key.clone())),
        }
    }

    pub(crate) fn look_up_force_released(&self, token: u64) -> Result<Option<Arc<Claim>>, Need> {
        let of_token = |claim: &&Arc<Claim>| match &claim.phase {
            Phase::Ended(Tombstone { reason: EndReason::ForceReleased, lease: Some(lease), .. }) => {
                lease.token == token
            }
            _ => false,
        };
        if let Some(claim) = self.changed.values().map(|change| &change.claim).find(of_token) {
            return Ok(Some(Arc::clone(claim)));
        }
        self.force_released.get(&token).cloned().ok_or(Need::ForceReleased { token })
    }
}
