//! Random scripts: batches of operations on one resource, failed commits, time
//! and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::{ClaimKey, KnowsKey, Mode, Op, Request};

/// The number of keys. Few, so that they are reused often.
const KEYS: usize = 12;
/// The number of arbitrary tokens, most of which were never granted to the key.
const TOKENS: u64 = 12;

/// One step of a script.
#[derive(Debug, Clone)]
pub(super) enum ScriptStep {
    /// A batch of operations is executed and committed.
    Batch(Vec<Action>),
    /// A batch of operations is executed, but its commit fails.
    FailedBatch(Vec<Action>),
    /// Time advances by so many milliseconds.
    Advance(u64),
    /// The server stops and a new replica starts.
    Restart,
}

/// One operation whose key and token are chosen when its batch is executed.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Acquire {
        key: KeyChoice,
        /// Whether it uses another mode than the key's usual one, which must be
        /// refused if the key is in use.
        other_mode: bool,
    },
    Leave {
        key: KeyChoice,
        knows_key: KnowsKey,
    },
    Cancel {
        key: KeyChoice,
    },
    Renew {
        key: KeyChoice,
        token: TokenChoice,
        ttl_ms: Option<u64>,
    },
    Release {
        key: KeyChoice,
        token: TokenChoice,
    },
    ForceRelease {
        key: KeyChoice,
        token: TokenChoice,
    },
    Check {
        key: KeyChoice,
        token: TokenChoice,
    },
    RequestRelease {
        key: KeyChoice,
        token: TokenChoice,
    },
    /// A sweep of all waiters whose check instant has passed.
    Sweep,
}

/// Which key an operation uses.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyChoice {
    /// The key with this number.
    Any(usize),
    /// The key of a waiter, if there is one.
    Waiter(usize),
    /// The key of a holder, if there is one.
    Holder(usize),
}

/// Which token an operation uses.
#[derive(Debug, Clone, Copy)]
pub(super) enum TokenChoice {
    /// The token that was granted to the key, else 0.
    Own,
    /// This token.
    Any(u64),
}

/// The keys and tokens that are committed when a batch starts.
#[derive(Debug, Default)]
pub(super) struct CommittedKeys {
    pub(super) waiting: Vec<ClaimKey>,
    pub(super) holding: Vec<ClaimKey>,
    pub(super) tokens: BTreeMap<ClaimKey, u64>,
    /// The waiters whose check instant has passed.
    pub(super) due: Vec<ClaimKey>,
}

pub(super) fn key(index: usize) -> ClaimKey {
    ClaimKey::new("", format!("key-{index}"))
}

pub(super) fn request(mode: Mode, ttl_ms: u64, wait_ms: u64) -> Arc<Request> {
    Arc::new(Request { mode, ttl_ms, wait_ms, owner: "".into(), metadata: "{}".into() })
}

/// Every key has fixed parameters, so that most retries carry equal ones.
fn request_of(key: &ClaimKey, other_mode: bool) -> Arc<Request> {
    let index: usize = key.key.trim_start_matches("key-").parse().expect("the key was made by `key`");
    let mode = if index.is_multiple_of(2) ^ other_mode { Mode::Shared } else { Mode::Exclusive };
    request(mode, 1000 * (1 + index as u64 % 3), [40_000, 0, 900, 30_000][index / 2 % 4])
}

impl KeyChoice {
    fn key(self, committed: &CommittedKeys) -> ClaimKey {
        let (index, of) = match self {
            Self::Any(index) => (index, None),
            Self::Waiter(index) => (index, Some(&committed.waiting)),
            Self::Holder(index) => (index, Some(&committed.holding)),
        };
        match of {
            Some(keys) if !keys.is_empty() => keys[index % keys.len()].clone(),
            _ => key(index),
        }
    }

    fn lease(self, token: TokenChoice, committed: &CommittedKeys) -> (ClaimKey, u64) {
        let key = self.key(committed);
        let token = match token {
            TokenChoice::Own => committed.tokens.get(&key).copied().unwrap_or(0),
            TokenChoice::Any(token) => token,
        };
        (key, token)
    }
}

impl Action {
    pub(super) fn op(&self, committed: &CommittedKeys) -> Op {
        match *self {
            Self::Acquire { key, other_mode } => {
                let key = key.key(committed);
                Op::Acquire { request: request_of(&key, other_mode), key }
            }
            Self::Leave { key, knows_key } => Op::Leave { key: key.key(committed), knows_key },
            Self::Cancel { key } => Op::Cancel { key: key.key(committed) },
            Self::Renew { key, token, ttl_ms } => {
                let (key, token) = key.lease(token, committed);
                Op::Renew { key, token, ttl_ms }
            }
            Self::Release { key, token } => {
                let (key, token) = key.lease(token, committed);
                Op::Release { key, token }
            }
            Self::ForceRelease { key, token } => Op::ForceRelease {
                token: key.lease(token, committed).1,
                reason: "host is gone".into(),
                by: None,
            },
            Self::Check { key, token } => Op::Check { token: key.lease(token, committed).1 },
            Self::RequestRelease { key, token } => {
                Op::RequestRelease { token: key.lease(token, committed).1, within_ms: 1000 }
            }
            Self::Sweep => Op::Sweep { waiters: committed.due.clone() },
        }
    }
}

fn knows_key() -> impl Strategy<Value = KnowsKey> {
    prop_oneof![6 => Just(KnowsKey::Yes), 1 => Just(KnowsKey::No), 1 => Just(KnowsKey::Unsure)]
}

fn action() -> impl Strategy<Value = Action> {
    let anyone = || (0..KEYS).prop_map(KeyChoice::Any);
    let waiter = || prop_oneof![3 => (0..KEYS).prop_map(KeyChoice::Waiter), 1 => anyone()];
    let holder = || prop_oneof![3 => (0..KEYS).prop_map(KeyChoice::Holder), 1 => anyone()];
    let which = || prop_oneof![5 => Just(TokenChoice::Own), 1 => (0..TOKENS).prop_map(TokenChoice::Any)];
    let other_mode = prop::bool::weighted(0.08);
    prop_oneof![
        10 => (prop_oneof![4 => anyone(), 1 => waiter()], other_mode)
            .prop_map(|(key, other_mode)| Action::Acquire { key, other_mode }),
        2 => (waiter(), knows_key()).prop_map(|(key, knows_key)| Action::Leave { key, knows_key }),
        1 => prop_oneof![waiter(), holder()].prop_map(|key| Action::Cancel { key }),
        3 => (holder(), which(), prop::option::of(200..4000_u64))
            .prop_map(|(key, token, ttl_ms)| Action::Renew { key, token, ttl_ms }),
        4 => (holder(), which()).prop_map(|(key, token)| Action::Release { key, token }),
        1 => (holder(), which()).prop_map(|(key, token)| Action::ForceRelease { key, token }),
        1 => (holder(), which()).prop_map(|(key, token)| Action::Check { key, token }),
        1 => (holder(), which()).prop_map(|(key, token)| Action::RequestRelease { key, token }),
        2 => Just(Action::Sweep),
    ]
}

/// A sequence of up to about sixty operations.
pub(super) fn script() -> impl Strategy<Value = Vec<ScriptStep>> {
    let batch = || prop::collection::vec(action(), 1..=5);
    let step = prop_oneof![
        12 => batch().prop_map(ScriptStep::Batch),
        1 => batch().prop_map(ScriptStep::FailedBatch),
        4 => prop_oneof![0..300_u64, 300..3000_u64, 9_000..12_000_u64].prop_map(ScriptStep::Advance),
        1 => Just(ScriptStep::Restart),
    ];
    prop::collection::vec(step, 1..32)
}
