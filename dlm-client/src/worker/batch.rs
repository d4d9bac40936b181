use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{RenewItem, RenewManyRequest, RenewResult, Ttl};

use super::handle::{Ask, Shared};
use crate::clock::Moment;
use crate::held::Held;
use crate::transport::Failure;

/// Leases in one request. Half of what the contract admits: the longest names
/// there are keep it well below the largest body.
const MOST_ITEMS: usize = dlm_protocol::limits::MAX_RENEWALS / 2;

/// Leases to be renewed in one request.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) timeout: Duration,
}

/// One of them.
pub(super) struct Item {
    pub(super) held: Arc<Held>,
    /// Who waits for it; empty when it is renewed because its time has come.
    pub(super) asks: Vec<Ask>,
}

impl Item {
    /// The TTL that was asked for last; without one the lease keeps its own.
    pub(super) fn ttl(&self) -> Option<Ttl> {
        self.asks.last().map(|ask| ask.ttl)
    }
}

/// Puts leases that have a similar time together. The one with the least gives
/// its batch its time, which must not be much too short for the others.
pub(super) fn cut(mut items: Vec<(Duration, Item)>) -> Vec<Batch> {
    items.sort_by_key(|(timeout, _)| *timeout);
    let mut batches: Vec<Batch> = Vec::new();
    for (timeout, item) in items {
        match batches.last_mut() {
            Some(batch) if batch.items.len() < MOST_ITEMS && timeout <= 2 * batch.timeout => {
                batch.items.push(item);
            }
            _ => batches.push(Batch { items: vec![item], timeout }),
        }
    }
    batches
}

/// What came of an attempt to renew a batch.
pub(super) struct Answered {
    /// When this attempt was sent.
    pub(super) sent: Moment,
    /// The socket that was up then.
    pub(super) socket: Option<u64>,
    pub(super) items: Vec<Item>,
    /// One result an item.
    pub(super) outcome: Result<Vec<RenewResult>, Failure>,
}

/// One attempt.
pub(super) async fn send(shared: Arc<Shared>, batch: Batch) -> Answered {
    let Batch { items, timeout } = batch;
    let leases = items.iter().map(|item| RenewItem {
        resource: item.held.resource.clone(),
        lease_id: item.held.lease_id.clone(),
        ttl_ms: item.ttl(),
    });
    let request = RenewManyRequest { leases: leases.collect() };
    let (sent, socket) = (Moment::now(), shared.transport.socket());
    let outcome = match shared.transport.renew_many(request, timeout).await {
        Ok(renewed) if renewed.results.len() == items.len() => Ok(renewed.results),
        Ok(renewed) => Err(Failure::Unexpected {
            status: 200,
            what: format!("{} results for {} leases", renewed.results.len(), items.len()),
            retry_after: None,
        }),
        Err(failure) => Err(failure),
    };
    Answered { sent, socket, items, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::tests::held;

    #[test]
    fn a_lease_that_is_near_its_end_does_not_shorten_the_time_of_all_others() {
        let seconds = [10, 1, 9, 10, 10, 8];
        let items = seconds.into_iter().enumerate().map(|(number, seconds)| {
            let held = held(&format!("batch-{number}"), Moment::now(), 30_000);
            (Duration::from_secs(seconds), Item { held: Arc::new(held), asks: Vec::new() })
        });
        let batches = cut(items.collect());
        let sizes: Vec<_> =
            batches.iter().map(|batch| (batch.timeout.as_secs(), batch.items.len())).collect();
        assert_eq!(sizes, [(1, 1), (8, 5)]);
    }
}
