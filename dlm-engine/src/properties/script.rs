//! Random sequences of what clients, operators and fate do to one resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::{ClaimKey, Mode, Op, Request};

/// Keys are few, so that they are used again.
const KEYS: usize = 12;
/// So are tokens that nobody was given.
const TOKENS: u64 = 12;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// A batch of operations is executed and committed.
    Batch(Vec<Action>),
    /// A batch is executed, but its commit fails: it did not happen.
    FailedBatch(Vec<Action>),
    /// Time goes on.
    Pass(u64),
    /// The server ends and a new one starts.
    Restart,
}

/// One operation, before it is known who holds and who waits.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Acquire {
        who: Who,
        /// Whether it asks for another mode than its key is used for.
        odd: bool,
    },
    Leave {
        who: Who,
        can_return: bool,
    },
    Cancel {
        who: Who,
    },
    Renew {
        who: Who,
        token: Which,
        ttl_ms: Option<u64>,
    },
    Release {
        who: Who,
        token: Which,
    },
    ForceRelease {
        who: Who,
        token: Which,
    },
    Check {
        who: Who,
        token: Which,
    },
    /// As the sweeper does, with all waiters that are due.
    Sweep,
}

/// Whose key an operation names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Anyone(usize),
    /// One of those who wait, if there are any.
    Waiter(usize),
    /// One of those who hold, if there are any.
    Holder(usize),
}

/// Which token an operation names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// The one that the key was granted, if it was.
    Own,
    Any(u64),
}

/// What is known when a batch begins.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) waiting: Vec<ClaimKey>,
    pub(super) holding: Vec<ClaimKey>,
    pub(super) tokens: BTreeMap<ClaimKey, u64>,
    /// The waiters that the sweeper has to look at.
    pub(super) due: Vec<ClaimKey>,
}

pub(super) fn key(index: usize) -> ClaimKey {
    ClaimKey::new("", format!("key-{index}"))
}

pub(super) fn request(mode: Mode, ttl_ms: u64, wait_ms: u64) -> Arc<Request> {
    Arc::new(Request { mode, ttl_ms, wait_ms, owner: "".into(), metadata: "{}".into() })
}

/// A key keeps to its parameters, so that most repeats are true ones.
fn request_of(key: &ClaimKey, odd: bool) -> Arc<Request> {
    let index: usize = key.key.trim_start_matches("key-").parse().expect("a key of the script");
    let mode = if index.is_multiple_of(2) ^ odd { Mode::Shared } else { Mode::Exclusive };
    request(mode, 1000 * (1 + index as u64 % 3), [40_000, 0, 900, 30_000][index / 2 % 4])
}

impl Who {
    fn key(self, known: &Known) -> ClaimKey {
        let (index, of) = match self {
            Self::Anyone(index) => (index, None),
            Self::Waiter(index) => (index, Some(&known.waiting)),
            Self::Holder(index) => (index, Some(&known.holding)),
        };
        match of {
            Some(keys) if !keys.is_empty() => keys[index % keys.len()].clone(),
            _ => key(index),
        }
    }

    fn lease(self, token: Which, known: &Known) -> (ClaimKey, u64) {
        let key = self.key(known);
        let token = match token {
            Which::Own => known.tokens.get(&key).copied().unwrap_or(0),
            Which::Any(token) => token,
        };
        (key, token)
    }
}

impl Action {
    pub(super) fn op(&self, known: &Known) -> Op {
        match *self {
            Self::Acquire { who, odd } => {
                let key = who.key(known);
                Op::Acquire { request: request_of(&key, odd), key }
            }
            Self::Leave { who, can_return } => Op::Leave { key: who.key(known), can_return },
            Self::Cancel { who } => Op::Cancel { key: who.key(known) },
            Self::Renew { who, token, ttl_ms } => {
                let (key, token) = who.lease(token, known);
                Op::Renew { key, token, ttl_ms }
            }
            Self::Release { who, token } => {
                let (key, token) = who.lease(token, known);
                Op::Release { key, token }
            }
            Self::ForceRelease { who, token } => {
                Op::ForceRelease { token: who.lease(token, known).1, reason: "because".into() }
            }
            Self::Check { who, token } => Op::Check { token: who.lease(token, known).1 },
            Self::Sweep => Op::Sweep { waiters: known.due.clone() },
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let anyone = || (0..KEYS).prop_map(Who::Anyone);
    let waiter = || prop_oneof![3 => (0..KEYS).prop_map(Who::Waiter), 1 => anyone()];
    let holder = || prop_oneof![3 => (0..KEYS).prop_map(Who::Holder), 1 => anyone()];
    let which = || prop_oneof![5 => Just(Which::Own), 1 => (0..TOKENS).prop_map(Which::Any)];
    let odd = prop::bool::weighted(0.08);
    prop_oneof![
        10 => (prop_oneof![4 => anyone(), 1 => waiter()], odd)
            .prop_map(|(who, odd)| Action::Acquire { who, odd }),
        2 => (waiter(), prop::bool::weighted(0.8))
            .prop_map(|(who, can_return)| Action::Leave { who, can_return }),
        1 => prop_oneof![waiter(), holder()].prop_map(|who| Action::Cancel { who }),
        3 => (holder(), which(), prop::option::of(200..4000_u64))
            .prop_map(|(who, token, ttl_ms)| Action::Renew { who, token, ttl_ms }),
        4 => (holder(), which()).prop_map(|(who, token)| Action::Release { who, token }),
        1 => (holder(), which()).prop_map(|(who, token)| Action::ForceRelease { who, token }),
        1 => (holder(), which()).prop_map(|(who, token)| Action::Check { who, token }),
        2 => Just(Action::Sweep),
    ]
}

/// A sequence of up to about sixty operations.
pub(super) fn script() -> impl Strategy<Value = Vec<Happening>> {
    let batch = || prop::collection::vec(action(), 1..=5);
    let happening = prop_oneof![
        12 => batch().prop_map(Happening::Batch),
        1 => batch().prop_map(Happening::FailedBatch),
        4 => prop_oneof![0..300_u64, 300..3000_u64, 9_000..12_000_u64].prop_map(Happening::Pass),
        1 => Just(Happening::Restart),
    ];
    prop::collection::vec(happening, 1..32)
}
