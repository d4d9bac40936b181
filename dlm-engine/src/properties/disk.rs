//! Plays the store: what is committed, and a server in front of it that fails
//! and is started anew.

use std::collections::BTreeMap;

use super::script::{Action, Happening, Known};
use crate::fault::Fault;
use crate::{
    Claim, ClaimKey, Context, Effects, Event, Floor, KeyLookup, Limits, Micros, Mode, Need, Op, Phase,
    Refusal, ReplicaId, Replicas, Reply, Resource, ResourceRecord, RowChange, Wake,
};

/// Waiters are loaded in crumbs, so that the queue is seldom all there.
const CRUMB: usize = 2;

/// What is committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) row: Option<ResourceRecord>,
    holder: Option<ClaimKey>,
    floor: Floor,
    pub(super) claims: BTreeMap<ClaimKey, (Claim, Option<Micros>)>,
}

impl Disk {
    pub(super) fn live(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values().map(|(claim, _)| claim).filter(|claim| matches!(claim.phase, Phase::Live(_)))
    }

    /// The counter, also when only its floor is left.
    pub(super) fn token(&self) -> u64 {
        self.row.map_or(self.floor.token, |row| row.token)
    }
}

/// What an operation came to.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) op: Op,
    pub(super) now: Micros,
    pub(super) result: Result<Reply, Refusal>,
    pub(super) events: Vec<Event>,
    pub(super) wakes: Vec<Wake>,
}

/// What can be observed from outside.
#[derive(Debug, Clone)]
pub(super) enum Observed {
    Committed(Vec<Done>, Disk),
    Restarted(Micros),
}

/// A server and its disk.
pub(super) struct World {
    pub(super) disk: Disk,
    cache: Option<Resource>,
    replicas: Replicas,
    limits: Limits,
    pub(super) now: Micros,
    fault: Option<Fault>,
}

/// The insert of a claim that is there already.
struct KeyExists;

impl World {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self {
            disk: Disk::default(),
            cache: None,
            replicas: Replicas::single_node(ReplicaId(1), Micros(0)),
            limits: limits(),
            now: Micros(1_000_000),
            fault,
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            replicas: &self.replicas,
            limits: &self.limits,
            key_lookup: KeyLookup::Required,
        }
    }

    /// Lets one thing happen; tells what can be observed of it.
    pub(super) fn happen(&mut self, happening: &Happening) -> Option<Observed> {
        match happening {
            Happening::Pass(ms) => {
                self.now = self.now.plus_ms(*ms);
                None
            }
            Happening::Restart => {
                let next = ReplicaId(self.replicas.local().0 + 1);
                self.replicas = Replicas::single_node(next, self.now);
                self.cache = None;
                let due_at = self.now.plus_ms(self.limits.away_grace_ms);
                for (_, check_at) in self.disk.claims.values_mut() {
                    *check_at = check_at.map(|check_at| check_at.min(due_at));
                }
                Some(Observed::Restarted(self.now))
            }
            Happening::Batch(actions) => {
                let done = self.batch(actions, true);
                Some(Observed::Committed(done, self.disk.clone()))
            }
            Happening::FailedBatch(actions) => {
                self.batch(actions, false);
                None
            }
        }
    }

    /// As the writer does: first in good faith, then with every key looked up.
    fn batch(&mut self, actions: &[Action], commit: bool) -> Vec<Done> {
        let known = self.known();
        let ops: Vec<Op> = actions.iter().map(|action| action.op(&known)).collect();
        // A store that forgets would not object to a key.
        let faith = if self.forgets_keys() { KeyLookup::Required } else { KeyLookup::AssumeNew };
        let attempt = self.attempt(&ops, faith, commit);
        attempt.unwrap_or_else(|KeyExists| {
            self.cache = None;
            self.attempt(&ops, KeyLookup::Required, commit)
                .unwrap_or_else(|KeyExists| panic!("every key was looked up"))
        })
    }

    fn known(&self) -> Known {
        let mut known = Known::default();
        for (key, (claim, check_at)) in &self.disk.claims {
            match &claim.phase {
                Phase::Waiting(_) => known.waiting.push(key.clone()),
                Phase::Live(_) => known.holding.push(key.clone()),
                Phase::Ended(_) => {}
            }
            if let Some(lease) = claim.lease() {
                known.tokens.insert(key.clone(), lease.token);
            }
            if check_at.is_some_and(|check_at| check_at <= self.now) {
                known.due.push(key.clone());
            }
        }
        known
    }

    fn attempt(&mut self, ops: &[Op], key_lookup: KeyLookup, commit: bool) -> Result<Vec<Done>, KeyExists> {
        let mut resource = self.cache.take().unwrap_or_else(|| self.load());
        let ctx = Context { key_lookup, ..self.context() };
        let mut done = Vec::new();
        for op in ops {
            let mut effects = Effects::default();
            let result = loop {
                match resource.execute(op, &ctx, &mut effects) {
                    Ok(result) => break result,
                    Err(need) => self.provide(&mut resource, need),
                }
            };
            let Effects { events, wakes } = effects;
            done.push(Done { op: op.clone(), now: self.now, result, events, wakes });
        }
        let disk = self.written(&resource)?;
        if commit {
            self.disk = disk;
            self.cache = resource.committed().then_some(resource);
        }
        Ok(done)
    }

    fn forgets_keys(&self) -> bool {
        self.fault == Some(Fault::TombstoneLost)
    }

    fn load(&self) -> Resource {
        let mut resource = match self.disk.row {
            None => Resource::absent(self.disk.floor),
            Some(row) => Resource::load(row, self.disk.live().cloned().collect()),
        };
        resource.fault = self.fault;
        resource
    }

    fn provide(&self, resource: &mut Resource, need: Need) {
        let claims = self.disk.claims.values().map(|(claim, _)| claim);
        match need {
            Need::Claim(key) => {
                let claim = self.disk.claims.get(&key).map(|(claim, _)| claim.clone());
                resource.provide_claim(key, claim);
            }
            Need::Waiters { after } => {
                let ticket = |claim: &Claim| claim.queue_entry().map(|entry| entry.ticket);
                let mut waiters: Vec<_> = claims
                    .filter(|claim| ticket(claim).is_some_and(|ticket| ticket > after))
                    .cloned()
                    .collect();
                waiters.sort_by_key(ticket);
                waiters.truncate(CRUMB);
                let all = waiters.len() < CRUMB;
                resource.provide_waiters(waiters, all);
            }
            Need::ForceReleased { token } => {
                let forced = |claim: &&Claim| match &claim.phase {
                    Phase::Ended(ended) => ended.reason == crate::EndReason::ForceReleased,
                    _ => false,
                };
                let claim = claims
                    .filter(forced)
                    .find(|claim| claim.lease().is_some_and(|lease| lease.token == token));
                resource.provide_force_released(token, claim.cloned());
            }
        }
    }

    /// The disk as it is once the changes are committed.
    fn written(&self, resource: &Resource) -> Result<Disk, KeyExists> {
        let mut disk = self.disk.clone();
        match resource.row_change() {
            RowChange::Keep => {}
            RowChange::Write { row, holder } => (disk.row, disk.holder) = (Some(row), holder),
            RowChange::Delete(floor) => {
                (disk.row, disk.holder) = (None, None);
                disk.floor = floor;
            }
        }
        for change in resource.claim_changes() {
            let before =
                disk.claims.insert(change.claim.key.clone(), ((*change.claim).clone(), change.check_at));
            if change.insert && before.is_some() {
                if self.forgets_keys() {
                    // Nothing is left of the key in the store either.
                    continue;
                }
                return Err(KeyExists);
            }
            assert!(change.insert || before.is_some(), "an update of a row that is not there");
            let was_live = before.is_some_and(|(claim, _)| matches!(claim.phase, Phase::Live(_)));
            assert_eq!(change.was_live, was_live, "the stored row is another than the engine believes");
        }
        let exclusive = |claim: &&Claim| claim.mode() == Mode::Exclusive;
        let holder = disk.live().find(exclusive).map(|claim| &claim.key);
        assert!(self.fault.is_some() || disk.holder.as_ref() == holder, "the row names another holder");
        Ok(disk)
    }
}

pub(super) fn limits() -> Limits {
    Limits { away_grace_ms: 10_000, idle_retention_ms: 4_000, holders_shown: 100 }
}

/// All that can be observed of a script.
pub(super) fn observe(script: &[Happening], fault: Option<Fault>) -> Vec<Observed> {
    let mut world = World::new(fault);
    script.iter().filter_map(|happening| world.happen(happening)).collect()
}
