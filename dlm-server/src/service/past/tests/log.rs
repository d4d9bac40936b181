//! A log with one event at each position. Nothing else can be read.

use std::collections::HashMap;

use dlm_engine::ClaimKey;

use super::{Step, event};
use crate::service::past::*;
use crate::store::{
    ClaimRowKey, ClaimTotals, DueWork, KeyRange, ListQuery, LockCounts, LogHead, LogPage, LogRow, Name,
    Names, QueueLimits, ReleaseRequest, ResourceHistory, ResourcePage, ResourceView, RowEvents,
};

pub(super) struct Log(pub(super) Vec<Step>);

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("expected".into()))
}

impl Reader for Log {
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        let rows = (1..).zip(&self.0).filter(|(position, _)| *position >= from).take(limit as usize);
        let row = |(position, step): (i64, &Step)| {
            let events = serde_json::to_string(&[event(*step)]).unwrap();
            LogRow { position, events: RowEvents::Json(events) }
        };
        let rows: Vec<_> = rows.map(row).collect();
        let more = rows.len() as i64 == limit;
        Ok(LogPage { rows, more, head: LogHead(self.0.len() as i64), trimmed: 0 })
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

    fn history(
        &self,
        _: &Name,
        _: i64,
        _: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
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
