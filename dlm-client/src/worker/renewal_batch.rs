//! One request that renews many leases.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{RenewItem, RenewManyRequest, RenewResult, Ttl};

use super::command::ManualRenewal;
use super::context::WorkerContext;
use crate::held_lease::HeldLease;
use crate::request_error::RequestError;
use crate::transport::Answer;

/// The most leases in one request. Half of what the contract allows: with the
/// longest names the request still stays well below the body limit.
const MAX_BATCH: usize = dlm_protocol::limits::MAX_RENEWALS / 2;

/// Leases to renew with one request.
pub(super) struct RenewalBatch {
    pub(super) items: Vec<RenewalItem>,
    pub(super) timeout: Duration,
}

/// One lease of a batch.
pub(super) struct RenewalItem {
    pub(super) lease: Arc<HeldLease>,
    /// Callers that wait for the renewal; empty if it is automatic.
    pub(super) callers: Vec<ManualRenewal>,
}

impl RenewalItem {
    /// The TTL of the latest caller. Without one the lease keeps its TTL.
    pub(super) fn ttl(&self) -> Option<Ttl> {
        self.callers.last().map(|caller| caller.ttl)
    }
}

/// Groups leases with similar timeouts. The shortest timeout applies to the whole
/// batch, so it must not be much too short for the others.
pub(super) fn into_batches(mut items: Vec<(Duration, RenewalItem)>) -> Vec<RenewalBatch> {
    items.sort_by_key(|(timeout, _)| *timeout);
    let mut batches: Vec<RenewalBatch> = Vec::new();
    for (timeout, item) in items {
        match batches.last_mut() {
            Some(batch) if batch.items.len() < MAX_BATCH && timeout <= 2 * batch.timeout => {
                batch.items.push(item);
            }
            _ => batches.push(RenewalBatch { items: vec![item], timeout }),
        }
    }
    batches
}

/// The outcome of one attempt to renew a batch.
pub(super) struct RenewalOutcome {
    pub(super) items: Vec<RenewalItem>,
    /// One result per item, in order.
    pub(super) results: Result<Answer<Vec<RenewResult>>, RequestError>,
}

impl RenewalOutcome {
    /// The session socket that the leases were renewed over.
    pub(super) fn socket(&self) -> Option<u64> {
        self.results.as_ref().ok().and_then(|answer| answer.socket)
    }
}

/// Sends one attempt to renew a batch.
pub(super) async fn send(context: Arc<WorkerContext>, batch: RenewalBatch) -> RenewalOutcome {
    let RenewalBatch { items, timeout } = batch;
    let leases = items.iter().map(|item| RenewItem {
        resource: item.lease.resource.clone(),
        lease_id: item.lease.lease_id.clone(),
        ttl_ms: item.ttl(),
    });
    let request = RenewManyRequest { leases: leases.collect() };
    let results = match context.transport.renew_many(&request, timeout).await {
        Ok(answer) if answer.body.results.len() == items.len() => Ok(answer.map(|renewed| renewed.results)),
        Ok(answer) => {
            let what = format!("{} results for {} leases", answer.body.results.len(), items.len());
            Err(RequestError::unexpected_reply(what))
        }
        Err(error) => Err(error),
    };
    RenewalOutcome { items, results }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::held_lease::tests::held;

    #[test]
    fn lease_near_its_deadline_does_not_shorten_the_timeout_of_the_others() {
        let seconds = [10, 1, 9, 10, 10, 8];
        let items = seconds.into_iter().enumerate().map(|(number, seconds)| {
            let lease = Arc::new(held(&format!("batch-{number}"), Clock::System.now(), 30_000));
            (Duration::from_secs(seconds), RenewalItem { lease, callers: Vec::new() })
        });
        let batches = into_batches(items.collect());
        let sizes: Vec<_> =
            batches.iter().map(|batch| (batch.timeout.as_secs(), batch.items.len())).collect();
        assert_eq!(sizes, [(1, 1), (8, 5)]);
    }
}
