//! Counts the leases and waiters of principals in the store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{id, usage_of};
use crate::auth::{Policy, Rule};
use crate::background::Attempts;
use crate::clock::since_boot;
use crate::metrics::Metrics;
use crate::store::{Reader, StoreError};
use crate::usage::Usage;

/// Time from one count to the next. With the time that a count takes, what other servers
/// have changed is seen within a second.
const INTERVAL: Duration = Duration::from_millis(800);
/// A count that takes long is followed by a pause of this many times as long.
const REST: u32 = 4;

/// Counts as long as a rule limits leases or waiters.
pub(in crate::service) struct UsageCounter {
    pub(in crate::service) usage: Arc<Usage>,
    pub(in crate::service) reader: Arc<dyn Reader>,
    pub(in crate::service) policies: watch::Receiver<Arc<Policy>>,
    pub(in crate::service) metrics: Arc<Metrics>,
}

/// Counts for the first time, before there are requests. If that fails, rules count from
/// nothing until the next count.
pub(in crate::service) fn count_at_start(usage: &Usage, policy: &Policy, reader: &dyn Reader) {
    follow(usage, policy);
    if let Err(error) = count(usage, reader) {
        tracing::warn!(%error, "leases and waiters could not be counted");
    }
}

impl UsageCounter {
    /// Counts until `stop` is cancelled. Blocks.
    pub(in crate::service) async fn run(mut self, mut attempts: Attempts, stop: CancellationToken) {
        let mut pause = INTERVAL;
        loop {
            let pausing = async {
                match self.usage.counts_claims() {
                    true => tokio::time::sleep(pause).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                // The service has the sender, and ends only after its tasks.
                Ok(()) = self.policies.changed() => {
                    let policy = Arc::clone(&self.policies.borrow_and_update());
                    follow(&self.usage, &policy);
                    self.metrics.forget_quotas(|principal| policy.has(principal));
                }
                () = pausing => {}
            }
            let began = since_boot();
            pause = match count(&self.usage, &*self.reader) {
                Ok(()) => {
                    attempts.succeeded();
                    let took = since_boot().saturating_sub(began);
                    INTERVAL.saturating_sub(took).max(took * REST)
                }
                Err(error) => attempts.failed(&error),
            };
        }
    }
}

/// Has the usage contain what a policy limits, and nothing else.
fn follow(usage: &Usage, policy: &Policy) {
    let is_limited = |rule: &Rule| rule.limits.counts_claims() || rule.limits.requests_per_second.is_some();
    usage.retain(|known| {
        let in_force = policy.rules_of(known.principal);
        let same = |rule: &Arc<Rule>| is_limited(rule) && id(known.principal, rule) == known;
        in_force.is_some_and(|rules| rules.iter().any(same))
    });
    for principal in policy.principals() {
        let rules = policy.rules(&principal).into_iter().flat_map(|rules| rules.iter());
        for rule in rules.filter(|rule| rule.limits.counts_claims()) {
            usage_of(usage, &principal, rule);
        }
    }
}

fn count(usage: &Usage, reader: &dyn Reader) -> Result<(), StoreError> {
    if !usage.counts_claims() {
        return Ok(());
    }
    let counting = usage.begin_count();
    let totals = reader.claim_totals(counting.names())?;
    counting.finish(&totals);
    Ok(())
}
