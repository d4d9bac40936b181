//! Reads what is needed of the event log, within limits.

use std::time::Duration;

use super::rewind::Rewind;
use crate::clock::since_boot;
use crate::log::LogDecoder;
use crate::store::{LogHead, LogPage, LoggedEvent, Reader, StoreError, for_each_row, next_rows};

/// How much of the log one request reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadLimits {
    /// How many events, and how many of these after the instant.
    pub(super) events: u64,
    pub(super) events_after: u64,
    /// How long, and how long after the instant.
    pub(super) within: Duration,
    pub(super) after_within: Duration,
}

pub(super) const LIMITS: ReadLimits = ReadLimits {
    events: 100_000,
    events_after: 50_000,
    within: Duration::from_millis(700),
    after_within: Duration::from_millis(350),
};

/// Rows of the first read, and of each at most.
const FIRST_ROWS: i64 = 16;
const MAX_ROWS: i64 = 1024;
/// How much earlier or later than its place in the log an event may be: servers number their
/// batches a little after they committed them.
const DISORDER_MICROS: i64 = 60_000_000;

/// The ends of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) head: i64,
    pub(super) trimmed: i64,
    /// When the oldest event happened.
    pub(super) known_since: Option<i64>,
}

impl Ends {
    pub(super) fn read(reader: &dyn Reader, decoder: &LogDecoder) -> Result<Self, StoreError> {
        let LogPage { head: LogHead(head), trimmed, .. } = reader.log(i64::MAX, 1)?;
        Ok(Self { head, trimmed, known_since: first_event_at(reader, decoder, trimmed + 1, head)? })
    }
}

/// When the first readable event from a position on happened.
fn first_event_at(
    reader: &dyn Reader,
    decoder: &LogDecoder,
    from: i64,
    head: i64,
) -> Result<Option<i64>, StoreError> {
    if from > head {
        return Ok(None);
    }
    let page = reader.log(from, 1)?;
    Ok(page.rows.iter().flat_map(|row| decoder.events(row)).map(|(_, event)| event.at).next())
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The events that were asked for: how many others there are is nobody's business who may not see them.
    pub(super) events: u64,
    /// Whether nothing that was there can be missing.
    pub(super) complete: bool,
}

/// A read of the log, backwards.
pub(super) struct Backwards<'a> {
    pub(super) reader: &'a dyn Reader,
    pub(super) decoder: &'a LogDecoder,
    /// Which events are in sight and asked for.
    pub(super) wanted: &'a dyn Fn(&LoggedEvent<'_>) -> bool,
    pub(super) ends: Ends,
    pub(super) at: i64,
    pub(super) limits: ReadLimits,
}

/// The place of a read.
struct Place {
    /// The next position.
    to: i64,
    rows: i64,
    events: u64,
    /// Those of them that were asked for.
    wanted: u64,
    last_block: u64,
    earliest: i64,
}

impl Backwards<'_> {
    /// Takes back all events after the instant, and then reads on until it is known when everything
    /// began. If they are too many, it leaves some of them out, and learns from the events before the
    /// instant what it can.
    pub(super) fn read(&self, rewind: &mut Rewind) -> Result<Read, StoreError> {
        let began = since_boot();
        let Ends { head, trimmed, .. } = self.ends;
        let mut place =
            Place { to: head, rows: FIRST_ROWS, events: 0, wanted: 0, last_block: 0, earliest: i64::MAX };
        let is_past = |place: &Place| place.earliest < self.at.saturating_sub(DISORDER_MICROS);
        let ReadLimits { events, events_after, within, after_within } = self.limits;
        let after = (events_after, began + after_within);
        while place.to > trimmed && !is_past(&place) && place.may_go_on(after) {
            self.block(&mut place, rewind)?;
        }
        let limits = (events, began + within);
        if place.to <= trimmed || is_past(&place) {
            while place.to > trimmed && rewind.has_unknown() && place.may_go_on(limits) {
                self.block(&mut place, rewind)?;
            }
            return Ok(Read { events: place.wanted, complete: true });
        }
        rewind.forget_unproved();
        let from = self.position_after(self.at.saturating_add(DISORDER_MICROS))?;
        place.to = place.to.min(from);
        while place.to > trimmed && place.may_go_on(limits) {
            self.block(&mut place, rewind)?;
        }
        rewind.forget_unproved();
        // Before the oldest event there was nothing, unless events were trimmed.
        Ok(Read { events: place.wanted, complete: place.to <= trimmed && trimmed == 0 })
    }

    /// Adds the next part of the log.
    fn block(&self, place: &mut Place, rewind: &mut Rewind) -> Result<(), StoreError> {
        let from = (place.to - place.rows + 1).max(self.ends.trimmed + 1);
        let mut rows = Vec::new();
        let bytes = for_each_row(self.reader, from, place.to, |row| {
            rows.push(crate::store::LogRow { position: row.position, events: row.events.clone() });
        })?;
        place.last_block = 0;
        for row in rows.iter().rev() {
            let events: Vec<_> = self.decoder.events(row).map(|(_, event)| event).collect();
            for event in events.iter().rev() {
                place.last_block += 1;
                place.earliest = place.earliest.min(event.at);
                if (self.wanted)(event) {
                    place.wanted += 1;
                    rewind.add(event);
                }
            }
        }
        place.events += place.last_block;
        place.to = from - 1;
        place.rows = next_rows(place.rows, bytes, MAX_ROWS);
        Ok(())
    }

    /// A position such that all events behind it happened after this instant.
    fn position_after(&self, at: i64) -> Result<i64, StoreError> {
        let (mut low, mut high) = (self.ends.trimmed, self.ends.head);
        while low < high {
            let middle = low + (high - low) / 2;
            match first_event_at(self.reader, self.decoder, middle + 1, self.ends.head)? {
                Some(first) if first <= at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

impl Place {
    /// Whether another part fits, if it has as many events as the last one.
    fn may_go_on(&self, (events, until): (u64, Duration)) -> bool {
        self.events + self.last_block <= events && since_boot() < until
    }
}
