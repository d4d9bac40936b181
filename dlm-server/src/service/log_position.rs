//! Finds places in the event log by the time of events.

use std::time::Duration;

use dlm_protocol::Timestamp;

use crate::log::LogDecoder;
use crate::store::{LogHead, LogPage, Reader, StoreError};

/// How much earlier or later than its place in the log an event may be: servers number their
/// batches a little after they committed them.
const DISORDER: Duration = Duration::from_secs(60);
pub(super) const DISORDER_MICROS: i64 = DISORDER.as_micros() as i64;

/// The ends of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) head: i64,
    /// The last position that was trimmed.
    pub(super) trimmed: i64,
}

impl Ends {
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let LogPage { head: LogHead(head), trimmed, .. } = reader.log(i64::MAX, 1)?;
        Ok(Self { head, trimmed })
    }
}

/// A log whose events are found by their time.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) reader: &'a dyn Reader,
    pub(super) decoder: &'a LogDecoder,
    pub(super) ends: Ends,
}

impl<'a> Places<'a> {
    pub(super) fn read(reader: &'a dyn Reader, decoder: &'a LogDecoder) -> Result<Self, StoreError> {
        Ok(Self { reader, decoder, ends: Ends::read(reader)? })
    }

    /// When the oldest event happened.
    pub(super) fn known_since(&self) -> Result<Option<i64>, StoreError> {
        self.first_event_at(self.ends.trimmed + 1)
    }

    /// A position such that all events behind it happened after this instant.
    pub(super) fn last_upto(&self, at: i64) -> Result<i64, StoreError> {
        let behind = at.saturating_add(DISORDER_MICROS);
        // An event that can't be read does not tell, so what follows it may be wanted.
        self.partition(|first| first.is_some_and(|first| first > behind))
    }

    /// A position such that all events at it and before it happened before this instant.
    pub(super) fn last_before(&self, at: Timestamp) -> Result<i64, StoreError> {
        let wanted = at.as_micros().saturating_sub(DISORDER_MICROS);
        self.partition(|first| first.is_none_or(|first| first >= wanted))
    }

    /// The position before the first one whose next event is behind what is looked for.
    fn partition(&self, is_behind: impl Fn(Option<i64>) -> bool) -> Result<i64, StoreError> {
        let (mut low, mut high) = (self.ends.trimmed, self.ends.head);
        while low < high {
            let middle = low + (high - low) / 2;
            match is_behind(self.first_event_at(middle + 1)?) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(low)
    }

    /// When the first readable event at a position, or at the next one that has events, happened.
    fn first_event_at(&self, from: i64) -> Result<Option<i64>, StoreError> {
        if from > self.ends.head {
            return Ok(None);
        }
        let page = self.reader.log(from, 1)?;
        Ok(page.rows.iter().flat_map(|row| self.decoder.events(row)).map(|(_, event)| event.at).next())
    }
}
