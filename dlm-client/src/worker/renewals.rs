//! Renews watched leases and detects lost ones.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{LeaseEnded, ProblemCode, ReleaseNotice, RenewResult, Ttl};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::command::{ManualRenewal, PendingRelease, WorkerCommand};
use super::context::RenewalLimits;
use super::ended_leases::EndedLeases;
use super::handle::Handle;
use super::renewal_batch::{self, RenewalBatch, RenewalItem, RenewalOutcome};
use super::schedule::{Schedule, WatchedGuard};
use crate::clock::BootInstant;
use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::loss::LossReason;
use crate::request_error::retry_after_of;
use crate::retry::Backoff;
use crate::term::Term;
use crate::transport::Answer;

/// The shortest timeout of one renewal attempt.
const MIN_TIMEOUT: Duration = Duration::from_millis(20);
/// A reply may take this many times longer than the last round trips.
const ROUND_TRIPS: u32 = 4;

impl Handle {
    /// Starts to renew the lease of a new guard and to watch its deadline.
    pub(crate) fn watch(&self, lease: &Arc<HeldLease>, socket: Option<u64>) {
        self.send(WorkerCommand::Watch { lease: Arc::clone(lease), socket });
    }

    /// Renews a lease now, with retries until its guard is lost.
    pub(crate) async fn renew(&self, lease: &Arc<HeldLease>, ttl: Ttl) -> Result<(), Error> {
        let (done, receiver) = oneshot::channel();
        self.send(WorkerCommand::Renew(Arc::clone(lease), ManualRenewal { ttl, done }));
        // A loss that the server reports ends the call, also while a renewal is on its way.
        match select(receiver, pin!(lease.wait_for_end())).await {
            Either::Left((renewed, _)) => renewed.unwrap_or_else(|_| Err(Error::closed())),
            Either::Right((reason, _)) => Err(Error::lost(&lease.resource, reason)),
        }
    }
}

/// Decides when each watched lease is renewed, and when its guard is lost.
pub(super) struct Renewer {
    /// The origin of the grid that renewals are aligned to.
    origin: BootInstant,
    schedule: Schedule,
    ended: EndedLeases,
}

impl Renewer {
    pub(super) fn new(origin: BootInstant) -> Self {
        Self { origin, schedule: Schedule::default(), ended: EndedLeases::default() }
    }

    /// When there is something to do next.
    pub(super) fn next_wakeup(&self) -> Option<BootInstant> {
        self.schedule.next_wakeup()
    }

    /// Starts to watch a guard. A lease that the session does not know is renewed
    /// at once over the session, so that the server reports its end there.
    pub(super) fn watch(&mut self, lease: Arc<HeldLease>, session_knows: bool, now: BootInstant) {
        if let Some(reason) = self.ended.reason_for(&lease) {
            lease.lose(reason);
        }
        if lease.end_reason(now).is_some() {
            return;
        }
        let due = if session_knows { lease.term().renewal_due(self.origin) } else { now };
        let renew_at = lease.auto_renew.then_some(due);
        self.schedule.insert(WatchedGuard::new(lease, renew_at));
    }

    pub(super) fn unwatch(&mut self, lease: &HeldLease, now: BootInstant) {
        if let Some(guard) = self.schedule.remove(lease.id) {
            let reason = lease.end_reason(now).unwrap_or(LossReason::Released);
            fail_callers(lease, guard.callers, reason);
        }
    }

    /// Renews a lease on behalf of a caller.
    pub(super) fn renew_now(&mut self, lease: &HeldLease, caller: ManualRenewal, now: BootInstant) {
        let mut caller = Some(caller);
        self.schedule.update(lease.id, |guard| {
            guard.callers.extend(caller.take());
            guard.renew_at = Some(now);
        });
        if let Some(caller) = caller {
            // The guard is not watched, because it has ended.
            let reason = lease.end_reason(now).unwrap_or(LossReason::Unknown);
            fail_callers(lease, vec![caller], reason);
        }
    }

    /// Renews all automatically renewed leases: a new session socket does not know
    /// any lease until it is renewed over it.
    pub(super) fn renew_all(&mut self, now: BootInstant) {
        for id in self.schedule.ids(|lease| lease.auto_renew) {
            self.schedule.update(id, |guard| guard.renew_at = Some(now));
        }
    }

    /// Handles the server's report that a lease has ended.
    pub(super) fn lease_ended(&mut self, ended: LeaseEnded, now: BootInstant) {
        let ids = self.schedule.ids_of(&ended.resource, ended.fencing_token);
        for &id in &ids {
            self.lost(id, |lease| lease.lose(LossReason::from_end_reason(Some(ended.reason))));
        }
        if ids.is_empty() {
            self.ended.insert(ended, now);
        }
    }

    /// Handles the server's message that the holder of a lease is asked to let go. A guard that is
    /// not watched yet learns it with its first renewal.
    pub(super) fn release_requested(&self, notice: &ReleaseNotice) {
        for id in self.schedule.ids_of(&notice.resource, notice.fencing_token) {
            if let Some(lease) = self.schedule.lease(id) {
                lease.release_requested(&notice.request);
            }
        }
    }

    /// Handles due wake-ups: guards past their deadline are lost, and leases that
    /// are due for renewal are returned in batches.
    pub(super) fn take_due(&mut self, now: BootInstant, limits: RenewalLimits) -> Vec<RenewalBatch> {
        let mut items = Vec::new();
        while let Some(lease) = self.schedule.next_due(now) {
            if let Some(reason) = lease.end_reason(now) {
                self.lost(lease.id, |_| reason);
                continue;
            }
            let timeout = timeout(lease.remaining(now), limits);
            let callers = self.schedule.update(lease.id, |guard| {
                guard.in_flight = true;
                guard.renew_at = None;
                std::mem::take(&mut guard.callers)
            });
            items.push((timeout, RenewalItem { lease, callers: callers.unwrap_or_default() }));
        }
        renewal_batch::into_batches(items)
    }

    /// Handles the outcome of a batch, lease by lease. Leases that the session does
    /// not know after it are renewed again. Returns the leases to release: their
    /// guards were lost while the renewal was on its way, so that nobody uses the
    /// term that the renewal may have started.
    pub(super) fn complete(
        &mut self,
        outcome: RenewalOutcome,
        session_knows: bool,
        now: BootInstant,
    ) -> Vec<PendingRelease> {
        let RenewalOutcome { items, results } = outcome;
        let leases: Vec<_> = items.iter().map(|item| Arc::clone(&item.lease)).collect();
        match results {
            Ok(Answer { body: results, sent_at, .. }) => {
                for (item, result) in items.into_iter().zip(results) {
                    self.complete_item(item, result, (sent_at, session_knows), now);
                }
            }
            Err(error) => {
                warn!(leases = items.len(), %error, "renewal failed, retrying");
                for item in items {
                    if error.is_denial() {
                        item.lease.renewal_denied(now);
                    }
                    if error.may_have_been_delivered() {
                        item.lease.renewal_outcome_unknown(now, item.ttl().map(Duration::from));
                    }
                    self.retry(item, error.retry_after(), now);
                }
            }
        }
        let reclaimed = leases.into_iter().filter_map(|lease| {
            let reservations = lease.reclaim(now)?;
            Some(PendingRelease { lease, reservations, done: None })
        });
        reclaimed.collect()
    }

    fn complete_item(
        &mut self,
        item: RenewalItem,
        result: RenewResult,
        (sent_at, session_knows): (BootInstant, bool),
        now: BootInstant,
    ) {
        let problem = match result {
            RenewResult::Lease(lease) => {
                if let Some(request) = &lease.release_requested {
                    item.lease.release_requested(request);
                }
                let next = Term::new(sent_at, now, lease.elapsed_ms, lease.ttl_ms);
                return match item.lease.renewed(next, lease.expires_at, now) {
                    Ok(term) => self.renewed(item, term, session_knows, now),
                    Err(reason) => self.lost_item(item, reason),
                };
            }
            RenewResult::Problem(problem) => problem,
        };
        match problem.code {
            ProblemCode::LeaseEnded => {
                let reason = item.lease.lose(LossReason::from_end_reason(problem.reason));
                self.lost_item(item, reason);
            }
            ProblemCode::NotHolder => {
                let reason = item.lease.lose(LossReason::Unknown);
                self.lost_item(item, reason);
            }
            code => {
                if matches!(code, ProblemCode::Unauthenticated | ProblemCode::Forbidden) {
                    item.lease.renewal_denied(now);
                }
                warn!(resource = %item.lease.resource, fencing_token = %item.lease.fencing_token,
                    detail = problem.detail, "renewal failed, retrying");
                self.retry(item, retry_after_of(&problem), now);
            }
        }
    }

    fn renewed(&mut self, item: RenewalItem, term: Term, session_knows: bool, now: BootInstant) {
        for caller in item.callers {
            // The caller may have given up.
            let _ = caller.done.send(Ok(()));
        }
        let due = if session_knows { term.renewal_due(self.origin) } else { now };
        self.schedule.update(item.lease.id, |guard| {
            guard.in_flight = false;
            guard.backoff = None;
            guard.renew_at =
                if guard.callers.is_empty() { guard.lease.auto_renew.then_some(due) } else { Some(now) };
        });
    }

    /// Schedules a retry, early enough to leave time for it before the deadline.
    fn retry(&mut self, mut item: RenewalItem, retry_after: Option<Duration>, now: BootInstant) {
        let callers = &mut item.callers;
        self.schedule.update(item.lease.id, |guard| {
            let remaining = guard.lease.remaining(now);
            let delay = guard.backoff.get_or_insert_with(Backoff::new).next_delay().min(remaining / 4);
            let delay = delay.max(retry_after.unwrap_or_default().min(remaining / 2));
            guard.in_flight = false;
            guard.renew_at = Some(now + delay);
            guard.callers.splice(..0, callers.drain(..));
        });
        // Still here if the guard is not watched any more.
        let reason = item.lease.end_reason(now).unwrap_or(LossReason::Unknown);
        fail_callers(&item.lease, item.callers, reason);
    }

    fn lost_item(&mut self, item: RenewalItem, reason: LossReason) {
        fail_callers(&item.lease, item.callers, reason);
        self.lost(item.lease.id, |_| reason);
    }

    /// Stops to watch a guard that was lost, and reports the loss.
    fn lost(&mut self, id: u64, reason: impl FnOnce(&HeldLease) -> LossReason) {
        let Some(WatchedGuard { lease, callers, .. }) = self.schedule.remove(id) else { return };
        let reason = reason(&lease);
        if lease.auto_renew && reason != LossReason::Released {
            warn!(resource = %lease.resource, fencing_token = %lease.fencing_token, %reason, "lock lost");
        } else {
            debug!(resource = %lease.resource, fencing_token = %lease.fencing_token, %reason, "lock ended");
        }
        fail_callers(&lease, callers, reason);
    }
}

/// The timeout of one attempt to renew a lease: a third of the remaining time, so
/// that there is time for two more attempts if a packet is dropped silently. More on
/// a slow network, where a third may be too short for any reply.
fn timeout(remaining: Duration, limits: RenewalLimits) -> Duration {
    let slow = (ROUND_TRIPS * limits.round_trip).min(remaining);
    (remaining / 3).max(slow).min(limits.max_timeout).max(MIN_TIMEOUT)
}

fn fail_callers(lease: &HeldLease, callers: Vec<ManualRenewal>, reason: LossReason) {
    for caller in callers {
        // The caller may have given up.
        let _ = caller.done.send(Err(Error::lost(&lease.resource, reason)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use dlm_protocol::{EndReason, FencingToken, ResourceName};

    use super::*;
    use crate::clock::Clock;
    use crate::held_lease::tests::lease;

    fn held(token: u64, now: BootInstant) -> Arc<HeldLease> {
        let mut lease = lease(&format!("mass-loss-{token}"), 30_000);
        lease.fencing_token = FencingToken::new(token);
        let term = Term::new(now, now, 0, lease.ttl_ms);
        Arc::new(HeldLease::new(lease, term, true, Vec::new(), Clock::System))
    }

    fn ended(token: u64) -> LeaseEnded {
        LeaseEnded {
            resource: ResourceName::try_from("orders/42").unwrap(),
            fencing_token: FencingToken::new(token),
            reason: EndReason::ForceReleased,
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test measures time")]
    fn loss_of_many_leases_at_once_takes_time_in_proportion_to_their_number() {
        const LEASES: u64 = 20_000;
        let now = Clock::System.now();
        let mut renewer = Renewer::new(now);
        let leases: Vec<_> = (0..LEASES).map(|token| held(token, now)).collect();
        for lease in &leases {
            renewer.watch(Arc::clone(lease), true, now);
        }
        let begun = Instant::now();
        for token in (0..LEASES).rev() {
            renewer.lease_ended(ended(token), now);
        }
        // If each loss looked at all leases, this would take half a minute.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(leases.iter().all(|lease| lease.end_reason(now) == Some(LossReason::ForceReleased)));
        assert_eq!(renewer.next_wakeup(), None);
    }

    #[test]
    fn timeout_of_a_renewal_leaves_time_for_more_attempts_unless_the_network_is_slow() {
        let ms = Duration::from_millis;
        let limits = |round_trip| RenewalLimits { max_timeout: ms(10_000), round_trip: ms(round_trip) };
        assert_eq!(timeout(ms(600), limits(0)), ms(200));
        assert_eq!(timeout(ms(600), limits(100)), ms(400));
        assert_eq!(timeout(ms(600), limits(1_000)), ms(600));
        assert_eq!(timeout(ms(60_000), limits(1_000)), ms(10_000));
        assert_eq!(timeout(ms(3), limits(0)), MIN_TIMEOUT);
    }
}
