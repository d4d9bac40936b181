//! The invariants I1 to I6, checked on what can be observed, without the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::model::MAX_TRANSITIONS;
use super::script::script;
use super::simulation::{ExecutedOp, Observation, observe};
use crate::{Claim, ClaimKey, Event, EventKind, KnowsKey, Lease, Micros, Mode, Op, Reply, WaitOutcome};

fn operations(observed: &[Observation]) -> impl Iterator<Item = &ExecutedOp> {
    observed.iter().flat_map(|observed| match observed {
        Observation::Committed(executed, _) => executed.as_slice(),
        Observation::Restarted(_) => &[],
    })
}

/// The claim that a reply reported as live.
fn replied_live(executed: &ExecutedOp) -> Option<&Claim> {
    match &executed.result {
        Some(Ok(Reply::Lease(claim))) => Some(claim),
        _ => None,
    }
}

/// The claims that wakes reported as live.
fn woken_live(executed: &ExecutedOp) -> impl Iterator<Item = &Claim> {
    executed.wakes.iter().filter_map(|wake| match &wake.outcome {
        WaitOutcome::Granted(claim) => Some(&**claim),
        WaitOutcome::Ended(_) => None,
    })
}

/// Every claim that a reply or a wake reported as live.
fn reported_live(executed: &ExecutedOp) -> impl Iterator<Item = &Claim> {
    replied_live(executed).into_iter().chain(woken_live(executed))
}

fn lease(claim: &Claim) -> &Lease {
    claim.lease().expect("a live claim has a lease")
}

/// Two conflicting leases are never both live, neither by the event log nor in
/// the committed state.
pub(super) fn i1(observed: &[Observation]) -> TestCaseResult {
    let mut live: BTreeMap<u64, Mode> = BTreeMap::new();
    for observed in observed {
        let Observation::Committed(executed, store) = observed else { continue };
        for event in executed.iter().flat_map(|executed| &executed.events) {
            let Some(token) = event.token else { continue };
            if event.kind == EventKind::Granted {
                live.insert(token, event.mode);
            } else {
                live.remove(&token);
            }
            let exclusive = live.values().any(|mode| *mode == Mode::Exclusive);
            prop_assert!(!exclusive || live.len() == 1, "conflicting leases: {:?}", live);
        }
        let stored: BTreeMap<u64, Mode> =
            store.live().map(|claim| (lease(claim).token, claim.mode())).collect();
        prop_assert_eq!(&stored, &live);
    }
    Ok(())
}

/// The token counter grows by one at each grant, and by one when a lease
/// expires or is force-released, and never otherwise. The version grows by one
/// with each event.
pub(super) fn i2(observed: &[Observation]) -> TestCaseResult {
    let (mut token, mut version) = (0, 0);
    for event in operations(observed).flat_map(|executed| &executed.events) {
        let increments =
            matches!(event.kind, EventKind::Granted | EventKind::Expired | EventKind::ForceReleased);
        token += u64::from(increments);
        version += 1;
        prop_assert_eq!(event.current_token, token, "after {:?}", event);
        prop_assert_eq!(event.version, version, "after {:?}", event);
        if event.kind == EventKind::Granted {
            prop_assert_eq!(event.token, Some(token));
        }
    }
    Ok(())
}

/// A lease that has ended or expired is never reported as live.
pub(super) fn i3(observed: &[Observation]) -> TestCaseResult {
    let mut ended = BTreeSet::new();
    let mut expires_at: HashMap<u64, Micros> = HashMap::new();
    for executed in operations(observed) {
        let before_expiry = |token: &u64| expires_at.get(token).is_none_or(|at| executed.now < *at);
        for claim in reported_live(executed) {
            let token = lease(claim).token;
            prop_assert!(!ended.contains(&token), "{} is live again", token);
            prop_assert!(before_expiry(&token), "{} is live after its expiry", token);
        }
        if let (Op::Check { token }, Some(Ok(Reply::Checked { live: Some(_), .. }))) =
            (&executed.op, &executed.result)
        {
            prop_assert!(before_expiry(token) && !ended.contains(token), "a check reports {} as live", token);
        }
        for claim in reported_live(executed) {
            expires_at.insert(lease(claim).token, lease(claim).expires_at);
        }
        let ends = |event: &&Event| {
            matches!(event.kind, EventKind::Released | EventKind::Expired | EventKind::ForceReleased)
        };
        for token in executed.events.iter().filter(ends).filter_map(|event| event.token) {
            prop_assert!(ended.insert(token), "{} ended twice", token);
        }
    }
    Ok(())
}

/// Only the key that was granted a lease can renew and release it.
pub(super) fn i4(observed: &[Observation]) -> TestCaseResult {
    let mut grantees: HashMap<u64, ClaimKey> = HashMap::new();
    let grantee = |claim: &Claim| (lease(claim).token, claim.key.clone());
    for executed in operations(observed) {
        // What is due comes first: a renewal may find the lease that was granted by it.
        grantees.extend(woken_live(executed).map(grantee));
        if let (Op::Renew { key, token, .. } | Op::Release { key, token }, Some(Ok(_))) =
            (&executed.op, &executed.result)
        {
            prop_assert_eq!(grantees.get(token), Some(key), "{:?}", executed.op);
        }
        grantees.extend(replied_live(executed).map(grantee));
    }
    Ok(())
}

/// A key is granted at most once.
pub(super) fn i5(observed: &[Observation]) -> TestCaseResult {
    let mut granted: HashMap<&ClaimKey, u64> = HashMap::new();
    for claim in operations(observed).flat_map(reported_live) {
        let token = lease(claim).token;
        let first = *granted.entry(&claim.key).or_insert(token);
        prop_assert_eq!(first, token, "{:?} was granted twice", &claim.key);
    }
    Ok(())
}

/// A waiter in the queue, by the event log.
struct QueuedWaiter {
    key: ClaimKey,
    mode: Mode,
    /// Whether a request of it is held open.
    present: bool,
}

fn set_present(queue: &mut BTreeMap<u64, QueuedWaiter>, key: &ClaimKey, present: bool) {
    queue.values_mut().filter(|waiter| waiter.key == *key).for_each(|waiter| waiter.present = present);
}

/// Grants are in FIFO order: only a present waiter is granted, never ahead of
/// another present waiter, and the first present waiter is granted as soon as
/// the lock is free for it, unless the batch has reached the limit of
/// transitions.
pub(super) fn i6(observed: &[Observation]) -> TestCaseResult {
    let mut queue: BTreeMap<u64, QueuedWaiter> = BTreeMap::new();
    let mut holders: BTreeMap<u64, Mode> = BTreeMap::new();
    for observed in observed {
        let Observation::Committed(batch, _) = observed else {
            queue.values_mut().for_each(|waiter| waiter.present = false);
            continue;
        };
        let mut events = 0;
        for executed in batch {
            events += executed.events.len();
            // A returning waiter may be granted by the operation that brings it
            // back. Waiters that were due before need not yield to it.
            let returning = match (&executed.op, &executed.result) {
                (Op::Acquire { key, .. }, Some(Ok(_))) => Some(key),
                _ => None,
            };
            if let (Op::Leave { key, knows_key: KnowsKey::Yes | KnowsKey::No }, Some(_)) =
                (&executed.op, &executed.result)
            {
                set_present(&mut queue, key, false);
            }
            for event in &executed.events {
                match (event.kind, event.ticket, event.token) {
                    (EventKind::Queued, Some(ticket), _) => {
                        let Some(key) = returning.cloned() else {
                            panic!("{event:?} caused by {:?}", executed.op)
                        };
                        queue.insert(ticket, QueuedWaiter { key, mode: event.mode, present: true });
                    }
                    (EventKind::Granted, ticket, Some(token)) => {
                        if let Some(ticket) = ticket {
                            let QueuedWaiter { key, present, .. } =
                                queue.remove(&ticket).expect("the ticket is in the queue");
                            prop_assert!(
                                present || returning == Some(&key),
                                "{:?} was away: {:?}",
                                key,
                                event
                            );
                        }
                        let mut ahead = queue.range(..ticket.unwrap_or(u64::MAX));
                        let overtaken =
                            ahead.find(|(_, waiter)| waiter.present).map(|(_, waiter)| &waiter.key);
                        prop_assert_eq!(overtaken, None, "overtaken by {:?}", event);
                        holders.insert(token, event.mode);
                    }
                    (EventKind::Cancelled | EventKind::WaitTimedOut, Some(ticket), _) => {
                        queue.remove(&ticket);
                    }
                    (_, _, token) => holders.retain(|holder, _| Some(*holder) != token),
                }
                prop_assert_eq!(event.queue_len, queue.len() as u64);
            }
            if let Some(key) = returning {
                set_present(&mut queue, key, true);
            }
            if let Some(first) = queue.values().find(|waiter| waiter.present) {
                let modes = || holders.values().chain([&first.mode]);
                let must_wait = !holders.is_empty() && modes().any(|mode| *mode == Mode::Exclusive);
                let limit_reached = events >= MAX_TRANSITIONS;
                prop_assert!(
                    must_wait || limit_reached,
                    "{:?} is not granted after {:?}",
                    &first.key,
                    executed.op
                );
            }
        }
    }
    Ok(())
}

macro_rules! holds {
    ($($(#[$doc:meta])* $name:ident: $property:expr;)*) => {
        proptest! {
            #![proptest_config(super::cases(2000))]
            $($(#[$doc])* #[test] fn $name(script in script()) {
                $property(&observe(&script, None))?;
            })*
        }
    };
}

holds! {
    i1_conflicting_leases_are_never_both_live: i1;
    i2_tokens_grow_only_by_grants_expiries_and_force_releases: i2;
    i3_ended_lease_never_becomes_live_again: i3;
    i4_only_the_holder_can_renew_and_release: i4;
    i5_key_is_granted_at_most_once: i5;
    i6_grants_are_in_fifo_order: i6;
}
