//! The troubles in a wait-for graph.

use std::time::Duration;

use dlm_protocol::{BlockedLock, PossibleDeadlock, Timestamp, WaitGraph};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::service::TroubleThresholds;

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Trouble {
    LongWait { lock: BlockedLock },
    LongHold { lock: BlockedLock },
    PossibleDeadlock { deadlock: PossibleDeadlock },
}

/// The troubles that there are, deadlocks first, each with its id.
pub(super) fn found(graph: &WaitGraph, thresholds: TroubleThresholds) -> Vec<(String, Trouble)> {
    let is_past = |since: Timestamp, long: Duration| {
        let long = i64::try_from(long.as_micros()).unwrap_or(i64::MAX);
        graph.at.as_micros().saturating_sub(since.as_micros()) >= long
    };
    let deadlocks = graph
        .possible_deadlocks
        .iter()
        .map(|deadlock| (deadlock_id(deadlock), Trouble::PossibleDeadlock { deadlock: deadlock.clone() }));
    let waits =
        graph.locks.iter().filter(|lock| is_past(lock.oldest_enqueued_at, thresholds.wait)).map(|lock| {
            (format!("long_wait:{}", lock.resource.as_str()), Trouble::LongWait { lock: lock.clone() })
        });
    let is_held_long = |lock: &&BlockedLock| {
        thresholds
            .hold
            .is_some_and(|long| lock.holders.iter().any(|holder| is_past(holder.acquired_at, long)))
    };
    let holds = graph.locks.iter().filter(is_held_long).map(|lock| {
        (format!("long_hold:{}", lock.resource.as_str()), Trouble::LongHold { lock: lock.clone() })
    });
    deadlocks.chain(waits).chain(holds).collect()
}

/// The same for a cycle wherever it is read from.
pub(super) fn deadlock_id(deadlock: &PossibleDeadlock) -> String {
    let holders = deadlock.holders.iter();
    let mut leases: Vec<_> = holders.map(|holder| (holder.resource.as_str(), holder.fencing_token)).collect();
    leases.sort_unstable();
    let mut digest = Sha256::new();
    for (resource, token) in leases {
        digest.update(resource);
        digest.update([0]);
        digest.update(token.get().to_be_bytes());
    }
    let digest = digest.finalize();
    digest[..8].iter().fold("possible_deadlock:".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}
