//! The state at an instant, beside a log that is replayed from its beginning.

use std::collections::{BTreeMap, BTreeSet};

use dlm_engine::ResourceRecord;
use dlm_protocol::EventKind;

use super::*;
use crate::random::{Random, rounds};
use crate::service::test_log::TestLog;
use crate::store::{Name, ResourceView};

/// An event of a lease or of a waiter.
#[derive(Debug, Clone, Copy)]
struct Step {
    at: i64,
    resource: usize,
    kind: EventKind,
    token: Option<u64>,
    ticket: Option<u64>,
    waited_ms: Option<u64>,
}

fn event(step: Step) -> LoggedEvent<'static> {
    LoggedEvent {
        kind: step.kind,
        resource: format!("r{}", step.resource).into(),
        shared: true,
        token: step.token,
        current_token: 0,
        version: 0,
        owner: format!("o{}", step.token.or(step.ticket).unwrap_or_default()).into(),
        ticket: step.ticket,
        waited_ms: step.waited_ms,
        ttl_ms: None,
        expires_at: None,
        queue_len: 0,
        at: step.at,
        reason: None,
        principal: (step.kind == EventKind::Granted).then(|| "p".into()),
        by: None,
        earlier: None,
    }
}

/// Shared leases and waiters of three resources that begin and end at random. An event per step.
fn history(random: &mut Random, length: i64) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut held: Vec<(usize, u64)> = Vec::new();
    let mut queued: Vec<(usize, u64, i64)> = Vec::new();
    for number in 0..length {
        let at = number * STEP;
        let id = number as u64 + 1;
        let resource = random.below(3) as usize;
        let of = |kind, resource, token, ticket| Step { at, resource, kind, token, ticket, waited_ms: None };
        steps.push(match random.below(5) {
            1 | 2 if !held.is_empty() => {
                let (resource, token) = held.swap_remove(random.below(held.len() as u64) as usize);
                let kinds = [EventKind::Released, EventKind::Expired, EventKind::ForceReleased];
                of(kinds[random.below(3) as usize], resource, Some(token), None)
            }
            3 if !queued.is_empty() => {
                let (resource, ticket, since) =
                    queued.swap_remove(random.below(queued.len() as u64) as usize);
                match random.below(3) {
                    0 => of(EventKind::Cancelled, resource, None, Some(ticket)),
                    1 => of(EventKind::WaitTimedOut, resource, None, Some(ticket)),
                    _ => {
                        held.push((resource, id));
                        let waited_ms = Some(((at - since) / 1000) as u64);
                        Step { waited_ms, ..of(EventKind::Granted, resource, Some(id), Some(ticket)) }
                    }
                }
            }
            // A reply shows ten waiters.
            4 if queued.len() < 10 => {
                queued.push((resource, id, at));
                of(EventKind::Queued, resource, None, Some(id))
            }
            _ => {
                held.push((resource, id));
                of(EventKind::Granted, resource, Some(id), None)
            }
        });
    }
    steps
}

/// Tokens and tickets, with the instants at which they began.
type State = BTreeMap<String, Ids>;
/// The holders and the waiters of a lock.
type Ids = (BTreeMap<u64, i64>, BTreeMap<u64, i64>);
/// Its holders, and when its waiters were enqueued.
type Comparable = (Vec<(u64, i64)>, BTreeSet<i64>);

/// The state after these events, read from the beginning.
fn replay<'a>(steps: impl IntoIterator<Item = &'a Step>) -> State {
    let mut state = State::new();
    for step in steps {
        let (holders, waiters) = state.entry(format!("r{}", step.resource)).or_default();
        if step.kind == EventKind::Queued {
            waiters.insert(step.ticket.unwrap(), step.at);
            continue;
        }
        if let Some(ticket) = step.ticket {
            waiters.remove(&ticket);
        }
        match (step.kind, step.token) {
            (EventKind::Granted, Some(token)) => {
                holders.insert(token, step.at);
            }
            (_, Some(token)) => {
                holders.remove(&token);
            }
            _ => {}
        }
    }
    state.retain(|_, (holders, waiters)| !holders.is_empty() || !waiters.is_empty());
    state
}

/// The current state as a reader has it.
fn views(state: &State) -> Vec<ResourceView> {
    use dlm_engine::{Claim, ClaimKey, Lease, Mode, Phase, Presence, QueueEntry, ReplicaId, Request};
    let claim = |id: u64, phase| {
        let (owner, metadata) = (format!("o{id}").into(), "{}".into());
        let request = Request { mode: Mode::Shared, ttl_ms: 1, wait_ms: 1, owner, metadata };
        Claim { key: ClaimKey::new("p", id.to_string()), request: Some(request.into()), phase }
    };
    let holder = |(token, at): (&u64, &i64)| {
        let at = Micros(*at);
        let lease =
            Lease { token: *token, granted_at: at, term_at: at, ttl_ms: 1, expires_at: at, ticket: None };
        claim(*token, Phase::Live(lease))
    };
    let waiter = |(ticket, at): (&u64, &i64)| {
        let presence = Presence::Parked(ReplicaId(1));
        let entry = QueueEntry { ticket: *ticket, enqueued_at: Micros(*at), deadline: Micros::MAX, presence };
        claim(*ticket, Phase::Waiting(entry))
    };
    let view = |(name, (holders, waiters)): (&String, &Ids)| ResourceView {
        name: Name::from(name.as_str()),
        row: ResourceRecord::default(),
        holders: holders.iter().map(holder).collect(),
        waiters: waiters.iter().map(waiter).collect(),
    };
    state.iter().map(view).collect()
}

/// What was rewound, in the terms of the replay; 0 for what is not known.
fn rewound(rewind: Rewind) -> State {
    let number = |owner: &dlm_protocol::Owner| owner.as_str()[1..].parse::<u64>().unwrap();
    let at = |at: Option<dlm_protocol::Timestamp>| at.map_or(0, dlm_protocol::Timestamp::as_micros);
    let lock = |lock: PastLock| {
        assert_eq!(
            (lock.holder_count, lock.queue_len),
            (lock.holders.len() as u64, lock.waiters.len() as u64)
        );
        let holders = lock.holders.iter().map(|row| (row.fencing_token.get(), at(row.acquired_at)));
        let waiters = lock.waiters.iter().map(|row| (number(&row.owner), at(row.enqueued_at)));
        (lock.resource.as_str().to_owned(), (holders.collect(), waiters.collect()))
    };
    let waits = rewind.waits().unwrap();
    rewind.locks(None, &waits).unwrap().into_iter().map(lock).collect()
}

const LENGTH: i64 = 60;
/// The time between two events: more than they may be out of order.
const STEP: i64 = 100_000_000;

#[test]
fn the_state_at_any_instant_is_that_of_the_events_before() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(40) {
        let steps = history(&mut random, LENGTH);
        let now = views(&replay(&steps));
        for number in 0..LENGTH {
            let mut rewind = Rewind::to(number * STEP);
            now.iter().for_each(|view| rewind.add_current(view));
            steps.iter().rev().for_each(|step| rewind.add(&event(*step)));
            assert!(!rewind.has_unknown());
            let before = steps.iter().take_while(|step| step.at <= number * STEP);
            assert_eq!(names(&rewound(rewind)), names(&replay(before)), "event {number} of {steps:?}");
        }
    }
}

/// Waiters are identified by their owners, which a grant replaces.
fn names(state: &State) -> BTreeMap<&String, Comparable> {
    let lock = |(name, (holders, waiters)): (_, &Ids)| {
        let holders = holders.iter().map(|(token, at)| (*token, *at)).collect();
        (name, (holders, waiters.values().copied().collect()))
    };
    state.iter().map(lock).collect()
}

/// The state at an instant, from no more of the log than this, and what was read.
fn read(steps: &[Step], at: i64, events_after: u64, events: u64) -> (State, read::Read) {
    let log = TestLog::new(steps.iter().copied().map(event).collect());
    let decoder = LogDecoder::new(7, crate::metrics::Metrics::new());
    let places = Places::read(&log, &decoder).unwrap();
    let minute = Duration::from_secs(60);
    let limits = read::ReadLimits { events, events_after, within: minute, after_within: minute };
    let mut rewind = Rewind::to(at);
    views(&replay(steps)).iter().for_each(|view| rewind.add_current(view));
    let wanted = |_: &LoggedEvent<'_>| true;
    let backwards = Backwards { places, wanted: &wanted, at, limits };
    let found = backwards.read(&mut rewind).unwrap();
    (rewound(rewind), found)
}

#[test]
fn no_more_of_the_log_is_read_than_the_limits_allow() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(40) {
        let steps = history(&mut random, LENGTH);
        for number in [0, 5, 20, 50, LENGTH - 1] {
            let at = number * STEP;
            let before = replay(steps.iter().take_while(|step| step.at <= at));
            let (all, found) = read(&steps, at, 1_000, 1_000);
            assert_eq!((names(&all), found.complete), (names(&before), true));
            // Too many events after the instant, but not before it.
            let (all, found) = read(&steps, at, 16, 96);
            assert!(found.complete && found.events <= 96, "{found:?}");
            assert_eq!(names(&all), names(&before), "event {number} of {steps:?}");
            // Too many in both.
            let (_, found) = read(&steps, at, 16, 16);
            assert_eq!((found.complete, found.events), (number >= 50, 16));
        }
    }
}

#[test]
fn what_is_shown_was_so_though_events_are_missing() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(40) {
        let steps = history(&mut random, LENGTH);
        let now = views(&replay(&steps));
        let at = LENGTH / 2 * STEP;
        // Neither the events after the instant nor those long before were all read.
        let read = |step: &&Step| step.at > at + 10 * STEP || (step.at > at - 10 * STEP && step.at <= at);
        let mut rewind = Rewind::to(at);
        now.iter().for_each(|view| rewind.add_current(view));
        let (after, before): (Vec<&Step>, Vec<&Step>) =
            steps.iter().rev().filter(read).partition(|step| step.at > at);
        after.into_iter().for_each(|step| rewind.add(&event(*step)));
        rewind.forget_unproved();
        before.into_iter().for_each(|step| rewind.add(&event(*step)));
        let complete = replay(steps.iter().take_while(|step| step.at <= at));
        for (name, (holders, waiters)) in rewound(rewind) {
            let (all_holders, all_waiters) = &complete[&name];
            assert!(holders.iter().all(|(token, since)| all_holders.get(token) == Some(since)), "{steps:?}");
            let instants: BTreeSet<_> = all_waiters.values().collect();
            assert!(waiters.values().all(|since| instants.contains(since)), "{steps:?}");
        }
    }
}
