//! A reader of which a test scripts the reads of the event log. All others fail.

use std::collections::HashMap;
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};

use super::{
    ClaimRowKey, ClaimTotals, Contended, DueWork, InUseLimits, KeyRange, ListQuery, LockCounts, LogHead,
    LogPage, LogRow, Name, Names, QueueLimits, Reader, ReleaseRequest, ResourceHistory, ResourcePage,
    ResourceView, StoreError,
};

/// The reads of the event log.
pub(crate) trait ReadsLog: Send + Sync {
    /// [`Reader::log`].
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError>;

    /// [`Reader::history`].
    fn history(
        &self,
        _: &Name,
        _: i64,
        _: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
        unscripted()
    }
}

/// The answer to a read that no test scripts.
pub(crate) fn unscripted<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("expected".into()))
}

impl<R: ReadsLog> Reader for R {
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        ReadsLog::log(self, from, limit)
    }

    fn history(
        &self,
        name: &Name,
        upto: i64,
        each: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
        ReadsLog::history(self, name, upto, each)
    }

    fn now(&self) -> Result<Micros, StoreError> {
        unscripted()
    }

    fn view(&self, _: &Name, _: usize) -> Result<(ResourceView, LogHead), StoreError> {
        unscripted()
    }

    fn queue_position(&self, _: &Name, _: &ClaimKey) -> Result<Option<u64>, StoreError> {
        unscripted()
    }

    fn queue(&self, _: &Name) -> Result<Vec<ClaimKey>, StoreError> {
        unscripted()
    }

    fn versions(&self, _: &[Name]) -> Result<HashMap<Name, u64>, StoreError> {
        unscripted()
    }

    fn list(&self, _: &ListQuery, _: &Names) -> Result<ResourcePage, StoreError> {
        unscripted()
    }

    fn list_again(&self, _: &[Name]) -> Result<Vec<ResourceView>, StoreError> {
        unscripted()
    }

    fn lock_counts(&self, _: Micros, _: &Names) -> Result<LockCounts, StoreError> {
        unscripted()
    }

    fn contended(&self, _: &Names, _: QueueLimits) -> Result<Contended, StoreError> {
        unscripted()
    }

    fn in_use(&self, _: &Names, _: InUseLimits) -> Result<Contended, StoreError> {
        unscripted()
    }

    fn claim_totals(&self, _: &[Names]) -> Result<ClaimTotals, StoreError> {
        unscripted()
    }

    fn due_work(&self, _: Duration, _: i64) -> Result<DueWork, StoreError> {
        unscripted()
    }

    fn release_requests(&self) -> Result<(Micros, Vec<ReleaseRequest>), StoreError> {
        unscripted()
    }

    fn key_range(&self, _: Option<&ClaimRowKey>, _: Micros, _: i64) -> Result<Option<KeyRange>, StoreError> {
        unscripted()
    }
}
