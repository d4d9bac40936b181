//! Events: first the names of their resources, each with the position of its earlier
//! events, then each event.
//!
//! An event starts with bits that say its kind, its mode and which of its other parts
//! follow.

use std::borrow::Cow;
use std::collections::HashMap;

use dlm_engine::{Event, Micros};
use dlm_protocol::EventKind;

use super::CodecError;
use super::primitive::{Input, Output};
use crate::store::{BatchWrite, LoggedEvent, Name};

/// The kinds, by their number.
const KINDS: [EventKind; 7] = [
    EventKind::Queued,
    EventKind::Granted,
    EventKind::Released,
    EventKind::Expired,
    EventKind::ForceReleased,
    EventKind::Cancelled,
    EventKind::WaitTimedOut,
];
const KIND: u64 = 0x7;

// The most frequent first: what fits into seven bits takes one byte.
const TOKEN: u64 = 1 << 3;
const TTL: u64 = 1 << 4;
const EXPIRES_AT: u64 = 1 << 5;
const PRINCIPAL: u64 = 1 << 6;
const SHARED: u64 = 1 << 7;
const TICKET: u64 = 1 << 8;
const WAITED: u64 = 1 << 9;
const REASON: u64 = 1 << 10;
const BY: u64 = 1 << 11;
const ALL: u64 = (1 << 12) - 1;

/// The resources of events, as they are encoded in front of these.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    in_order: Vec<(&'a str, i64)>,
    indexes: HashMap<&'a str, u64>,
}

impl<'a> Names<'a> {
    /// Those of a batch with this number.
    pub(super) fn of(number: i64, batch: &BatchWrite<'a>) -> Self {
        let mut names = Self::default();
        for write in batch.writes.iter().filter(|write| write.has_events) {
            names.add(write.name, write.last_events);
        }
        for (name, _) in batch.events {
            // One whose change says nothing of events: they may be anywhere before.
            names.add(name, number - 1);
        }
        names
    }

    fn add(&mut self, name: &'a str, last_events: i64) {
        let next = self.in_order.len() as u64;
        if *self.indexes.entry(name).or_insert(next) == next {
            self.in_order.push((name, last_events));
        }
    }

    pub(super) fn index(&self, name: &str) -> Option<u64> {
        self.indexes.get(name).copied()
    }
}

pub(super) fn encode(output: &mut Output, events: &[(Name, Event)], names: &Names<'_>) {
    output.unsigned(names.in_order.len() as u64);
    for (name, last_events) in &names.in_order {
        output.text(name);
        output.unsigned(*last_events as u64);
    }
    output.unsigned(events.len() as u64);
    for (name, event) in events {
        // Every event has its name among them.
        output.unsigned(names.index(name).unwrap_or(u64::MAX));
        encode_event(output, &LoggedEvent::new(name, event));
    }
}

fn encode_event(output: &mut Output, event: &LoggedEvent<'_>) {
    // Every kind of the engine is listed.
    let kind = KINDS.iter().position(|kind| *kind == event.kind).unwrap_or(KINDS.len());
    let bit = |bit, is_set| if is_set { bit } else { 0 };
    output.unsigned(
        kind as u64
            | bit(TOKEN, event.token.is_some())
            | bit(TTL, event.ttl_ms.is_some())
            | bit(EXPIRES_AT, event.expires_at.is_some())
            | bit(PRINCIPAL, event.principal.is_some())
            | bit(SHARED, event.shared)
            | bit(TICKET, event.ticket.is_some())
            | bit(WAITED, event.waited_ms.is_some())
            | bit(REASON, event.reason.is_some())
            | bit(BY, event.by.is_some()),
    );
    output.unsigned(event.current_token);
    output.unsigned(event.version);
    output.unsigned(event.queue_len);
    output.instant(Micros(event.at));
    output.text(&event.owner);
    for number in [event.token, event.ttl_ms, event.ticket, event.waited_ms].into_iter().flatten() {
        output.unsigned(number);
    }
    if let Some(expires_at) = event.expires_at {
        output.instant(Micros(expires_at));
    }
    for text in [&event.principal, &event.reason, &event.by].into_iter().flatten() {
        output.text(text);
    }
}

/// Decodes the names alone, and where the log has earlier events of each: at this position
/// or before. 0 if there are none.
pub(super) fn names<'a>(input: &mut Input<'a>) -> Result<Vec<(&'a str, i64)>, CodecError> {
    let number = input.length()?;
    (0..number).map(|_| Ok((input.text()?, input.unsigned()? as i64))).collect()
}

pub(super) fn decode<'a>(input: &mut Input<'a>) -> Result<Vec<LoggedEvent<'a>>, CodecError> {
    let names = names(input)?;
    let number = input.length()?;
    let events: Vec<_> = (0..number).map(|_| decode_event(input, &names)).collect::<Result<_, _>>()?;
    input.end()?;
    Ok(events)
}

fn decode_event<'a>(input: &mut Input<'a>, names: &[(&'a str, i64)]) -> Result<LoggedEvent<'a>, CodecError> {
    let index = usize::try_from(input.unsigned()?).ok();
    let (resource, _) =
        index.and_then(|index| names.get(index)).ok_or(CodecError::Invalid("name of an event"))?;
    let parts = input.unsigned()?;
    let kind = *KINDS.get((parts & KIND) as usize).ok_or(CodecError::Invalid("kind of event"))?;
    if parts & !ALL != 0 {
        return Err(CodecError::Invalid("part of an event"));
    }
    let has = |part| parts & part != 0;
    let (current_token, version, queue_len) = (input.unsigned()?, input.unsigned()?, input.unsigned()?);
    let at = input.instant()?.0;
    let owner = input.text()?.into();
    let mut number = |part| has(part).then(|| input.unsigned()).transpose();
    let (token, ttl_ms, ticket, waited_ms) = (number(TOKEN)?, number(TTL)?, number(TICKET)?, number(WAITED)?);
    let expires_at = has(EXPIRES_AT).then(|| input.instant()).transpose()?.map(|at| at.0);
    let mut text = |part| has(part).then(|| input.text().map(Cow::Borrowed)).transpose();
    let (principal, reason, by) = (text(PRINCIPAL)?, text(REASON)?, text(BY)?);
    Ok(LoggedEvent {
        kind,
        resource: (*resource).into(),
        shared: has(SHARED),
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
        earlier: None,
    })
}
