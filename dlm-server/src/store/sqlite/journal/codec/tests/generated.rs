//! Batches.

use std::sync::Arc;

use dlm_engine::{
    CancelOutcome, Claim, ClaimChange, ClaimKey, EndReason, Event, EventKind, Floor, Lease, Micros, Mode,
    Phase, Presence, QueueEntry, ReplicaId, Request, ResourceRecord, RowChange, Tombstone,
};
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use crate::store::Name;

/// What a batch writes.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) at: Micros,
    pub(super) writes: Vec<(Name, RowChange, Vec<ClaimChange>)>,
    pub(super) events: Vec<(Name, Event)>,
}

const NOW: i64 = 1_790_000_000_000_000;

/// Batches with all kinds of changes and events.
pub(super) fn batches() -> impl Strategy<Value = Batch> {
    let name = || prop::sample::select(vec!["a", "b/é", "c", "jobs/nightly"]).prop_map(Name::from);
    let write = (name(), row(), prop::collection::vec(change(), 0..4), option::of(0..6_usize));
    let writes = prop::collection::vec(write.prop_map(with_holder), 0..5);
    let events = prop::collection::vec((name(), event()), 0..6);
    (instant(), writes, events).prop_map(|(at, writes, events)| Batch { at, writes, events })
}

/// A batch in which so many leases on names of their own end.
pub(super) fn cycles(number: u64) -> Batch {
    let mut batch = Batch { at: Micros(NOW), writes: Vec::new(), events: Vec::new() };
    for index in 0..number {
        let key = ClaimKey::new("", Uuid::from_u64_pair(index, index).to_string());
        let lease = Lease {
            token: 1000 + index,
            granted_at: Micros(NOW - 500),
            term_at: Micros(NOW - 500),
            ttl_ms: 30_000,
            expires_at: Micros(NOW + 29_999_500),
            ticket: None,
        };
        let tombstone = Tombstone {
            ended_at: Micros(NOW),
            reason: EndReason::Released,
            lease: Some(lease),
            current_token: 1000 + index,
            cancel: None,
        };
        let claim = Arc::new(Claim { key, request: None, phase: Phase::Ended(tombstone) });
        let row = ResourceRecord {
            version: 2000,
            token: 1000 + index,
            touched_at: Micros(NOW),
            check_at: Micros(NOW + 29_000_000),
            queue_len: 0,
            holder_count: 0,
        };
        let name = Name::from(format!("bench/{index}"));
        let change = ClaimChange { claim, insert: false, was_live: true, was_waiting: false, check_at: None };
        let event = Event {
            kind: EventKind::Released,
            mode: Mode::Exclusive,
            token: Some(1000 + index),
            current_token: 1000 + index,
            version: 2000,
            owner: "host/1234".into(),
            ticket: None,
            waited_ms: None,
            ttl_ms: None,
            expires_at: None,
            queue_len: 0,
            at: Micros(NOW),
            reason: None,
            principal: None,
            by: None,
        };
        batch.writes.push((Name::clone(&name), RowChange::Write { row, holder: None }, vec![change]));
        batch.events.push((name, event));
    }
    batch
}

/// Makes one of the claims the holder, or a claim that is not among them.
fn with_holder(
    (name, row, claims, holder): (Name, RowChange, Vec<ClaimChange>, Option<usize>),
) -> (Name, RowChange, Vec<ClaimChange>) {
    let holder = holder.map(|index| match claims.get(index) {
        Some(change) => change.claim.key.clone(),
        None => ClaimKey::new("somebody", "else"),
    });
    let row = match row {
        RowChange::Write { row, .. } => RowChange::Write { row, holder },
        row => row,
    };
    (name, row, claims)
}

fn instant() -> impl Strategy<Value = Micros> {
    prop_oneof![
        8 => (NOW - 100_000_000..NOW + 100_000_000).prop_map(Micros),
        1 => any::<i64>().prop_map(Micros),
        1 => Just(Micros::MAX),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..1000_u64, 1 => any::<u64>()]
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just(""), Just("worker \"7\""), Just("{\"a\":1}"), Just("é\u{1F512}")].prop_map(Arc::from)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Exclusive), Just(Mode::Shared)]
}

fn row() -> impl Strategy<Value = RowChange> {
    let record = (number(), number(), instant(), instant(), number(), number()).prop_map(
        |(version, token, touched_at, check_at, queue_len, holder_count)| ResourceRecord {
            version,
            token,
            touched_at,
            check_at,
            queue_len,
            holder_count,
        },
    );
    prop_oneof![
        1 => Just(RowChange::Keep),
        1 => (number(), number()).prop_map(|(token, version)| RowChange::Delete(Floor { token, version })),
        4 => record.prop_map(|row| RowChange::Write { row, holder: None }),
    ]
}

fn key() -> impl Strategy<Value = ClaimKey> {
    let uuid = any::<u128>().prop_map(|bits| Uuid::from_u128(bits).to_string());
    let other = prop_oneof![
        Just("k"),
        Just("a key that is as long as a UUID, yes."),
        Just("0190163D-8694-739B-AEA5-966C26F8AD91"),
        Just("0190163d8694739baea5966c26f8ad91"),
        Just("{0190163d-8694-739b-aea5-966c26f8ad91}"),
    ];
    let key = prop_oneof![2 => uuid, 1 => other.prop_map(str::to_owned)];
    (text(), key).prop_map(|(principal, key)| ClaimKey::new(principal, key))
}

fn lease() -> impl Strategy<Value = Lease> {
    (number(), instant(), instant(), number(), instant(), option::of(number())).prop_map(
        |(token, granted_at, term_at, ttl_ms, expires_at, ticket)| Lease {
            token,
            granted_at,
            term_at,
            ttl_ms,
            expires_at,
            ticket,
        },
    )
}

fn phase() -> impl Strategy<Value = Phase> {
    let presence = prop_oneof![
        any::<i64>().prop_map(|replica| Presence::Parked(ReplicaId(replica))),
        instant().prop_map(Presence::Away),
    ];
    let waiting =
        (number(), instant(), instant(), presence).prop_map(|(ticket, enqueued_at, deadline, presence)| {
            Phase::Waiting(QueueEntry { ticket, enqueued_at, deadline, presence })
        });
    let reason = prop::sample::select(vec![
        EndReason::Released,
        EndReason::Expired,
        EndReason::ForceReleased,
        EndReason::Cancelled,
        EndReason::Away,
        EndReason::TimedOut,
    ]);
    let cancel = option::of(prop::sample::select(vec![
        CancelOutcome::Cancelled,
        CancelOutcome::Released,
        CancelOutcome::None,
    ]));
    let ended = (instant(), reason, option::of(lease()), number(), cancel).prop_map(
        |(ended_at, reason, lease, current_token, cancel)| {
            Phase::Ended(Tombstone { ended_at, reason, lease, current_token, cancel })
        },
    );
    prop_oneof![waiting, lease().prop_map(Phase::Live), ended]
}

fn change() -> impl Strategy<Value = ClaimChange> {
    let request =
        (mode(), number(), number(), text(), text()).prop_map(|(mode, ttl_ms, wait_ms, owner, metadata)| {
            Arc::new(Request { mode, ttl_ms, wait_ms, owner, metadata })
        });
    let flags = any::<(bool, bool)>();
    (key(), option::weighted(0.9, request), phase(), flags, option::of(instant())).prop_map(
        |(key, request, phase, (insert, was_live), check_at)| ClaimChange {
            claim: Arc::new(Claim { key, request, phase }),
            insert,
            was_live,
            was_waiting: false,
            check_at,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop::sample::select(vec![
        EventKind::Queued,
        EventKind::Granted,
        EventKind::Released,
        EventKind::Expired,
        EventKind::ForceReleased,
        EventKind::Cancelled,
        EventKind::WaitTimedOut,
    ]);
    let numbers = (number(), number(), number(), instant());
    let optional = (
        option::of(number()),
        option::of(number()),
        option::of(number()),
        option::of(number()),
        option::of(instant()),
    );
    let texts = (text(), option::of(text()), option::of(text()), option::of(text()));
    (kind, mode(), numbers, optional, texts).prop_map(
        |(
            kind,
            mode,
            (current_token, version, queue_len, at),
            (token, ticket, waited_ms, ttl_ms, expires_at),
            (owner, reason, principal, by),
        )| Event {
            kind,
            mode,
            token,
            current_token,
            version,
            owner,
            ticket,
            waited_ms,
            ttl_ms,
            expires_at,
            queue_len,
            at,
            reason,
            principal,
            by,
        },
    )
}
