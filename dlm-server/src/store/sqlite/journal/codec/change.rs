//! Changes: of each resource its row, and its claims.

use std::sync::Arc;

use dlm_engine::{
    Claim, ClaimChange, ClaimKey, Floor, Lease, Mode, Phase, Presence, QueueEntry, ReplicaId, Request,
    ResourceRecord, RowChange, Tombstone,
};
use uuid::Uuid;

use super::event::Names;
use super::primitive::{Input, Output};
use super::{CodecError, DecodedClaim, DecodedWrite};
use crate::store::rows::{cancel_code, cancel_of, end_code, end_of};
use crate::store::{Name, ResourceWrite};

const KEPT: u64 = 0;
const DELETED: u64 = 1;
const WRITTEN: u64 = 2;

/// The holder of a row, if it is none of the claims of its change. A higher number
/// refers to these.
const NO_HOLDER: u64 = 0;
const OTHER_HOLDER: u64 = 1;
const FIRST_CLAIM: u64 = 2;

// The first byte of a claim: its phase, and these.
const PHASE: u8 = 0x3;
const WAITING: u8 = 0;
const LIVE: u8 = 1;
const ENDED: u8 = 2;
const INSERT: u8 = 1 << 2;
const WAS_LIVE: u8 = 1 << 3;
const REQUEST: u8 = 1 << 4;
const SHARED: u8 = 1 << 5;
const CHECK_AT: u8 = 1 << 6;
const UNUSED: u8 = 1 << 7;

// The first byte of a tombstone: why it ended, the outcome of its cancel, and whether
// it was granted.
const REASON: u8 = 0x7;
const CANCEL_SHIFT: u8 = 3;
const CANCEL: u8 = 0x3;
const GRANTED: u8 = 1 << 5;

/// Encodes the changes of a batch with this number. `names` are encoded already.
pub(super) fn encode(output: &mut Output, number: i64, writes: &[ResourceWrite<'_>], names: &Names<'_>) {
    output.unsigned(writes.len() as u64);
    for write in writes {
        match names.index(write.name) {
            Some(index) => output.unsigned(index + 1),
            None => {
                output.unsigned(0);
                output.text(write.name);
            }
        }
        encode_row(output, write);
        let last_events = if write.has_events { number } else { write.last_events };
        output.unsigned(last_events as u64);
        output.unsigned(write.claims.len() as u64);
        for change in &write.claims {
            encode_claim(output, change);
        }
    }
}

fn encode_row(output: &mut Output, write: &ResourceWrite<'_>) {
    match &write.row {
        RowChange::Keep => output.unsigned(KEPT),
        RowChange::Delete(floor) => {
            output.unsigned(DELETED);
            output.unsigned(floor.token);
            output.unsigned(floor.version);
        }
        RowChange::Write { row, holder } => {
            let of_change = |key: &ClaimKey| write.claims.iter().position(|change| change.claim.key == *key);
            let claim = holder.as_ref().map(|key| (key, of_change(key)));
            output.unsigned(WRITTEN);
            output.unsigned(match claim {
                None => NO_HOLDER,
                Some((_, None)) => OTHER_HOLDER,
                Some((_, Some(index))) => FIRST_CLAIM + index as u64,
            });
            if let Some((key, None)) = claim {
                encode_key(output, key);
            }
            output.unsigned(row.version);
            output.unsigned(row.token);
            output.instant(row.touched_at);
            output.instant(row.check_at);
            output.unsigned(row.queue_len);
            output.unsigned(row.holder_count);
        }
    }
}

/// A UUID in its usual form takes 16 bytes behind a length of 0: no key is empty.
fn encode_key(output: &mut Output, key: &ClaimKey) {
    output.text(&key.principal);
    let mut usual = [0; uuid::fmt::Hyphenated::LENGTH];
    match Uuid::try_parse(&key.key) {
        Ok(uuid) if *uuid.hyphenated().encode_lower(&mut usual) == *key.key => {
            output.unsigned(0);
            output.append(uuid.as_bytes());
        }
        _ => output.text(&key.key),
    }
}

fn encode_claim(output: &mut Output, change: &ClaimChange) {
    let claim = &*change.claim;
    let request = claim.request.as_deref().filter(|_| change.insert);
    let bit = |bit, is_set| if is_set { bit } else { 0 };
    let phase = match claim.phase {
        Phase::Waiting(_) => WAITING,
        Phase::Live(_) => LIVE,
        Phase::Ended(_) => ENDED,
    };
    output.byte(
        phase
            | bit(INSERT, change.insert)
            | bit(WAS_LIVE, change.was_live)
            | bit(REQUEST, request.is_some())
            | bit(SHARED, claim.mode() == Mode::Shared)
            | bit(CHECK_AT, change.check_at.is_some()),
    );
    encode_key(output, &claim.key);
    if let Some(check_at) = change.check_at {
        output.instant(check_at);
    }
    if let Some(request) = request {
        output.unsigned(request.ttl_ms);
        output.unsigned(request.wait_ms);
        output.text(&request.owner);
        output.text(&request.metadata);
    }
    match &claim.phase {
        Phase::Waiting(entry) => encode_entry(output, entry),
        Phase::Live(lease) => encode_lease(output, lease),
        Phase::Ended(tombstone) => encode_tombstone(output, tombstone),
    }
}

fn encode_entry(output: &mut Output, entry: &QueueEntry) {
    output.unsigned(entry.ticket);
    output.instant(entry.enqueued_at);
    output.instant(entry.deadline);
    match entry.presence {
        Presence::Parked(replica) => {
            output.byte(0);
            output.signed(replica.0);
        }
        Presence::Away(since) => {
            output.byte(1);
            output.instant(since);
        }
    }
}

fn encode_lease(output: &mut Output, lease: &Lease) {
    output.unsigned(lease.token);
    output.instant(lease.granted_at);
    output.instant(lease.term_at);
    output.unsigned(lease.ttl_ms);
    output.instant(lease.expires_at);
    output.byte(lease.ticket.is_some().into());
    if let Some(ticket) = lease.ticket {
        output.unsigned(ticket);
    }
}

fn encode_tombstone(output: &mut Output, tombstone: &Tombstone) {
    let cancel = tombstone.cancel.map_or(0, cancel_code) as u8;
    let granted = if tombstone.lease.is_some() { GRANTED } else { 0 };
    output.byte(end_code(tombstone.reason) as u8 | cancel << CANCEL_SHIFT | granted);
    output.instant(tombstone.ended_at);
    output.unsigned(tombstone.current_token);
    if let Some(lease) = &tombstone.lease {
        encode_lease(output, lease);
    }
}

/// Decodes changes. `names` are those that they refer to.
pub(super) fn decode(input: &mut Input<'_>, names: &[(&str, i64)]) -> Result<Vec<DecodedWrite>, CodecError> {
    let number = input.length()?;
    let mut writes = Vec::with_capacity(number.min(1024));
    for _ in 0..number {
        writes.push(decode_write(input, names)?);
    }
    input.end()?;
    Ok(writes)
}

fn decode_write(input: &mut Input<'_>, names: &[(&str, i64)]) -> Result<DecodedWrite, CodecError> {
    let name = match input.unsigned()? {
        0 => input.text()?,
        number => usize::try_from(number - 1)
            .ok()
            .and_then(|index| Some(names.get(index)?.0))
            .ok_or(CodecError::Invalid("name of a change"))?,
    };
    let (row, holder) = decode_row(input)?;
    let last_events = input.unsigned()? as i64;
    let number = input.length()?;
    let mut claims = Vec::with_capacity(number.min(64));
    for _ in 0..number {
        claims.push(decode_claim(input)?);
    }
    let row = match (row, holder) {
        (RowChange::Write { row, .. }, Some(index)) => {
            let claim: &DecodedClaim = claims.get(index).ok_or(CodecError::Invalid("holder"))?;
            RowChange::Write { row, holder: Some(claim.claim.key.clone()) }
        }
        (row, _) => row,
    };
    Ok(DecodedWrite { name: Name::from(name), row, last_events, claims })
}

/// A row, and the index of the claim that is its holder, if it is one of those that
/// follow.
fn decode_row(input: &mut Input<'_>) -> Result<(RowChange, Option<usize>), CodecError> {
    let change = match input.unsigned()? {
        KEPT => RowChange::Keep,
        DELETED => RowChange::Delete(Floor { token: input.unsigned()?, version: input.unsigned()? }),
        WRITTEN => {
            let (holder, index) = match input.unsigned()? {
                NO_HOLDER => (None, None),
                OTHER_HOLDER => (Some(decode_key(input)?), None),
                claim => {
                    let index = usize::try_from(claim - FIRST_CLAIM);
                    (None, Some(index.map_err(|_| CodecError::Invalid("holder"))?))
                }
            };
            let row = ResourceRecord {
                version: input.unsigned()?,
                token: input.unsigned()?,
                touched_at: input.instant()?,
                check_at: input.instant()?,
                queue_len: input.unsigned()?,
                holder_count: input.unsigned()?,
            };
            return Ok((RowChange::Write { row, holder }, index));
        }
        _ => return Err(CodecError::Invalid("row")),
    };
    Ok((change, None))
}

fn decode_key(input: &mut Input<'_>) -> Result<ClaimKey, CodecError> {
    let principal = input.text()?;
    let key = match input.text()? {
        "" => {
            let mut usual = [0; uuid::fmt::Hyphenated::LENGTH];
            Arc::from(&*Uuid::from_bytes(input.array()?).hyphenated().encode_lower(&mut usual))
        }
        key => Arc::from(key),
    };
    Ok(ClaimKey::new(principal, key))
}

fn decode_claim(input: &mut Input<'_>) -> Result<DecodedClaim, CodecError> {
    let first = input.byte()?;
    let has = |bit| first & bit != 0;
    if has(UNUSED) {
        return Err(CodecError::Invalid("claim"));
    }
    let mode = if has(SHARED) { Mode::Shared } else { Mode::Exclusive };
    let key = decode_key(input)?;
    let check_at = has(CHECK_AT).then(|| input.instant()).transpose()?;
    let request = match has(REQUEST) {
        true => Some(Arc::new(Request {
            mode,
            ttl_ms: input.unsigned()?,
            wait_ms: input.unsigned()?,
            owner: input.text()?.into(),
            metadata: input.text()?.into(),
        })),
        false => None,
    };
    let phase = match first & PHASE {
        WAITING => Phase::Waiting(decode_entry(input)?),
        LIVE => Phase::Live(decode_lease(input)?),
        ENDED => Phase::Ended(decode_tombstone(input)?),
        _ => return Err(CodecError::Invalid("phase")),
    };
    let claim = Claim { key, request, phase };
    Ok(DecodedClaim { claim, mode, check_at, insert: has(INSERT), was_live: has(WAS_LIVE) })
}

fn decode_entry(input: &mut Input<'_>) -> Result<QueueEntry, CodecError> {
    Ok(QueueEntry {
        ticket: input.unsigned()?,
        enqueued_at: input.instant()?,
        deadline: input.instant()?,
        presence: match input.byte()? {
            0 => Presence::Parked(ReplicaId(input.signed()?)),
            1 => Presence::Away(input.instant()?),
            _ => return Err(CodecError::Invalid("presence")),
        },
    })
}

fn decode_lease(input: &mut Input<'_>) -> Result<Lease, CodecError> {
    Ok(Lease {
        token: input.unsigned()?,
        granted_at: input.instant()?,
        term_at: input.instant()?,
        ttl_ms: input.unsigned()?,
        expires_at: input.instant()?,
        ticket: match input.byte()? {
            0 => None,
            1 => Some(input.unsigned()?),
            _ => return Err(CodecError::Invalid("ticket")),
        },
    })
}

fn decode_tombstone(input: &mut Input<'_>) -> Result<Tombstone, CodecError> {
    let first = input.byte()?;
    let (reason, cancel) = (first & REASON, first >> CANCEL_SHIFT & CANCEL);
    if first & !(REASON | CANCEL << CANCEL_SHIFT | GRANTED) != 0 {
        return Err(CodecError::Invalid("tombstone"));
    }
    let cancel = match cancel {
        0 => None,
        code => Some(cancel_of(code.into()).ok_or(CodecError::Invalid("outcome of a cancel"))?),
    };
    Ok(Tombstone {
        reason: end_of(reason.into()).ok_or(CodecError::Invalid("reason"))?,
        ended_at: input.instant()?,
        current_token: input.unsigned()?,
        cancel,
        lease: if first & GRANTED != 0 { Some(decode_lease(input)?) } else { None },
    })
}
