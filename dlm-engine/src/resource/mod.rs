//! The in-memory state of one resource: loading it and looking up its claims.

mod changes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[cfg(test)]
pub(crate) use self::changes::CONTINUE_WITHIN_MS;
pub(crate) use self::changes::EventDetails;
pub use self::changes::{ClaimChange, RowChange};
use crate::queue::Queue;
use crate::{
    Claim, ClaimKey, Context, EndReason, Micros, Mode, Need, Phase, Refusal, Reply, Snapshot, Tombstone,
};

/// The values at which the counters of a resource without a row start. Deleting
/// an idle resource raises the floor of its hash bucket, so that a counter
/// never falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// The floor of the token counter.
    pub token: u64,
    /// The floor of the version.
    pub version: u64,
}

/// The stored row of a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceRecord {
    /// The version. Every event increments it by one.
    pub version: u64,
    /// The token counter.
    pub token: u64,
    /// The engine's time when the row was last changed by an event.
    pub touched_at: Micros,
    /// When the sweeper has to check the resource.
    pub check_at: Micros,
    /// The number of waiters.
    pub queue_len: u64,
    /// The number of holders.
    pub holder_count: u64,
}

/// Where a loaded live or waiting claim is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// In `holders`, by token.
    Holder(u64),
    /// In `queue`, by ticket.
    Waiter(u64),
}

/// The result of looking up a key in the loaded state.
pub(crate) enum Lookup {
    Found(Arc<Claim>),
    /// The store has no claim with this key.
    Absent,
    /// The key is not loaded. The store may have a claim with it.
    NotLoaded,
}

/// The in-memory state of one resource.
///
/// It stays valid between batches: after a commit, call [`Self::committed`] and
/// keep it. After a failed batch, drop it and load the resource again.
#[derive(Debug)]
pub struct Resource {
    pub(crate) version: u64,
    pub(crate) token: u64,
    pub(crate) touched_at: Micros,
    /// At or before the instant at which the first lease expires or the idle
    /// resource is deleted. Only the sweeper moves it to a later instant, so
    /// that a renewal need not write it.
    pub(crate) check_at: Micros,
    /// The current time. It never goes back, even if the deciding clock does.
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
    /// Whether waiters may have become grantable, and the promotion has not
    /// completed yet.
    pub(crate) promotion_due: bool,
    /// How many leases and waits expiry, promotion and sweeps have ended or
    /// granted since the last commit.
    pub(crate) transitions: usize,
    /// Whether the last operation left work for after the next commit.
    pub(crate) unfinished: bool,
    /// The result of an operation whose final promotion was interrupted by a
    /// [`Need`].
    pub(crate) pending: Option<Result<Reply, Refusal>>,
    #[cfg(test)]
    pub(crate) fault: Option<crate::fault::Fault>,
}

impl Resource {
    /// Creates a resource that has no row. `floor` is that of its hash bucket.
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

    /// Loads a resource from its row and all its live claims. Waiters are
    /// requested with [`Need::Waiters`] when they are needed.
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
            promotion_due: false,
            transitions: 0,
            unfinished: false,
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

    /// Whether it is known which claim has this key, if any. If so, no operation
    /// returns [`Need::Claim`] for it.
    #[must_use]
    pub fn knows_claim(&self, key: &ClaimKey) -> bool {
        !matches!(self.lookup(key), Lookup::NotLoaded)
    }

    /// Whether there is a claim with this key; `None` while that is not known.
    #[must_use]
    pub fn has_claim(&self, key: &ClaimKey) -> Option<bool> {
        match self.lookup(key) {
            Lookup::Found(_) => Some(true),
            Lookup::NotLoaded => None,
            _ => Some(false),
        }
    }

    /// Answers [`Need::Claim`] with the stored claim, or `None` if there is
    /// none. May also be called before the claim is needed.
    pub fn provide_claim(&mut self, key: ClaimKey, claim: Option<Claim>) {
        self.lookups.insert(key, claim.map(Arc::new));
    }

    /// Answers [`Need::ForceReleased`] with the stored claim, or `None` if
    /// there is none.
    pub fn provide_force_released(&mut self, token: u64, claim: Option<Claim>) {
        self.force_released.insert(token, claim.map(Arc::new));
    }

    /// Answers [`Need::Waiters`] with the next stored waiters after that
    /// ticket, in the order of their tickets. `all` says that no more waiters
    /// are stored behind them.
    pub fn provide_waiters(&mut self, stored: Vec<Claim>, all: bool) {
        let after = self.queue.horizon();
        let ticket = |claim: &Claim| claim.queue_entry().map(|entry| entry.ticket);
        // Everything up to the last stored waiter counts as loaded, even if
        // that waiter has changed in this batch since.
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

    /// Whether the resource has neither holders nor waiters.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.queue.len() == 0
    }

    /// Whether leases that have expired, or waiters that can be granted, are
    /// left for after the next commit.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// When the sweeper has to check the resource.
    #[must_use]
    pub fn check_at(&self) -> Micros {
        self.check_at
    }

    /// The row in its current state.
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

    /// The live claims in the order of their tokens.
    pub fn holders(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.holders.values()
    }

    pub(crate) fn first_expiry(&self) -> Option<Micros> {
        self.holders.values().filter_map(|claim| Some(claim.lease()?.expires_at)).min()
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
    pub(crate) fn lookup(&self, key: &ClaimKey) -> Lookup {
        match self.lookup_loaded(key) {
            Lookup::Found(claim) if self.lost_tombstone(&claim) => Lookup::Absent,
            found => found,
        }
    }

    #[cfg(test)]
    fn lost_tombstone(&self, claim: &Claim) -> bool {
        self.fault == Some(crate::fault::Fault::TombstoneLost) && matches!(claim.phase, Phase::Ended(_))
    }

    #[cfg(not(test))]
    pub(crate) fn lookup(&self, key: &ClaimKey) -> Lookup {
        self.lookup_loaded(key)
    }

    fn lookup_loaded(&self, key: &ClaimKey) -> Lookup {
        match self.slots.get(key) {
            Some(Slot::Holder(token)) => return Lookup::Found(Arc::clone(&self.holders[token])),
            Some(Slot::Waiter(ticket)) => {
                if let Some(claim) = self.queue.get(*ticket) {
                    return Lookup::Found(Arc::clone(claim));
                }
            }
            None => {}
        }
        if let Some(change) = self.changed.get(key) {
            return Lookup::Found(Arc::clone(&change.claim));
        }
        match self.lookups.get(key) {
            Some(Some(claim)) => Lookup::Found(Arc::clone(claim)),
            Some(None) => Lookup::Absent,
            None => Lookup::NotLoaded,
        }
    }

    /// The claim with this key, or the [`Need`] to load it.
    pub(crate) fn require_claim(&self, key: &ClaimKey) -> Result<Option<Arc<Claim>>, Need> {
        match self.lookup(key) {
            Lookup::Found(claim) => Ok(Some(claim)),
            Lookup::Absent => Ok(None),
            Lookup::NotLoaded => Err(Need::Claim(key.clone())),
        }
    }

    /// The tombstone of the lease that was force-released with this token, or
    /// the [`Need`] to load it.
    pub(crate) fn require_force_released(&self, token: u64) -> Result<Option<Arc<Claim>>, Need> {
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
