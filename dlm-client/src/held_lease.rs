//! The shared state of one lease that has a guard in this process.
//!
//! The guard, the renewals on the client thread, and the futures that wait for a
//! loss all share one [`HeldLease`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_protocol::{FencingToken, Lease, LeaseId, Mode, ResourceName};
use tokio_util::sync::CancellationToken;

use crate::clock::BootInstant;
use crate::loss::{GuardState, LossReason};
use crate::reservation::Reservation;
use crate::term::Term;

/// A lease that has a guard.
///
/// Each call computes from the clock whether the lease is still held, so no task
/// has to notice the deadline in time. An end is final.
#[derive(Debug)]
pub(crate) struct HeldLease {
    /// Unique among the guards of this process.
    pub(crate) id: u64,
    pub(crate) resource: ResourceName,
    pub(crate) lease_id: LeaseId,
    pub(crate) mode: Mode,
    pub(crate) fencing_token: FencingToken,
    pub(crate) auto_renew: bool,
    ended: CancellationToken,
    state: Mutex<LeaseState>,
}

#[derive(Debug)]
struct LeaseState {
    term: Term,
    end: Option<GuardEnd>,
    /// A renewal was sent whose outcome is unknown.
    renewal_outcome_unknown: bool,
    /// The lease, and its key if the caller chose it.
    reservations: Vec<Reservation>,
}

/// How a guard ended.
#[derive(Debug, Clone, Copy)]
enum GuardEnd {
    Lost(LossReason),
    Released,
    Detached,
}

impl HeldLease {
    pub(crate) fn new(lease: Lease, term: Term, auto_renew: bool, reservations: Vec<Reservation>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            resource: lease.resource,
            lease_id: lease.lease_id,
            mode: lease.mode,
            fencing_token: lease.fencing_token,
            auto_renew,
            ended: CancellationToken::new(),
            state: Mutex::new(LeaseState { term, end: None, renewal_outcome_unknown: false, reservations }),
        }
    }

    pub(crate) fn state(&self, now: BootInstant) -> GuardState {
        let end = self.lock_at(now).end;
        match end {
            None => GuardState::Held,
            Some(GuardEnd::Lost(reason)) => GuardState::Lost(reason),
            Some(GuardEnd::Released | GuardEnd::Detached) => GuardState::Released,
        }
    }

    /// Why the guard ended; `None` while it holds the lock.
    pub(crate) fn end_reason(&self, now: BootInstant) -> Option<LossReason> {
        self.lock_at(now).end.map(GuardEnd::reason)
    }

    /// Waits until the guard ends, and returns why.
    pub(crate) async fn wait_for_end(&self) -> LossReason {
        if self.end_reason(BootInstant::now()).is_none() {
            self.ended.cancelled().await;
        }
        self.end_reason(BootInstant::now()).unwrap_or(LossReason::Unknown)
    }

    /// A token that is cancelled when the guard ends.
    pub(crate) fn end_token(&self) -> CancellationToken {
        drop(self.lock_at(BootInstant::now()));
        self.ended.child_token()
    }

    /// The time until the guard's deadline; zero once the guard has ended.
    pub(crate) fn remaining(&self, now: BootInstant) -> Duration {
        let state = self.lock_at(now);
        if state.end.is_some() { Duration::ZERO } else { state.term.deadline().duration_since(now) }
    }

    pub(crate) fn term(&self) -> Term {
        self.lock().term
    }

    /// Starts the term of a successful renewal. Fails if the guard ended before.
    pub(crate) fn renewed(&self, next: Term, now: BootInstant) -> Result<Term, LossReason> {
        let mut state = self.lock_at(now);
        if let Some(end) = state.end {
            return Err(end.reason());
        }
        state.term = state.term.renewed(next);
        state.renewal_outcome_unknown = false;
        Ok(state.term)
    }

    /// Records that a renewal for `ttl` was sent and not answered: the server may
    /// have started a term that the guard does not know.
    pub(crate) fn renewal_outcome_unknown(&self, now: BootInstant, ttl: Option<Duration>) {
        let mut state = self.lock();
        let ttl = ttl.unwrap_or(state.term.ttl());
        state.term.renewal_outcome_unknown(now, ttl);
        state.renewal_outcome_unknown = true;
    }

    /// Records that the lease ended at the server. Returns why the guard ended,
    /// which is an earlier reason if there is one.
    pub(crate) fn lose(&self, reason: LossReason) -> LossReason {
        let mut state = self.lock();
        let reason = self.end(&mut state, GuardEnd::Lost(reason)).reason();
        state.renewal_outcome_unknown = false;
        reason
    }

    /// Ends the guard on behalf of its user. Returns the reservations to keep
    /// until the release is answered, or `None` if there is nothing to release.
    pub(crate) fn release(&self, now: BootInstant) -> Option<Vec<Reservation>> {
        let mut state = self.lock_at(now);
        if state.end.is_none() {
            let reservations = std::mem::take(&mut state.reservations);
            self.end(&mut state, GuardEnd::Released);
            return Some(reservations);
        }
        // A renewal with unknown outcome may have kept the lease alive at the
        // server. It is released unless another guard has adopted it meanwhile.
        let may_be_live = std::mem::take(&mut state.renewal_outcome_unknown) && now < state.term.expired_by();
        may_be_live.then(|| Reservation::lease(&self.lease_id)).flatten().map(|lease| vec![lease])
    }

    /// Ends the guard and leaves the lease alone.
    pub(crate) fn detach(&self, now: BootInstant) {
        let mut state = self.lock_at(now);
        self.end(&mut state, GuardEnd::Detached);
    }

    fn lock(&self) -> MutexGuard<'_, LeaseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state and brings it up to date with the clock.
    fn lock_at(&self, now: BootInstant) -> MutexGuard<'_, LeaseState> {
        let mut state = self.lock();
        if state.end.is_none() && now >= state.term.deadline() {
            self.end(&mut state, GuardEnd::Lost(LossReason::Deadline));
        }
        state
    }

    /// Ends the guard, unless it has ended already. Returns the first end.
    fn end(&self, state: &mut LeaseState, end: GuardEnd) -> GuardEnd {
        if let Some(first) = state.end {
            return first;
        }
        state.end = Some(end);
        state.renewal_outcome_unknown &= matches!(end, GuardEnd::Lost(LossReason::Deadline));
        state.reservations.clear();
        self.ended.cancel();
        end
    }
}

impl GuardEnd {
    fn reason(self) -> LossReason {
        match self {
            Self::Lost(reason) => reason,
            Self::Released => LossReason::Released,
            Self::Detached => LossReason::Detached,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use dlm_protocol::{Metadata, Owner, Timestamp, Ttl};

    use super::*;

    pub(crate) fn lease(id: &str, ttl_ms: u64) -> Lease {
        Lease {
            resource: ResourceName::try_from("orders/42").unwrap(),
            lease_id: LeaseId::try_from(id).unwrap(),
            mode: Mode::Exclusive,
            fencing_token: FencingToken::new(7),
            ttl_ms: Ttl::from_millis(ttl_ms).unwrap(),
            acquired_at: Timestamp::from_micros(0),
            expires_at: Timestamp::from_micros(0),
            elapsed_ms: 0,
            owner: Owner::default(),
            metadata: Metadata::default(),
        }
    }

    /// A held lease. Each test uses its own lease ids.
    pub(crate) fn held(id: &str, sent: BootInstant, ttl_ms: u64) -> HeldLease {
        let lease = lease(id, ttl_ms);
        let term = Term::new(sent, sent, 0, lease.ttl_ms);
        let reservation = Reservation::lease(&lease.lease_id).unwrap();
        HeldLease::new(lease, term, true, vec![reservation])
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn guard_is_lost_by_the_clock_alone_and_stays_lost() {
        let sent = BootInstant::now();
        let held = held("clock-alone", sent, 1_000);
        assert_eq!(held.state(sent), GuardState::Held);
        assert!(held.remaining(sent) > Duration::from_millis(990));

        let after = sent + SECOND;
        assert_eq!(held.state(after), GuardState::Lost(LossReason::Deadline));
        assert_eq!(held.remaining(after), Duration::ZERO);
        assert_eq!(held.state(sent), GuardState::Lost(LossReason::Deadline), "lost is final");
    }

    #[test]
    fn renewal_reply_after_the_deadline_does_not_revive_the_guard() {
        let sent = BootInstant::now();
        let held = held("late-answer", sent, 1_000);
        let late = sent + SECOND;
        let next = Term::new(sent + SECOND / 2, late, 0, Ttl::from_millis(1_000).unwrap());
        assert_eq!(held.renewed(next, late), Err(LossReason::Deadline));
        assert_eq!(held.state(late), GuardState::Lost(LossReason::Deadline));
    }

    #[test]
    fn first_end_reason_wins() {
        let held = held("first-reason", BootInstant::now(), 30_000);
        assert_eq!(held.lose(LossReason::ForceReleased), LossReason::ForceReleased);
        assert_eq!(held.lose(LossReason::Expired), LossReason::ForceReleased);
        assert!(held.release(BootInstant::now()).is_none());
        assert_eq!(held.state(BootInstant::now()), GuardState::Lost(LossReason::ForceReleased));
    }

    #[test]
    fn lease_stays_reserved_until_its_release_is_answered() {
        let held = held("claimed-until-answered", BootInstant::now(), 30_000);
        let reservations = held.release(BootInstant::now()).expect("the lease was held");
        assert!(Reservation::lease(&held.lease_id).is_none());
        drop(reservations);
        assert!(Reservation::lease(&held.lease_id).is_some());
    }

    #[test]
    fn lost_guard_releases_only_a_lease_with_unknown_renewal_outcome() {
        let sent = BootInstant::now();
        let quiet = held("quiet-loss", sent, 1_000);
        assert!(quiet.release(sent + SECOND).is_none());

        let revived = held("revived", sent, 1_000);
        revived.renewal_outcome_unknown(sent + SECOND / 2, None);
        assert!(revived.release(sent + SECOND).is_some());

        let taken_over = held("taken-over", sent, 1_000);
        taken_over.renewal_outcome_unknown(sent + SECOND / 2, None);
        assert_eq!(taken_over.end_reason(sent + SECOND), Some(LossReason::Deadline));
        let successor = Reservation::lease(&taken_over.lease_id);
        assert!(successor.is_some());
        assert!(taken_over.release(sent + SECOND).is_none());

        let expired = held("expired", sent, 1_000);
        expired.renewal_outcome_unknown(sent + SECOND / 2, None);
        assert!(expired.release(sent + 2 * SECOND).is_none());
    }

    #[test]
    fn debug_output_hides_the_lease_id() {
        let held = held("s3cret-lease", BootInstant::now(), 30_000);
        assert!(!format!("{held:?}").contains("s3cret"));
    }
}
