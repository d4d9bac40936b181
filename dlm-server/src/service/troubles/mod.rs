//! Reports troubles to the webhook: locks that are waited for or held too long, and possible
//! deadlocks.
//!
//! Every replica with a webhook looks for troubles, from the same data, and the first live one
//! reports them. One that becomes the first reports everything that is open, and what has ended
//! lately, since the one before may not have. So each message is sent at least once, with the same id.
//!
//! - `found`: the troubles in a wait-for graph
//! - `open`: those that have begun and not ended

mod found;
mod open;

use std::sync::Arc;
use std::time::Duration;

use super::{Error, Service, wait_graph};
use crate::clock::since_boot;
use crate::webhook::{Delivery, Webhook, WebhookQueue};
use open::Troubles;

/// Time from one look to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// The pause after a look, as a multiple of the time that it took.
const REST: u32 = 4;

impl Service {
    /// Reports troubles to a webhook until the service is closed. Nothing waits for it, and
    /// nothing fails with it.
    pub(crate) fn report_troubles(&self, webhook: Webhook) {
        let (queue, delivery) = Delivery::new(webhook);
        let stop = self.0.background.stop_token();
        self.0.background.spawn_async(delivery.run(stop.clone()));
        // Not a clone of the service: it would keep itself open.
        let inner = Arc::downgrade(&self.0);
        let via = self.1.clone();
        self.0.background.spawn_async(async move {
            let mut troubles = Troubles::default();
            let mut pause = INTERVAL;
            loop {
                let pausing = tokio::time::sleep(pause);
                if stop.run_until_cancelled(pausing).await.is_none() {
                    return;
                }
                let Some(inner) = inner.upgrade() else { return };
                let service = Self(inner, via.clone());
                let began = since_boot();
                let look = service.look_for_troubles(&mut troubles, &queue);
                match stop.run_until_cancelled(look).await {
                    None => return,
                    Some(Ok(())) => {}
                    // Readiness and the metrics say that the store does not respond.
                    Some(Err(error)) => tracing::debug!(%error, "no look for troubles"),
                }
                pause = INTERVAL.max(since_boot().saturating_sub(began) * REST);
            }
        });
    }

    async fn look_for_troubles(&self, troubles: &mut Troubles, queue: &WebhookQueue) -> Result<(), Error> {
        let (membership, limits) = (Arc::clone(&self.0.membership), Arc::clone(&self.0.limits));
        let permit = self.0.access.system().reads().permit_in_turn().await?;
        let read = move |reader: &dyn crate::store::Reader| {
            wait_graph::of_all(reader, &membership.current(), &limits)
        };
        let graph = permit.read(read).await?;
        drop(permit);
        troubles.update(&graph, self.0.troubles, self.0.cluster.rank() == 0);
        queue.drop(troubles.send(|message| queue.push(message)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
