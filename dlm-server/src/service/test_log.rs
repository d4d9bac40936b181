//! A log with one event at each position.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::store::test_reader::ReadsLog;
use crate::store::{LogHead, LogPage, LogRow, LoggedEvent, Name, ResourceHistory, RowEvents, StoreError};

pub(super) struct TestLog {
    pub(super) events: Vec<LoggedEvent<'static>>,
    /// How long it takes to follow a link.
    pub(super) link_takes: Duration,
    /// How many rows were read.
    pub(super) rows_read: AtomicUsize,
}

impl TestLog {
    pub(super) fn new(events: Vec<LoggedEvent<'static>>) -> Self {
        Self { events, link_takes: Duration::ZERO, rows_read: AtomicUsize::new(0) }
    }

    fn row(&self, position: i64) -> LogRow {
        self.rows_read.fetch_add(1, Ordering::Relaxed);
        let event = &self.events[position as usize - 1];
        LogRow { position, events: RowEvents::Json(serde_json::to_string(&[event]).unwrap()) }
    }

    fn head(&self) -> i64 {
        self.events.len() as i64
    }
}

impl ReadsLog for TestLog {
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        let end = from.max(1).saturating_add(limit - 1).min(self.head());
        let rows: Vec<_> = (from.max(1)..=end).map(|position| self.row(position)).collect();
        let more = rows.len() as i64 == limit;
        Ok(LogPage { rows, more, head: LogHead(self.head()), trimmed: 0 })
    }

    fn history(
        &self,
        name: &Name,
        upto: i64,
        each: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
        let of = |position: &i64| self.events[*position as usize - 1].resource == **name;
        for position in (1..=upto.min(self.head())).rev().filter(of) {
            std::thread::sleep(self.link_takes);
            if !each(&self.row(position)) {
                break;
            }
        }
        Ok(ResourceHistory { head: LogHead(self.head()), trimmed: 0, search_from: None })
    }
}
