//! Reads what is needed of the event log, within limits.

use std::time::Duration;

use super::rewind::Rewind;
use crate::clock::since_boot;
use crate::service::log_position::{DISORDER_MICROS, Ends, Places};
use crate::store::{LoggedEvent, StoreError, for_each_row, next_rows};

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
    pub(super) places: Places<'a>,
    /// Which events are in sight and asked for.
    pub(super) wanted: &'a dyn Fn(&LoggedEvent<'_>) -> bool,
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
        let Ends { head, trimmed } = self.places.ends;
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
        place.to = place.to.min(self.places.last_upto(self.at)?);
        while place.to > trimmed && place.may_go_on(limits) {
            self.block(&mut place, rewind)?;
        }
        rewind.forget_unproved();
        // Before the oldest event there was nothing, unless events were trimmed.
        Ok(Read { events: place.wanted, complete: place.to <= trimmed && trimmed == 0 })
    }

    /// Adds the next part of the log.
    fn block(&self, place: &mut Place, rewind: &mut Rewind) -> Result<(), StoreError> {
        let from = (place.to - place.rows + 1).max(self.places.ends.trimmed + 1);
        let mut rows = Vec::new();
        let bytes = for_each_row(self.places.reader, from, place.to, |row| {
            rows.push(crate::store::LogRow { position: row.position, events: row.events.clone() });
        })?;
        place.last_block = 0;
        for row in rows.iter().rev() {
            let events: Vec<_> = self.places.decoder.events(row).map(|(_, event)| event).collect();
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
}

impl Place {
    /// Whether another part fits, if it has as many events as the last one.
    fn may_go_on(&self, (events, until): (u64, Duration)) -> bool {
        self.events + self.last_block <= events && since_boot() < until
    }
}
