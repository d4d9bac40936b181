//! The content of a journal row: what a batch changed, and its events.
//!
//! ```text
//! row     = version, checksum, length of the events, events, changes
//! events  = nothing | version, checksum, names, their events
//! changes = number, then per resource: name, row, claims
//! ```
//!
//! The events move to the log as they are, so they have a version, a checksum and names
//! of their own, and the changes refer to these names. Integers are LEB128, signed ones in
//! zigzag, texts follow their length, and instants are differences to the one of the
//! batch, which is in a column beside and part of both checksums.
//!
//! A change has the state afterwards, never a difference, so applying it twice is
//! harmless. The request of a claim never changes, and is encoded with a new claim only.
//!
//! - `change`: resources and claims
//! - `event`: events
//! - `primitive`: integers, texts, instants
//! - `section`: versions and checksums

mod change;
mod event;
mod primitive;
mod section;
#[cfg(test)]
mod tests;

use std::ops::Range;

use dlm_engine::{Claim, Micros, Mode, RowChange};

use crate::store::{BatchWrite, LoggedEvent, Name};
use event::Names;
use primitive::{Input, Output};

/// Why bytes of the journal or the log can't be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum CodecError {
    #[error("it was written by a later version: its encoding has the number {0}")]
    Version(u8),
    #[error("its checksum does not match")]
    Checksum,
    #[error("it ends too early")]
    Truncated,
    #[error("it has an invalid {0}")]
    Invalid(&'static str),
}

/// Encodes batches. It reuses its buffers.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Encoder {
    data: Output,
    events: Output,
}

/// An encoded batch.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Encoded<'a> {
    pub(in crate::store::sqlite) data: &'a [u8],
    /// The part of `data` that moves to the log; empty if there are no events.
    pub(in crate::store::sqlite) events: Range<usize>,
}

impl Encoder {
    /// Encodes the batch with this number.
    pub(in crate::store::sqlite) fn encode(&mut self, number: i64, batch: &BatchWrite<'_>) -> Encoded<'_> {
        let names = Names::of(number, batch);
        self.events.start(batch.now);
        if !batch.events.is_empty() {
            section::encode(&mut self.events, |events| event::encode(events, batch.events, &names));
        }
        self.data.start(batch.now);
        let mut events_at = 0;
        section::encode(&mut self.data, |data| {
            data.unsigned(self.events.bytes().len() as u64);
            events_at = data.bytes().len();
            data.append(self.events.bytes());
            change::encode(data, number, batch.writes, &names);
        });
        let events = events_at..events_at + self.events.bytes().len();
        Encoded { data: self.data.bytes(), events }
    }
}

/// What a journal row contains.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct DecodedBatch {
    pub(in crate::store::sqlite) writes: Vec<DecodedWrite>,
    /// The part of the row that moves to the log; empty if there are no events.
    pub(in crate::store::sqlite) events: Range<usize>,
}

/// What a batch changed of a resource.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct DecodedWrite {
    pub(in crate::store::sqlite) name: Name,
    pub(in crate::store::sqlite) row: RowChange,
    /// The position in the log of the resource's last events, or a later one; 0 if it has
    /// none.
    pub(in crate::store::sqlite) last_events: i64,
    pub(in crate::store::sqlite) claims: Vec<DecodedClaim>,
}

/// A claim after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::sqlite) struct DecodedClaim {
    /// Without its request, unless it is new.
    pub(in crate::store::sqlite) claim: Claim,
    /// The mode of its request.
    pub(in crate::store::sqlite) mode: Mode,
    /// When the sweeper has to check it; `None` unless it is waiting.
    pub(in crate::store::sqlite) check_at: Option<Micros>,
    /// Whether the batch inserted it.
    pub(in crate::store::sqlite) insert: bool,
    /// Whether it was a live lease before the batch.
    pub(in crate::store::sqlite) was_live: bool,
}

/// Decodes a row of the journal that was written at this instant. Its events are
/// checked, but not decoded.
///
/// # Errors
///
/// It never panics, whatever the bytes are.
pub(in crate::store::sqlite) fn decode(at: Micros, data: &[u8]) -> Result<DecodedBatch, CodecError> {
    let (events, mut changes) = split(at, data)?;
    let names = match events.is_empty() {
        true => Vec::new(),
        false => event::names(&mut section::decode(at, &data[events.clone()])?)?,
    };
    let writes = change::decode(&mut changes, &names)?;
    Ok(DecodedBatch { writes, events })
}

/// The part of a journal row that moves to the log; empty if there are no events.
pub(in crate::store::sqlite) fn events_of(at: Micros, data: &[u8]) -> Result<Range<usize>, CodecError> {
    split(at, data).map(|(events, _)| events)
}

/// Where the log has the events of a resource that come before those in this row of it: at
/// this position or before; 0 if there are none. `None` if the row has no event of the
/// resource.
pub(in crate::store::sqlite) fn events_before(
    at: Micros,
    data: &[u8],
    name: &str,
) -> Result<Option<i64>, CodecError> {
    let names = event::names(&mut section::decode(at, data)?)?;
    Ok(names.into_iter().find(|(found, _)| *found == name).map(|(_, earlier)| earlier))
}

/// Where the events of a journal row are, and its changes.
fn split(at: Micros, data: &[u8]) -> Result<(Range<usize>, Input<'_>), CodecError> {
    let mut input = section::decode(at, data)?;
    let length = input.length()?;
    let start = data.len() - input.left();
    input.take(length)?;
    Ok((start..start + length, input))
}

/// Decodes the events of a batch of this instant: the part of a journal row that moves to
/// the log.
///
/// # Errors
///
/// It never panics, whatever the bytes are.
pub(in crate::store) fn decode_events(at: Micros, data: &[u8]) -> Result<Vec<LoggedEvent<'_>>, CodecError> {
    event::decode(&mut section::decode(at, data)?)
}
