//! I1 to I6 on what was observed, without the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::disk::{Disk, Done, Observed, World, observe};
use super::script::{Happening, script};
use crate::{Claim, ClaimKey, Event, EventKind, Lease, Micros, Mode, News, Op, Phase, Reply};

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
    let woken = done.wakes.iter().filter_map(|wake| match &wake.news {
        News::Granted(claim) => Some(&**claim),
        News::Ended(_) => None,
    });
    answered.into_iter().chain(woken)
}

fn lease(claim: &Claim) -> &Lease {
    claim.lease().expect("what is told to be live has a lease")
}

/// Two conflicting leases are never both live.
pub(super) fn i1(observed: &[Observed]) -> TestCaseResult {
    for observed in observed {
        let Observed::Committed(_, Disk { claims, .. }) = observed else { continue };
        let live: Vec<&Claim> = claims
            .values()
            .map(|(claim, _)| claim)
            .filter(|claim| matches!(claim.phase, Phase::Live(_)))
            .collect();
        let exclusive = live.iter().any(|claim| claim.mode() == Mode::Exclusive);
        prop_assert!(!exclusive || live.len() == 1, "conflicting leases: {live:?}");
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

/// First come, first served: whoever is granted is there, and nobody who is
/// there is ahead of it.
pub(super) fn i6(observed: &[Observed]) -> TestCaseResult {
    // By ticket: the key, and whether a request of it is held open.
    let mut queue: BTreeMap<u64, (ClaimKey, bool)> = BTreeMap::new();
    for observed in observed {
        let Observed::Committed(done, _) = observed else {
            queue.values_mut().for_each(|(_, there)| *there = false);
            continue;
        };
        for done in done {
            let mark = |queue: &mut BTreeMap<u64, (ClaimKey, bool)>, key: &ClaimKey, is: bool| {
                queue.values_mut().filter(|(other, _)| other == key).for_each(|(_, there)| *there = is);
            };
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
                match (event.kind, event.ticket, &done.op) {
                    (EventKind::Queued, Some(ticket), Op::Acquire { key, .. }) => {
                        queue.insert(ticket, (key.clone(), true));
                    }
                    (EventKind::Granted, ticket, _) => {
                        if let Some(ticket) = ticket {
                            let (key, is_there) = queue.remove(&ticket).expect("a waiter");
                            prop_assert!(
                                is_there || coming == Some(&key),
                                "{:?} was gone and was granted",
                                key
                            );
                        }
                        let ahead = queue.range(..ticket.unwrap_or(u64::MAX)).find(|(_, (_, there))| *there);
                        prop_assert!(ahead.is_none(), "{:?} was overtaken by {:?}", ahead, event);
                    }
                    (EventKind::Cancelled | EventKind::WaitTimedOut, Some(ticket), _) => {
                        queue.remove(&ticket);
                    }
                    _ => {}
                }
                prop_assert_eq!(event.queue_len, queue.len() as u64);
            }
            if let Some(key) = coming {
                mark(&mut queue, key, true);
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
    i6_nobody_who_is_there_is_overtaken: i6;
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
                    Phase::Waiting(waiting) => {
                        let check_at = check_at.expect("a waiter is followed");
                        prop_assert!(check_at <= waiting.due_at(&ctx));
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
