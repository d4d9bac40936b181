//! A driver for examples: runs operations on one resource and keeps the effects
//! of the last one.

use super::script::{key, request};
use crate::{
    Blocked, Claim, Context, Effects, EndReason, Floor, KnowsKey, Limits, Micros, Mode, Need, Op, Refusal,
    ReplicaId, Replicas, Reply, Resource,
};

/// A new resource with a clock. Nothing is ever committed.
pub(super) struct Scenario {
    pub(super) resource: Resource,
    pub(super) replicas: Replicas,
    pub(super) limits: Limits,
    pub(super) now: Micros,
    pub(super) effects: Effects,
}

impl Scenario {
    pub(super) fn new() -> Self {
        Self {
            resource: Resource::absent(Floor::default()),
            replicas: Replicas::single_node(ReplicaId(1), Micros(0)),
            limits: Limits { max_transitions: usize::MAX, ..super::simulation::limits() },
            now: Micros(0),
            effects: Effects::default(),
        }
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(super) fn run(&mut self, op: impl std::borrow::Borrow<Op>) -> Result<Reply, Refusal> {
        let ctx = Context { now: self.now, replicas: &self.replicas, limits: &self.limits };
        self.effects = Effects::default();
        loop {
            match self.resource.execute(op.borrow(), &ctx, &mut self.effects) {
                Ok(result) => return result,
                Err(Blocked::LimitReached) => panic!("blocked: {:?}", op.borrow()),
                Err(Blocked::Need(Need::Claim(key))) => self.resource.provide_claim(key, None),
                Err(Blocked::Need(Need::ForceReleased { token })) => {
                    self.resource.provide_force_released(token, None);
                }
                // All waiters are among the uncommitted changes.
                Err(Blocked::Need(Need::Waiters { .. })) => self.resource.provide_waiters(Vec::new(), true),
            }
        }
    }

    pub(super) fn acquire(
        &mut self,
        index: usize,
        mode: Mode,
        ttl_ms: u64,
        wait_ms: u64,
    ) -> Result<Reply, Refusal> {
        self.run(Op::Acquire { key: key(index), request: request(mode, ttl_ms, wait_ms) })
    }

    pub(super) fn lock(&mut self, index: usize) -> u64 {
        token(&self.acquire(index, Mode::Exclusive, 1000, 0))
    }

    pub(super) fn wait(&mut self, index: usize, mode: Mode) {
        assert_eq!(self.acquire(index, mode, 1000, 60_000), Ok(Reply::Queued));
    }

    pub(super) fn release(&mut self, index: usize, token: u64) -> Result<Reply, Refusal> {
        self.run(Op::Release { key: key(index), token })
    }

    pub(super) fn renew(&mut self, index: usize, token: u64, ttl_ms: Option<u64>) -> Result<Reply, Refusal> {
        self.run(Op::Renew { key: key(index), token, ttl_ms })
    }

    pub(super) fn leave(&mut self, index: usize) {
        assert_eq!(self.run(Op::Leave { key: key(index), knows_key: KnowsKey::Yes }), Ok(Reply::Left));
    }

    pub(super) fn woken(&self) -> Vec<usize> {
        let index = |wake: &crate::Wake| {
            (0..10).find(|index| wake.key == key(*index)).expect("the key was made by `key`")
        };
        self.effects.wakes.iter().map(index).collect()
    }
}

pub(super) fn claim_of(result: &Result<Reply, Refusal>) -> &Claim {
    match result {
        Ok(Reply::Lease(claim)) => claim,
        other => panic!("expected a lease, got {other:?}"),
    }
}

pub(super) fn token(result: &Result<Reply, Refusal>) -> u64 {
    claim_of(result).lease().expect("the claim has a lease").token
}

pub(super) fn ended(reason: EndReason) -> Result<Reply, Refusal> {
    Err(Refusal::Ended(Some(reason)))
}
