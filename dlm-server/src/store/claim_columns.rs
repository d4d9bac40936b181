//! The columns of the claims table: the name and value of each, in one list.
//! Both databases derive their statements and parameters from it, so that no
//! value can end up in another column, or be left out.

use dlm_engine::{
    Claim, ClaimChange, EndReason, Lease, Micros, Mode, Phase, Presence, QueueEntry, Request, Tombstone,
};

use super::rows::{cancel_code, end_code};

/// A claim to be written.
pub(super) struct ClaimRecord<'a> {
    pub(super) resource: &'a str,
    pub(super) claim: &'a Claim,
    mode: Mode,
    check_at: Option<Micros>,
    request: Option<&'a Request>,
    entry: Option<&'a QueueEntry>,
    lease: Option<&'a Lease>,
    tombstone: Option<&'a Tombstone>,
}

impl<'a> ClaimRecord<'a> {
    pub(super) fn new(resource: &'a str, change: &'a ClaimChange) -> Self {
        Self::of(resource, &change.claim, change.claim.mode(), change.check_at)
    }

    /// A claim whose request may not be at hand. `mode` is that of the request.
    pub(super) fn of(resource: &'a str, claim: &'a Claim, mode: Mode, check_at: Option<Micros>) -> Self {
        Self {
            resource,
            claim,
            mode,
            check_at,
            request: claim.request.as_deref(),
            entry: claim.queue_entry(),
            lease: claim.lease(),
            tombstone: match &claim.phase {
                Phase::Ended(tombstone) => Some(tombstone),
                _ => None,
            },
        }
    }

    fn token(&self) -> Option<i64> {
        self.lease.map(|lease| lease.token as i64)
    }
}

/// A column, and how to get its value from a claim.
#[derive(Clone, Copy)]
pub(super) struct ClaimColumn {
    pub(super) name: &'static str,
    pub(super) get: Getter,
}

/// The value of a column. The variant is the column's kind, so that a value of
/// another kind does not compile. `None` is NULL.
#[derive(Clone, Copy)]
pub(super) enum Getter {
    Int(for<'a> fn(&ClaimRecord<'a>) -> Option<i64>),
    Bool(for<'a> fn(&ClaimRecord<'a>) -> Option<bool>),
    Text(for<'a> fn(&ClaimRecord<'a>) -> Option<&'a str>),
}

const fn int(name: &'static str, get: for<'a> fn(&ClaimRecord<'a>) -> Option<i64>) -> ClaimColumn {
    ClaimColumn { name, get: Getter::Int(get) }
}

const fn boolean(name: &'static str, get: for<'a> fn(&ClaimRecord<'a>) -> Option<bool>) -> ClaimColumn {
    ClaimColumn { name, get: Getter::Bool(get) }
}

const fn text(name: &'static str, get: for<'a> fn(&ClaimRecord<'a>) -> Option<&'a str>) -> ClaimColumn {
    ClaimColumn { name, get: Getter::Text(get) }
}

/// The primary key.
pub(super) const KEY: [ClaimColumn; 3] = [
    text("resource", |record| Some(record.resource)),
    text("principal", |record| Some(&record.claim.key.principal)),
    text("key", |record| Some(&record.claim.key.key)),
];

/// The request as first sent. It never changes.
const REQUEST: [ClaimColumn; 5] = [
    boolean("shared", |record| record.request.map(|request| request.mode == Mode::Shared)),
    int("ttl_asked_ms", |record| record.request.map(|request| request.ttl_ms as i64)),
    int("wait_ms", |record| record.request.map(|request| request.wait_ms as i64)),
    text("owner", |record| record.request.map(|request| &*request.owner)),
    text("metadata", |record| record.request.map(|request| &*request.metadata)),
];

const TOKEN: ClaimColumn = int("token", |record| record.token());
const GRANTED_AT: ClaimColumn = int("granted_at", |record| record.lease.map(|lease| lease.granted_at.0));
const TERM_AT: ClaimColumn = int("term_at", |record| record.lease.map(|lease| lease.term_at.0));
const TTL_MS: ClaimColumn = int("ttl_ms", |record| record.lease.map(|lease| lease.ttl_ms as i64));
const EXPIRES_AT: ClaimColumn = int("expires_at", |record| record.lease.map(|lease| lease.expires_at.0));
const SHARED_TOKEN: ClaimColumn = int("shared_token", |record| {
    record.token().filter(|_| record.tombstone.is_none() && record.mode == Mode::Shared)
});
const ENDED_AT: ClaimColumn =
    int("ended_at", |record| record.tombstone.map(|tombstone| tombstone.ended_at.0));
const END_REASON: ClaimColumn =
    int("end_reason", |record| record.tombstone.map(|tombstone| end_code(tombstone.reason).into()));
const CURRENT_TOKEN: ClaimColumn =
    int("current_token", |record| record.tombstone.map(|tombstone| tombstone.current_token as i64));
const CANCEL: ClaimColumn = int("cancel", |record| Some(cancel_code(record.tombstone?.cancel?).into()));

/// Everything that changes in a claim's life.
pub(super) const STATE: [ClaimColumn; 18] = [
    int("ticket", |record| record.entry.map(|entry| entry.ticket as i64)),
    int("enqueued_at", |record| record.entry.map(|entry| entry.enqueued_at.0)),
    int("deadline", |record| record.entry.map(|entry| entry.deadline.0)),
    int("replica", |record| match record.entry?.presence {
        Presence::Parked(replica) => Some(replica.0),
        Presence::Away(_) => None,
    }),
    int("away_since", |record| match record.entry?.presence {
        Presence::Parked(_) => None,
        Presence::Away(since) => Some(since.0),
    }),
    int("check_at", |record| record.check_at.map(|check_at| check_at.0)),
    TOKEN,
    int("waited_ticket", |record| Some(record.lease?.ticket? as i64)),
    GRANTED_AT,
    TERM_AT,
    TTL_MS,
    EXPIRES_AT,
    SHARED_TOKEN,
    ENDED_AT,
    END_REASON,
    CURRENT_TOKEN,
    int("forced_token", |record| {
        let tombstone = record.tombstone?;
        record.token().filter(|_| tombstone.reason == EndReason::ForceReleased)
    }),
    CANCEL,
];

/// All columns.
pub(super) const ALL: [ClaimColumn; 26] = concat(concat::<3, 5, 8>(KEY, REQUEST), STATE);

/// The columns of a lease that was granted without a wait. The others are NULL.
pub(super) const NEW_LEASE: [ClaimColumn; 14] = concat(UNSHARED_LEASE, [SHARED_TOKEN]);

/// The columns of a lease that was granted without a wait and has ended, unless it was
/// force-released. The others are NULL.
pub(super) const ENDED_LEASE: [ClaimColumn; 17] = concat(UNSHARED_LEASE, END);

const UNSHARED_LEASE: [ClaimColumn; 13] =
    concat(concat::<3, 5, 8>(KEY, REQUEST), [TOKEN, GRANTED_AT, TERM_AT, TTL_MS, EXPIRES_AT]);

/// What a renewal changes.
pub(super) const RENEWAL: [ClaimColumn; 3] = [TERM_AT, TTL_MS, EXPIRES_AT];

const END: [ClaimColumn; 4] = [ENDED_AT, END_REASON, CURRENT_TOKEN, CANCEL];

/// What renewals and the end of an exclusive lease change, unless it was force-released.
pub(super) const RENEWALS_AND_END: [ClaimColumn; 7] = concat(RENEWAL, END);

/// Both lists in one.
pub(super) const fn concat<const A: usize, const B: usize, const N: usize>(
    first: [ClaimColumn; A],
    second: [ClaimColumn; B],
) -> [ClaimColumn; N] {
    assert!(A + B == N, "the lists fill the result");
    let mut all = [first[0]; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < A { first[index] } else { second[index - A] };
        index += 1;
    }
    all
}

/// The names of columns, separated by commas.
pub(super) fn names(columns: &[ClaimColumn]) -> String {
    list(columns, |column| column.name.to_owned())
}

/// A parameter for each column, separated by commas.
pub(super) fn placeholders(columns: &[ClaimColumn]) -> String {
    list(columns, |_| "?".to_owned())
}

/// A text for each column, separated by commas.
pub(super) fn list(columns: &[ClaimColumn], item: impl Fn(&ClaimColumn) -> String) -> String {
    columns.iter().map(item).collect::<Vec<_>>().join(", ")
}
