//! One lease in this process: what its guard, its renewal and those who wait
//! for its loss share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_protocol::{FencingToken, Lease, LeaseId, Mode, ResourceName};
use tokio_util::sync::CancellationToken;

use crate::claims::Claim;
use crate::clock::Moment;
use crate::loss::{GuardState, LossReason};
use crate::term::Term;

/// A lease that has a guard.
///
/// Whether it is held follows from the clock at each question; nobody has to
/// notice in time that its deadline passed. What was once lost stays lost.
#[derive(Debug)]
pub(crate) struct Held {
    /// Tells this guard from all others of the process.
    pub(crate) id: u64,
    pub(crate) resource: ResourceName,
    pub(crate) lease_id: LeaseId,
    pub(crate) mode: Mode,
    pub(crate) fencing_token: FencingToken,
    pub(crate) auto_renew: bool,
    over: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    term: Term,
    end: Option<End>,
    unanswered: bool,
    claims: Claims,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Lost(LossReason),
    Released,
    Detached,
}

/// What a guard has claimed: its lease, and the key if the caller chose it.
pub(crate) type Claims = (Option<Claim>, Option<Claim>);

/// What is to be done at the server when a guard ends.
#[derive(Debug)]
pub(crate) enum Farewell {
    /// Release the lease; the claims end when that is answered.
    Release(Claims),
    /// Nothing: the lease has ended, or somebody else goes on with it.
    Nothing,
}

impl Held {
    pub(crate) fn new(lease: Lease, term: Term, auto_renew: bool, claims: Claims) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            resource: lease.resource,
            lease_id: lease.lease_id,
            mode: lease.mode,
            fencing_token: lease.fencing_token,
            auto_renew,
            over: CancellationToken::new(),
            inner: Mutex::new(Inner { term, end: None, unanswered: false, claims }),
        }
    }

    pub(crate) fn state(&self, now: Moment) -> GuardState {
        let end = self.look(now).end;
        match end {
            None => GuardState::Held,
            Some(End::Lost(reason)) => GuardState::Lost(reason),
            Some(End::Released | End::Detached) => GuardState::Released,
        }
    }

    /// Why it is over; `None` while it is held.
    pub(crate) fn loss(&self, now: Moment) -> Option<LossReason> {
        self.look(now).end.map(End::reason)
    }

    /// Waits until it is over, and says why.
    pub(crate) async fn over(&self) -> LossReason {
        if self.loss(Moment::now()).is_none() {
            self.over.cancelled().await;
        }
        self.loss(Moment::now()).unwrap_or(LossReason::Unknown)
    }

    pub(crate) fn token_of_loss(&self) -> CancellationToken {
        drop(self.look(Moment::now()));
        self.over.child_token()
    }

    /// The time until the guard's own deadline; zero when it is over.
    pub(crate) fn remaining(&self, now: Moment) -> Duration {
        let inner = self.look(now);
        if inner.end.is_some() { Duration::ZERO } else { inner.term.deadline().since(now) }
    }

    pub(crate) fn term(&self) -> Term {
        self.lock().term
    }

    /// Begins the term that a renewal was answered with.
    pub(crate) fn renewed(&self, next: Term, now: Moment) -> Result<Term, LossReason> {
        let mut inner = self.look(now);
        if let Some(end) = inner.end {
            return Err(end.reason());
        }
        inner.term = inner.term.renewed(next);
        inner.unanswered = false;
        Ok(inner.term)
    }

    /// A renewal for `ttl` was sent and not answered: the server may have begun
    /// a term of which the guard will never know.
    pub(crate) fn perhaps_renewed(&self, now: Moment, ttl: Option<Duration>) {
        let mut inner = self.lock();
        let ttl = ttl.unwrap_or(inner.term.ttl());
        inner.term.perhaps_renewed(now, ttl);
        inner.unanswered = true;
    }

    /// The server said that the lease has ended.
    pub(crate) fn lose(&self, reason: LossReason) -> LossReason {
        let mut inner = self.lock();
        let reason = self.end(&mut inner, End::Lost(reason)).reason();
        inner.unanswered = false;
        reason
    }

    /// Ends the guard because its user let go of it. A second time there is
    /// nothing left to do.
    pub(crate) fn release(&self, now: Moment) -> Farewell {
        let mut inner = self.look(now);
        if inner.end.is_none() {
            let claims = std::mem::take(&mut inner.claims);
            self.end(&mut inner, End::Released);
            return Farewell::Release(claims);
        }
        // A renewal without an answer may have kept the lease alive at the
        // server. Unless another guard has found it there by now, it is freed.
        let revived = std::mem::take(&mut inner.unanswered) && now < inner.term.gone();
        match revived.then(|| Claim::lease(&self.lease_id)).flatten() {
            Some(claim) => Farewell::Release((Some(claim), None)),
            None => Farewell::Nothing,
        }
    }

    /// Ends the guard and leaves the lease as it is.
    pub(crate) fn detach(&self, now: Moment) {
        let mut inner = self.look(now);
        self.end(&mut inner, End::Detached);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state as the clock has it.
    fn look(&self, now: Moment) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        if inner.end.is_none() && now >= inner.term.deadline() {
            self.end(&mut inner, End::Lost(LossReason::Deadline));
        }
        inner
    }

    /// The first end is the one that counts.
    fn end(&self, inner: &mut Inner, end: End) -> End {
        if let Some(first) = inner.end {
            return first;
        }
        inner.end = Some(end);
        inner.unanswered &= matches!(end, End::Lost(LossReason::Deadline));
        inner.claims = Claims::default();
        self.over.cancel();
        end
    }
}

impl End {
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

    pub(crate) fn held(id: &str, sent: Moment, ttl_ms: u64) -> Held {
        let lease = lease(id, ttl_ms);
        let term = Term::new(sent, sent, 0, lease.ttl_ms);
        let claim = Claim::lease(&lease.lease_id);
        assert!(claim.is_some(), "each test has leases of its own");
        Held::new(lease, term, true, (claim, None))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_guard_is_lost_by_the_clock_alone_and_stays_lost() {
        let sent = Moment::now();
        let held = held("clock-alone", sent, 1_000);
        assert_eq!(held.state(sent), GuardState::Held);
        assert!(held.remaining(sent) > Duration::from_millis(990));

        let after = sent.plus(SECOND);
        assert_eq!(held.state(after), GuardState::Lost(LossReason::Deadline));
        assert_eq!(held.remaining(after), Duration::ZERO);
        assert_eq!(held.state(sent), GuardState::Lost(LossReason::Deadline), "lost is final");
    }

    #[test]
    fn an_answer_that_is_read_after_the_deadline_revives_nothing() {
        let sent = Moment::now();
        let held = held("late-answer", sent, 1_000);
        let late = sent.plus(SECOND);
        let next = Term::new(sent.plus(SECOND / 2), late, 0, Ttl::from_millis(1_000).unwrap());
        assert_eq!(held.renewed(next, late), Err(LossReason::Deadline));
        assert_eq!(held.state(late), GuardState::Lost(LossReason::Deadline));
    }

    #[test]
    fn the_first_reason_is_the_one_that_is_told() {
        let held = held("first-reason", Moment::now(), 30_000);
        assert_eq!(held.lose(LossReason::ForceReleased), LossReason::ForceReleased);
        assert_eq!(held.lose(LossReason::Expired), LossReason::ForceReleased);
        assert!(matches!(held.release(Moment::now()), Farewell::Nothing));
        assert_eq!(held.state(Moment::now()), GuardState::Lost(LossReason::ForceReleased));
    }

    #[test]
    fn a_lease_stays_claimed_until_its_release_is_answered() {
        let held = held("claimed-until-answered", Moment::now(), 30_000);
        let Farewell::Release(claims) = held.release(Moment::now()) else { panic!("it was held") };
        assert!(Claim::lease(&held.lease_id).is_none());
        drop(claims);
        assert!(Claim::lease(&held.lease_id).is_some());
    }

    #[test]
    fn a_lost_guard_releases_only_what_an_unanswered_renewal_may_have_kept_alive() {
        let sent = Moment::now();
        let quiet = held("quiet-loss", sent, 1_000);
        assert!(matches!(quiet.release(sent.plus(SECOND)), Farewell::Nothing));

        let revived = held("revived", sent, 1_000);
        revived.perhaps_renewed(sent.plus(SECOND / 2), None);
        assert!(matches!(revived.release(sent.plus(SECOND)), Farewell::Release(_)));

        let taken_over = held("taken-over", sent, 1_000);
        taken_over.perhaps_renewed(sent.plus(SECOND / 2), None);
        assert_eq!(taken_over.loss(sent.plus(SECOND)), Some(LossReason::Deadline));
        let successor = Claim::lease(&taken_over.lease_id);
        assert!(successor.is_some());
        assert!(matches!(taken_over.release(sent.plus(SECOND)), Farewell::Nothing));

        let long_gone = held("long-gone", sent, 1_000);
        long_gone.perhaps_renewed(sent.plus(SECOND / 2), None);
        assert!(matches!(long_gone.release(sent.plus(2 * SECOND)), Farewell::Nothing));
    }

    #[test]
    fn debug_output_does_not_tell_the_lease_id() {
        let held = held("s3cret-lease", Moment::now(), 30_000);
        assert!(!format!("{held:?}").contains("s3cret"));
    }
}
