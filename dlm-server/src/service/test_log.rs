//! A log with one event at each position. Nothing else can be read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};

use crate::store::{
    ClaimRowKey, ClaimTotals, Contended, DueWork, InUseLimits, KeyRange, ListQuery, LockCounts, LogHead,
    LogPage, LogRow, LoggedEvent, Name, Names, QueueLimits, Reader, ReleaseRequest, ResourceHistory,
    ResourcePage, ResourceView, RowEvents, StoreError,
};

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

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("expected".into()))
}

impl Reader for TestLog {
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

    fn now(&self) -> Result<Micros, StoreError> {
        unavailable()
    }

    fn view(&self, _: &Name, _: usize) -> Result<(ResourceView, LogHead), StoreError> {
        unavailable()
    }

    fn queue_position(&self, _: &Name, _: &ClaimKey) -> Result<Option<u64>, StoreError> {
        unavailable()
    }

    fn queue(&self, _: &Name) -> Result<Vec<ClaimKey>, StoreError> {
        unavailable()
    }

    fn versions(&self, _: &[Name]) -> Result<HashMap<Name, u64>, StoreError> {
        unavailable()
    }

    fn list(&self, _: &ListQuery, _: &Names) -> Result<ResourcePage, StoreError> {
        unavailable()
    }

    fn list_again(&self, _: &[Name]) -> Result<Vec<ResourceView>, StoreError> {
        unavailable()
    }

    fn lock_counts(&self, _: Micros, _: &Names) -> Result<LockCounts, StoreError> {
        unavailable()
    }

    fn contended(&self, _: &Names, _: QueueLimits) -> Result<Contended, StoreError> {
        unavailable()
    }

    fn in_use(&self, _: &Names, _: InUseLimits) -> Result<Contended, StoreError> {
        unavailable()
    }

    fn claim_totals(&self, _: &[Names]) -> Result<ClaimTotals, StoreError> {
        unavailable()
    }

    fn release_requests(&self) -> Result<(Micros, Vec<ReleaseRequest>), StoreError> {
        unavailable()
    }

    fn due_work(&self, _: Duration, _: i64) -> Result<DueWork, StoreError> {
        unavailable()
    }

    fn key_range(&self, _: Option<&ClaimRowKey>, _: Micros, _: i64) -> Result<Option<KeyRange>, StoreError> {
        unavailable()
    }
}
