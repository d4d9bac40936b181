//! A simulated server with its store: batches, commits, failed commits,
//! restarts.

use super::script::{Action, CommittedKeys, ScriptStep};
use super::store::StoreState;
use crate::fault::Fault;
use crate::{
    Blocked, Claim, Context, Effects, Event, Limits, Micros, Mode, Need, Op, Phase, Refusal, ReplicaId,
    Replicas, Reply, Resource, RowChange, Wake,
};

/// How many waiters are loaded at a time. Small, so that the queue is rarely
/// complete.
const PAGE: usize = 2;

/// An executed operation with its result and effects.
#[derive(Debug, Clone)]
pub(super) struct ExecutedOp {
    pub(super) op: Op,
    pub(super) now: Micros,
    /// `None` if the limit of transitions was reached before its turn.
    pub(super) result: Option<Result<Reply, Refusal>>,
    pub(super) events: Vec<Event>,
    pub(super) wakes: Vec<Wake>,
}

/// What a client or an operator could observe.
#[derive(Debug, Clone)]
pub(super) enum Observation {
    Committed(Vec<ExecutedOp>, StoreState),
    Restarted(Micros),
}

/// A server and its store.
pub(super) struct Simulation {
    pub(super) store: StoreState,
    cache: Option<Resource>,
    /// Operations that the limit of transitions has kept for the next batch.
    kept: Vec<Op>,
    replicas: Replicas,
    limits: Limits,
    pub(super) now: Micros,
    fault: Option<Fault>,
}

/// An insert was rejected because the key exists.
struct DuplicateKey;

impl Simulation {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self::with_limits(fault, limits())
    }

    pub(super) fn with_limits(fault: Option<Fault>, limits: Limits) -> Self {
        Self {
            store: StoreState::default(),
            cache: None,
            kept: Vec::new(),
            replicas: Replicas::single_node(ReplicaId(1), Micros(0)),
            limits,
            now: Micros(1_000_000),
            fault,
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context { now: self.now, replicas: &self.replicas, limits: &self.limits }
    }

    /// Runs one step. Returns what could be observed of it.
    pub(super) fn run_step(&mut self, step: &ScriptStep) -> Option<Observation> {
        match step {
            ScriptStep::Advance(ms) => {
                self.now = self.now.plus_ms(*ms);
                None
            }
            ScriptStep::Restart => {
                let next = ReplicaId(self.replicas.local().0 + 1);
                self.replicas = Replicas::single_node(next, self.now);
                self.cache = None;
                self.kept.clear();
                let due_at = self.now.plus_ms(self.limits.away_grace_ms);
                for (_, check_at) in self.store.claims.values_mut() {
                    *check_at = check_at.map(|check_at| check_at.min(due_at));
                }
                Some(Observation::Restarted(self.now))
            }
            ScriptStep::Batch(actions) => {
                let executed = self.batch(actions, true);
                self.kept = executed
                    .iter()
                    .filter(|executed| executed.result.is_none())
                    .map(|executed| executed.op.clone())
                    .collect();
                Some(Observation::Committed(executed, self.store.clone()))
            }
            ScriptStep::FailedBatch(actions) => {
                self.batch(actions, false);
                None
            }
        }
    }

    /// Whether the server knows that it has to go on.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.kept.is_empty() || self.cache.as_ref().is_some_and(Resource::is_unfinished)
    }

    /// Whether the store has something to end or to grant as of its last commit.
    pub(super) fn work_left(&self) -> bool {
        self.store.work_left(&Context { now: self.store.committed_at, ..self.context() })
    }

    /// Executes a batch as the writer does: first what the last one left, then
    /// the rest. It assumes that unknown keys are new; if an insert is then
    /// rejected, it runs again with the keys of all acquires looked up.
    fn batch(&mut self, actions: &[Action], commit: bool) -> Vec<ExecutedOp> {
        let committed = self.committed_keys();
        let mut ops = self.kept.clone();
        if ops.is_empty() && self.is_unfinished() {
            ops.push(Op::Sweep { waiters: Vec::new() });
        }
        ops.extend(actions.iter().map(|action| action.op(&committed)));
        // With lost tombstones no insert would be rejected.
        let attempt = self.attempt(&ops, self.loses_tombstones(), commit);
        attempt.unwrap_or_else(|DuplicateKey| {
            self.cache = None;
            self.attempt(&ops, true, commit)
                .unwrap_or_else(|DuplicateKey| panic!("a key exists although every key was looked up"))
        })
    }

    fn committed_keys(&self) -> CommittedKeys {
        let mut committed = CommittedKeys::default();
        for (key, (claim, check_at)) in &self.store.claims {
            match &claim.phase {
                Phase::Waiting(_) => committed.waiting.push(key.clone()),
                Phase::Live(_) => committed.holding.push(key.clone()),
                Phase::Ended(_) => {}
            }
            if let Some(lease) = claim.lease() {
                committed.tokens.insert(key.clone(), lease.token);
            }
            if check_at.is_some_and(|check_at| check_at <= self.now) {
                committed.due.push(key.clone());
            }
        }
        committed
    }

    fn attempt(
        &mut self,
        ops: &[Op],
        look_up_keys: bool,
        commit: bool,
    ) -> Result<Vec<ExecutedOp>, DuplicateKey> {
        let mut resource = self.cache.take().unwrap_or_else(|| self.load());
        let ctx = self.context();
        for op in ops.iter().filter(|_| look_up_keys) {
            if let Op::Acquire { key, .. } = op
                && !resource.knows_claim(key)
            {
                self.provide(&mut resource, Need::Claim(key.clone()));
            }
        }
        let mut executed = Vec::new();
        let mut blocked = false;
        for op in ops {
            let mut effects = Effects::default();
            let result = loop {
                // Operations stay in order.
                if blocked {
                    break None;
                }
                match resource.execute(op, &ctx, &mut effects) {
                    Ok(result) => break Some(result),
                    Err(Blocked::Need(need)) => self.provide(&mut resource, need),
                    Err(Blocked::LimitReached) => blocked = true,
                }
            };
            let Effects { events, wakes } = effects;
            executed.push(ExecutedOp { op: op.clone(), now: self.now, result, events, wakes });
        }
        let store = self.with_changes(&resource)?;
        if commit {
            self.store = store;
            self.cache = resource.committed().then_some(resource);
        }
        Ok(executed)
    }

    fn loses_tombstones(&self) -> bool {
        self.fault == Some(Fault::TombstoneLost)
    }

    fn load(&self) -> Resource {
        let mut resource = match self.store.row {
            None => Resource::absent(self.store.floor),
            Some(row) => Resource::load(row, self.store.live().cloned().collect()),
        };
        resource.fault = self.fault;
        resource
    }

    fn provide(&self, resource: &mut Resource, need: Need) {
        let claims = self.store.claims.values().map(|(claim, _)| claim);
        match need {
            Need::Claim(key) => {
                let claim = self.store.claims.get(&key).map(|(claim, _)| claim.clone());
                resource.provide_claim(key, claim);
            }
            Need::Waiters { after } => {
                let ticket = |claim: &Claim| claim.queue_entry().map(|entry| entry.ticket);
                let mut waiters: Vec<_> = claims
                    .filter(|claim| ticket(claim).is_some_and(|ticket| ticket > after))
                    .cloned()
                    .collect();
                waiters.sort_by_key(ticket);
                waiters.truncate(PAGE);
                let all = waiters.len() < PAGE;
                resource.provide_waiters(waiters, all);
            }
            Need::ForceReleased { token } => {
                let forced = |claim: &&Claim| match &claim.phase {
                    Phase::Ended(tombstone) => tombstone.reason == crate::EndReason::ForceReleased,
                    _ => false,
                };
                let claim = claims
                    .filter(forced)
                    .find(|claim| claim.lease().is_some_and(|lease| lease.token == token));
                resource.provide_force_released(token, claim.cloned());
            }
        }
    }

    /// The committed state once the changes of the resource are committed.
    fn with_changes(&self, resource: &Resource) -> Result<StoreState, DuplicateKey> {
        let mut store = StoreState { committed_at: self.now, ..self.store.clone() };
        match resource.row_change() {
            RowChange::Keep => {}
            RowChange::Write { row, holder } => (store.row, store.holder) = (Some(row), holder),
            RowChange::Delete(floor) => {
                (store.row, store.holder) = (None, None);
                store.floor = floor;
            }
        }
        for change in resource.claim_changes() {
            let before =
                store.claims.insert(change.claim.key.clone(), ((*change.claim).clone(), change.check_at));
            if change.insert && before.is_some() {
                if self.loses_tombstones() {
                    // The fault: the store has lost the tombstone as well.
                    continue;
                }
                return Err(DuplicateKey);
            }
            assert!(change.insert || before.is_some(), "updated a row that does not exist");
            let phase = before.map(|(claim, _)| claim.phase);
            let was_live = matches!(phase, Some(Phase::Live(_)));
            assert_eq!(change.was_live, was_live, "was_live disagrees with the stored row");
            let was_waiting = matches!(phase, Some(Phase::Waiting(_)));
            assert_eq!(change.was_waiting, was_waiting, "was_waiting disagrees with the stored row");
        }
        let exclusive = |claim: &&Claim| claim.mode() == Mode::Exclusive;
        let holder = store.live().find(exclusive).map(|claim| &claim.key);
        assert!(
            self.fault.is_some() || store.holder.as_ref() == holder,
            "the row has the wrong exclusive holder"
        );
        Ok(store)
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        away_grace_ms: 10_000,
        idle_retention_ms: 4_000,
        holders_shown: 100,
        max_transitions: super::model::MAX_TRANSITIONS,
    }
}

/// Runs a script and returns everything that could be observed.
pub(super) fn observe(script: &[ScriptStep], fault: Option<Fault>) -> Vec<Observation> {
    let mut simulation = Simulation::new(fault);
    script.iter().filter_map(|step| simulation.run_step(step)).collect()
}
