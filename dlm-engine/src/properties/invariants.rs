//! I1 to I6 on what was observed, without the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::disk::{Done, Observed, World, observe};
use super::script::{Happening, script};
use crate::{Claim, ClaimKey, Event, EventKind, Lease, Micros, Mode, Op, Phase, Reply, WaitOutcome};

pub(super) type Property = fn(&[Observed]) -> TestCaseResult;

fn operations(observed: &[Observed]) -> impl Iterator<Item = &Done> {
    observed.iter().flat_map(|observed| match observed {
        Observed::Committed(done, _) => done.as_slice(),
        Observed::Restarted(_) => &[],
    })
}

/// Every claim that was shown to be live: in an answer or a wake.
fn told(done: &Done) -> impl Iterator<Item = &Claim> {
    let answered = match &done.result {
        Ok(Reply::Lease(claim)) => Some(&**claim),
        _ => None,
    };
    let woken = done.wakes.iter().filter_map(|wake| match &wake.outcome {
        WaitOutcome::Granted(claim) => Some(&**claim),
        WaitOutcome::Ended(_) => None,
    });
    answered.into_iter().chain(woken)
}

fn lease(claim: &Claim) -> &Lease {
    claim.lease().expect("what is told to be live has a lease")
}

/// Two conflicting leases are never both live: as the log tells it, and as it
/// is stored.
pub(super) fn i1(observed: &[Observed]) -> TestCaseResult {
    let mut live: BTreeMap<u64, Mode> = BTreeMap::new();
    for observed in observed {
        let Observed::Committed(done, disk) = observed else { continue };
        for event in done.iter().flat_map(|done| &done.events) {
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
            disk.live().map(|claim| (lease(claim).token, claim.mode())).collect();
        prop_assert_eq!(&stored, &live);
    }
    Ok(())
}

/// The counter grows by one at each grant, and by one when a lease expires or
/// is force-released, and by nothing else; the version by one an event.
pub(super) fn i2(observed: &[Observed]) -> TestCaseResult {
    let (mut token, mut version) = (0, 0);
    for event in operations(observed).flat_map(|done| &done.events) {
        let bumps = matches!(event.kind, EventKind::Granted | EventKind::Expired | EventKind::ForceReleased);
        token += u64::from(bumps);
        version += 1;
        prop_assert_eq!(event.current_token, token, "after {:?}", event);
        prop_assert_eq!(event.version, version, "after {:?}", event);
        if event.kind == EventKind::Granted {
            prop_assert_eq!(event.token, Some(token));
        }
    }
    Ok(())
}

/// A lease that has ended, or whose time is over, is never shown to be live.
pub(super) fn i3(observed: &[Observed]) -> TestCaseResult {
    let mut ended = BTreeSet::new();
    let mut expires_at: HashMap<u64, Micros> = HashMap::new();
    for done in operations(observed) {
        let in_time = |token: &u64| expires_at.get(token).is_none_or(|at| done.now < *at);
        for claim in told(done) {
            let token = lease(claim).token;
            prop_assert!(!ended.contains(&token), "{} lives again", token);
            prop_assert!(in_time(&token), "{} outlived its term", token);
        }
        if let (Op::Check { token }, Ok(Reply::Checked { live: Some(_), .. })) = (&done.op, &done.result) {
            prop_assert!(in_time(token) && !ended.contains(token), "{} is checked as live", token);
        }
        for claim in told(done) {
            expires_at.insert(lease(claim).token, lease(claim).expires_at);
        }
        let ends = |event: &&Event| {
            matches!(event.kind, EventKind::Released | EventKind::Expired | EventKind::ForceReleased)
        };
        for token in done.events.iter().filter(ends).filter_map(|event| event.token) {
            prop_assert!(ended.insert(token), "{} ended twice", token);
        }
    }
    Ok(())
}

/// Only the key that was granted a token renews and releases it.
pub(super) fn i4(observed: &[Observed]) -> TestCaseResult {
    let mut owners: HashMap<u64, ClaimKey> = HashMap::new();
    for done in operations(observed) {
        if let (Op::Renew { key, token, .. } | Op::Release { key, token }, Ok(_)) = (&done.op, &done.result) {
            prop_assert_eq!(owners.get(token), Some(key), "{:?}", done.op);
        }
        for claim in told(done) {
            owners.insert(lease(claim).token, claim.key.clone());
        }
    }
    Ok(())
}

/// One key, one grant.
pub(super) fn i5(observed: &[Observed]) -> TestCaseResult {
    let mut granted: HashMap<&ClaimKey, u64> = HashMap::new();
    for claim in operations(observed).flat_map(told) {
        let token = lease(claim).token;
        let first = *granted.entry(&claim.key).or_insert(token);
        prop_assert_eq!(first, token, "{:?} was granted twice", &claim.key);
    }
    Ok(())
}

/// One in the queue, as the log tells it.
struct Waiter {
    key: ClaimKey,
    mode: Mode,
    /// Whether a request of it is held open.
    there: bool,
}

fn mark(queue: &mut BTreeMap<u64, Waiter>, key: &ClaimKey, there: bool) {
    queue.values_mut().filter(|waiter| waiter.key == *key).for_each(|waiter| waiter.there = there);
}

/// First come, first served: whoever is granted is there, nobody who is there
/// is ahead of it, and the first who is there waits for no longer than it must.
pub(super) fn i6(observed: &[Observed]) -> TestCaseResult {
    let mut queue: BTreeMap<u64, Waiter> = BTreeMap::new();
    let mut holders: BTreeMap<u64, Mode> = BTreeMap::new();
    for observed in observed {
        let Observed::Committed(done, _) = observed else {
            queue.values_mut().for_each(|waiter| waiter.there = false);
            continue;
        };
        for done in done {
            // One who comes back may be granted in the same breath, but what
            // was due before it came need not wait for it.
            let coming = match (&done.op, &done.result) {
                (Op::Acquire { key, .. }, Ok(_)) => Some(key),
                _ => None,
            };
            if let Op::Leave { key, .. } = &done.op {
                mark(&mut queue, key, false);
            }
            for event in &done.events {
                match (event.kind, event.ticket, event.token) {
                    (EventKind::Queued, Some(ticket), _) => {
                        let Some(key) = coming.cloned() else { panic!("{event:?} of {:?}", done.op) };
                        queue.insert(ticket, Waiter { key, mode: event.mode, there: true });
                    }
                    (EventKind::Granted, ticket, Some(token)) => {
                        if let Some(ticket) = ticket {
                            let Waiter { key, there, .. } = queue.remove(&ticket).expect("a waiter");
                            prop_assert!(there || coming == Some(&key), "{:?} was gone: {:?}", key, event);
                        }
                        let mut ahead = queue.range(..ticket.unwrap_or(u64::MAX));
                        let overtaken = ahead.find(|(_, waiter)| waiter.there).map(|(_, waiter)| &waiter.key);
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
            if let Some(key) = coming {
                mark(&mut queue, key, true);
            }
            if let Some(first) = queue.values().find(|waiter| waiter.there) {
                let modes = || holders.values().chain([&first.mode]);
                let must_wait = !holders.is_empty() && modes().any(|mode| *mode == Mode::Exclusive);
                prop_assert!(must_wait, "{:?} waits behind nobody after {:?}", &first.key, done.op);
            }
        }
    }
    Ok(())
}

macro_rules! holds {
    ($($(#[$doc:meta])* $name:ident: $property:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2000))]
            $($(#[$doc])* #[test] fn $name(script in script()) {
                $property(&observe(&script, None))?;
            })*
        }
    };
}

holds! {
    i1_conflicting_leases_are_never_both_live: i1;
    i2_tokens_grow_by_grants_expiries_and_force_releases_alone: i2;
    i3_an_ended_lease_never_lives_again: i3;
    i4_only_the_holder_renews_and_releases: i4;
    i5_one_key_is_granted_once: i5;
    i6_first_come_is_first_served: i6;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A sweeper that follows the stored `check_at` alone ends everything on
    /// time: none is later than what it stands for.
    #[test]
    fn check_at_is_never_late(script in script()) {
        let mut world = World::new(None);
        for happening in &script {
            world.happen(happening);
            let ctx = world.context();
            for (claim, check_at) in world.disk.claims.values() {
                match &claim.phase {
                    Phase::Live(lease) => {
                        let row = world.disk.row.expect("a held resource has a row");
                        prop_assert!(row.check_at <= lease.expires_at);
                    }
                    Phase::Waiting(entry) => {
                        let check_at = check_at.expect("a waiter is followed");
                        prop_assert!(check_at <= entry.due_at(&ctx));
                    }
                    Phase::Ended(_) => prop_assert_eq!(*check_at, None),
                }
            }
        }
    }

    /// After a sweep at the end of time nothing is left.
    #[test]
    fn everything_ends(script in script()) {
        let mut world = World::new(None);
        for happening in &script {
            world.happen(happening);
        }
        for _ in 0..8 {
            world.happen(&Happening::Pass(100_000));
            world.happen(&Happening::Batch(vec![super::script::Action::Sweep]));
        }
        let left = world.disk.claims.values().filter(|(claim, _)| !matches!(claim.phase, Phase::Ended(_))).count();
        prop_assert_eq!(left, 0);
        prop_assert!(world.disk.row.is_none(), "an idle resource is forgotten");
    }
}
