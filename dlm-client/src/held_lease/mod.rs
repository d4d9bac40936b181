//! The shared state of one lease that has a guard in this process.
//!
//! The guard, the renewals on the client thread, and the futures that wait for a
//! loss all share one [`HeldLease`].
//!
//! - `state`: what is known about the lease, and how its guard ended

mod state;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use dlm_protocol::{FencingToken, Lease, LeaseId, Mode, PendingRelease, ResourceName, Timestamp};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::state::{GuardEnd, LeaseState};
use crate::clock::{BootInstant, Clock};
use crate::loss::{GuardState, LossReason};
use crate::reentrancy::HeldName;
use crate::release_request::ReleaseRequest;
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
    clock: Clock,
    ended: CancellationToken,
    release_request: OnceLock<ReleaseRequest>,
    /// Cancelled when there is a release request.
    release_requested: CancellationToken,
    state: Mutex<LeaseState>,
}

impl HeldLease {
    pub(crate) fn new(
        lease: Lease,
        term: Term,
        auto_renew: bool,
        reservations: Vec<Reservation>,
        clock: Clock,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let held = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            resource: lease.resource,
            lease_id: lease.lease_id,
            mode: lease.mode,
            fencing_token: lease.fencing_token,
            auto_renew,
            clock,
            ended: CancellationToken::new(),
            release_request: OnceLock::new(),
            release_requested: CancellationToken::new(),
            state: Mutex::new(LeaseState {
                term,
                expires_at: lease.expires_at,
                end: None,
                may_outlive_guard: false,
                access_denied: false,
                detached: false,
                reservations,
                held_name: None,
            }),
        };
        if let Some(request) = &lease.release_requested {
            held.release_requested(request);
        }
        held
    }

    /// Records that the server asks to let go of the lease. The first request stands.
    pub(crate) fn release_requested(&self, request: &PendingRelease) {
        if self.release_request.set(request.into()).is_ok() {
            self.release_requested.cancel();
        }
    }

    /// The request to let go of the lease, if there is one.
    pub(crate) fn release_request(&self) -> Option<&ReleaseRequest> {
        self.release_request.get()
    }

    /// Completes once the server asks to let go of the lease.
    pub(crate) fn release_request_arrived(&self) -> WaitForCancellationFutureOwned {
        self.release_requested.clone().cancelled_owned()
    }

    pub(crate) fn state(&self, now: BootInstant) -> GuardState {
        match self.with_state_at(now, |state| state.end) {
            None => GuardState::Held,
            Some(GuardEnd::Lost(reason)) => GuardState::Lost(reason),
            Some(GuardEnd::Released | GuardEnd::Detached) => GuardState::Released,
        }
    }

    /// Why the guard ended; `None` while it holds the lock.
    pub(crate) fn end_reason(&self, now: BootInstant) -> Option<LossReason> {
        self.with_state_at(now, |state| state.end).map(GuardEnd::reason)
    }

    /// Like [`end_reason`](Self::end_reason), at this instant.
    pub(crate) fn end_reason_now(&self) -> Option<LossReason> {
        self.end_reason(self.clock.now())
    }

    /// Completes once the guard has ended and somebody has noticed.
    pub(crate) fn ended(&self) -> WaitForCancellationFutureOwned {
        self.ended.clone().cancelled_owned()
    }

    /// Waits until the guard ends, and returns why. Each poll reads the clock: after
    /// a suspend the caller may be polled before the client thread has noticed that
    /// the deadline has passed.
    pub(crate) async fn wait_for_end(&self) -> LossReason {
        let mut ended = pin!(self.ended.cancelled());
        poll_fn(|cx| match self.end_reason_now() {
            Some(reason) => Poll::Ready(reason),
            None => ended.as_mut().poll(cx).map(|()| self.end_reason_now().unwrap_or(LossReason::Unknown)),
        })
        .await
    }

    /// A token that is cancelled when the guard ends.
    pub(crate) fn end_token(&self) -> CancellationToken {
        self.with_state_at(self.clock.now(), |_| ());
        self.ended.child_token()
    }

    /// The time until the guard's deadline; zero once the guard has ended.
    pub(crate) fn remaining(&self, now: BootInstant) -> Duration {
        self.with_state_at(now, |state| match state.end {
            Some(_) => Duration::ZERO,
            None => state.term.deadline().duration_since(now),
        })
    }

    /// Keeps the record of who acquired the lock until the guard ends.
    pub(crate) fn keep_held_name(&self, name: HeldName) {
        let name = self.with_state_at(self.clock.now(), |state| match state.end {
            Some(_) => Some(name),
            None => state.held_name.replace(name),
        });
        drop(name);
    }

    pub(crate) fn term(&self) -> Term {
        self.with_state(|state| state.term)
    }

    /// When the lease expires by the server's clock, as far as the guard knows.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.with_state(|state| state.expires_at)
    }

    /// Starts the term of a successful renewal. Fails if the guard ended before.
    pub(crate) fn renewed(
        &self,
        next: Term,
        expires_at: Timestamp,
        now: BootInstant,
    ) -> Result<Term, LossReason> {
        self.with_state_at(now, |state| {
            state.term = state.term.renewed(next);
            state.expires_at = state.expires_at.max(expires_at);
            state.access_denied = false;
            let Some(end) = state.end else {
                state.may_outlive_guard = false;
                return Ok(state.term);
            };
            state.may_outlive_guard |= end.is_deadline();
            Err(end.reason())
        })
    }

    /// Records that the server refused a renewal for lack of access. The guard holds the
    /// lock until its deadline.
    pub(crate) fn renewal_denied(&self, now: BootInstant) {
        self.with_state_at(now, |state| state.access_denied = true);
    }

    /// Whether the guard holds the lock and the server refused the last renewal.
    pub(crate) fn is_access_denied(&self, now: BootInstant) -> bool {
        self.with_state_at(now, |state| state.access_denied && state.end.is_none())
    }

    /// Records that a renewal for `ttl` was sent and not answered: the server may
    /// have started a term that the guard does not know.
    pub(crate) fn renewal_outcome_unknown(&self, now: BootInstant, ttl: Option<Duration>) {
        self.with_state(|state| {
            let ttl = ttl.unwrap_or(state.term.ttl());
            state.term.renewal_outcome_unknown(now, ttl);
            state.may_outlive_guard |= state.end.is_none_or(GuardEnd::is_deadline);
        });
    }

    /// Records that the lease ended at the server. Returns why the guard ended,
    /// which is an earlier reason if there is one.
    pub(crate) fn lose(&self, reason: LossReason) -> LossReason {
        self.with_state(|state| {
            let reason = state.end(GuardEnd::Lost(reason)).reason();
            state.may_outlive_guard = false;
            reason
        })
    }

    /// Ends the guard on behalf of its user. Returns the reservations to keep
    /// until the release is answered, or `None` if there is nothing to release.
    pub(crate) fn release(&self, now: BootInstant) -> Option<Vec<Reservation>> {
        self.with_state_at(now, |state| {
            if state.end.is_some() {
                return self.reclaim_from(state, now);
            }
            let reservations = std::mem::take(&mut state.reservations);
            state.end(GuardEnd::Released);
            Some(reservations)
        })
    }

    /// Takes back the lease of a guard whose deadline passed, if the server may keep
    /// it after that. Returns the reservations as for [`release`](Self::release).
    pub(crate) fn reclaim(&self, now: BootInstant) -> Option<Vec<Reservation>> {
        self.with_state_at(now, |state| state.end.and_then(|_| self.reclaim_from(state, now)))
    }

    /// The reservation fails if another guard has adopted the lease meanwhile.
    fn reclaim_from(&self, state: &mut LeaseState, now: BootInstant) -> Option<Vec<Reservation>> {
        let may_be_live = std::mem::take(&mut state.may_outlive_guard) && now < state.term.expired_by();
        (may_be_live && !state.detached)
            .then(|| Reservation::lease(&self.lease_id))
            .flatten()
            .map(|lease| vec![lease])
    }

    /// Ends the guard and leaves the lease alone from now on, whatever happened to
    /// the guard before.
    pub(crate) fn detach(&self, now: BootInstant) {
        self.with_state_at(now, |state| {
            state.end(GuardEnd::Detached);
            state.detached = true;
        });
    }

    /// Whether the lease was handed over and must not be released any more.
    pub(crate) fn is_detached(&self) -> bool {
        self.with_state(|state| state.detached)
    }

    /// Accesses the state after bringing it up to date with the clock.
    fn with_state_at<T>(&self, now: BootInstant, access: impl FnOnce(&mut LeaseState) -> T) -> T {
        self.with_state(|state| {
            if now >= state.term.deadline() {
                state.end_at_deadline();
            }
            access(state)
        })
    }

    fn with_state<T>(&self, access: impl FnOnce(&mut LeaseState) -> T) -> T {
        let (result, has_ended) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = state.end.is_some();
            let result = access(&mut state);
            (result, !before && state.end.is_some())
        };
        // After the mutex is unlocked: a waker may call the guard.
        if has_ended {
            self.ended.cancel();
        }
        result
    }
}

#[cfg(test)]
pub(crate) mod tests;
