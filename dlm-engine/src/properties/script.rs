//! Random sequences of what clients, operators and fate do to one resource.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{ClaimKey, Mode, Op, Request};

/// Keys are few, so that they are used again.
const KEYS: usize = 7;
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

/// One operation, before it is known who holds what.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Acquire {
        key: usize,
        mode: Mode,
        ttl_ms: u64,
        wait_ms: u64,
    },
    Leave {
        key: usize,
        can_return: bool,
    },
    Cancel {
        key: usize,
    },
    Renew {
        key: usize,
        token: Which,
        ttl_ms: Option<u64>,
    },
    Release {
        key: usize,
        token: Which,
    },
    ForceRelease {
        token: u64,
    },
    Check {
        token: u64,
    },
    /// As the sweeper does, with all waiters that are due.
    Sweep,
}

/// Which token an operation names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// The one that the key was granted, if it was.
    Own,
    Any(u64),
}

pub(super) fn key(index: usize) -> ClaimKey {
    ClaimKey::new("", format!("key-{index}"))
}

pub(super) fn request(mode: Mode, ttl_ms: u64, wait_ms: u64) -> Arc<Request> {
    Arc::new(Request { mode, ttl_ms, wait_ms, owner: "".into(), metadata: "{}".into() })
}

impl Action {
    /// The operation, given the token that each key was granted and the
    /// waiters that are due.
    pub(super) fn op(&self, granted: impl Fn(&ClaimKey) -> Option<u64>, due: Vec<ClaimKey>) -> Op {
        let which = |index: usize, which: Which| match which {
            Which::Own => granted(&key(index)).unwrap_or(0),
            Which::Any(token) => token,
        };
        match self {
            Self::Acquire { key: index, mode, ttl_ms, wait_ms } => {
                Op::Acquire { key: key(*index), request: request(*mode, *ttl_ms, *wait_ms) }
            }
            Self::Leave { key: index, can_return } => Op::Leave { key: key(*index), can_return: *can_return },
            Self::Cancel { key: index } => Op::Cancel { key: key(*index) },
            Self::Renew { key: index, token, ttl_ms } => {
                Op::Renew { key: key(*index), token: which(*index, *token), ttl_ms: *ttl_ms }
            }
            Self::Release { key: index, token } => {
                Op::Release { key: key(*index), token: which(*index, *token) }
            }
            Self::ForceRelease { token } => Op::ForceRelease { token: *token, reason: "because".into() },
            Self::Check { token } => Op::Check { token: *token },
            Self::Sweep => Op::Sweep { waiters: due },
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let key = 0..KEYS;
    let which = prop_oneof![4 => Just(Which::Own), 1 => (0..TOKENS).prop_map(Which::Any)];
    prop_oneof![
        // A key keeps to few parameters, so that most repeats are true ones.
        10 => (key.clone(), 0..12_u8).prop_map(|(key, odd)| {
            let mode = if (key % 3 == 0) ^ (odd == 0) { Mode::Shared } else { Mode::Exclusive };
            let wait_ms = [0, 40_000, 900, 30_000][key % 4];
            Action::Acquire { key, mode, ttl_ms: 1000 * (1 + key as u64 % 3), wait_ms }
        }),
        3 => (key.clone(), any::<bool>()).prop_map(|(key, can_return)| Action::Leave { key, can_return }),
        1 => key.clone().prop_map(|key| Action::Cancel { key }),
        3 => (key.clone(), which.clone(), prop::option::of(200..4000_u64))
            .prop_map(|(key, token, ttl_ms)| Action::Renew { key, token, ttl_ms }),
        5 => (key, which).prop_map(|(key, token)| Action::Release { key, token }),
        1 => (0..TOKENS).prop_map(|token| Action::ForceRelease { token }),
        1 => (0..TOKENS).prop_map(|token| Action::Check { token }),
        2 => Just(Action::Sweep),
    ]
}

/// A sequence of up to about sixty operations.
pub(super) fn script() -> impl Strategy<Value = Vec<Happening>> {
    let batch = || prop::collection::vec(action(), 1..5);
    let happening = prop_oneof![
        12 => batch().prop_map(Happening::Batch),
        1 => batch().prop_map(Happening::FailedBatch),
        4 => prop_oneof![0..300_u64, 300..3000_u64, 9_000..12_000_u64].prop_map(Happening::Pass),
        1 => Just(Happening::Restart),
    ];
    prop::collection::vec(happening, 1..32)
}
