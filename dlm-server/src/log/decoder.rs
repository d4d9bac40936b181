//! Decodes stored rows. A row that can't be decoded is skipped: it must not keep
//! the rest of the log from its readers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dlm_protocol::Event;

use super::{Cursor, wire_event};
use crate::metrics::Metrics;
use crate::store::{LogRow, LoggedEvent, StoreError};

/// How many unreadable rows are remembered, so that each is reported once.
const MAX_REMEMBERED: usize = 10_000;

/// The rows of one log as events. All readers of the log share it.
#[derive(Debug)]
pub(crate) struct LogDecoder {
    log_id: u64,
    metrics: Arc<Metrics>,
    unreadable: Mutex<BTreeSet<i64>>,
}

impl LogDecoder {
    pub(crate) fn new(log_id: u64, metrics: Arc<Metrics>) -> Self {
        Self { log_id, metrics, unreadable: Mutex::default() }
    }

    pub(crate) fn log_id(&self) -> u64 {
        self.log_id
    }

    /// The events of a row and their cursors; none of a row that can't be
    /// decoded.
    pub(crate) fn events<'a>(&self, row: &'a LogRow) -> impl Iterator<Item = (Cursor, LoggedEvent<'a>)> {
        let events = row.decode().unwrap_or_else(|error| {
            self.report(row.position, &error);
            Vec::new()
        });
        let position = row.position;
        (0..).zip(events).map(move |(index, event)| (Cursor { position, index }, event))
    }

    /// An event in wire terms; `None` if a value in it is invalid.
    pub(crate) fn wire(&self, at: Cursor, event: &LoggedEvent<'_>) -> Option<Event> {
        let wire = wire_event(event, at.encode(self.log_id));
        wire.inspect_err(|error| self.report(at.position, error)).ok()
    }

    /// Counts and logs an unreadable row, when it is first seen.
    fn report(&self, position: i64, error: &StoreError) {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if !unreadable.insert(position) {
            return;
        }
        if unreadable.len() > MAX_REMEMBERED {
            // The oldest row is the first that readers leave behind.
            unreadable.pop_first();
        }
        drop(unreadable);
        self.metrics.log_row_skipped();
        tracing::error!(position, %error, "unreadable event log row skipped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RowEvents;

    fn row(position: i64, events: &str) -> LogRow {
        LogRow { position, events: RowEvents::Json(events.to_owned()) }
    }

    #[test]
    fn b64_an_unreadable_row_is_skipped_and_counted_once() {
        let metrics = Metrics::new();
        let decoder = LogDecoder::new(7, Arc::clone(&metrics));
        let damaged = row(3, "[{\"kind\":\"gra");
        for _ in 0..2 {
            assert_eq!(decoder.events(&damaged).count(), 0);
        }
        let event = |name: &str| {
            format!(
                r#"{{"kind":"queued","resource":"{name}","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}}"#
            )
        };
        // The events beside one with an invalid name are readable.
        let half = row(4, &format!("[{},{}]", event(""), event("a")));
        let wire: Vec<_> = decoder.events(&half).filter_map(|(at, event)| decoder.wire(at, &event)).collect();
        assert_eq!(wire.len(), 1);
        assert_eq!(wire[0].cursor, Cursor { position: 4, index: 1 }.encode(7));
        assert!(metrics.text().contains("dlm_log_rows_skipped_total 2\n"), "{}", metrics.text());
    }
}
