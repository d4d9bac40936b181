//! Tests of the state of a held lease.

use std::time::Duration;

use dlm_protocol::{Metadata, Owner, Ttl};

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
        release_requested: None,
    }
}

/// A held lease. Each test uses its own lease ids.
pub(crate) fn held(id: &str, sent: BootInstant, ttl_ms: u64) -> HeldLease {
    let lease = lease(id, ttl_ms);
    let term = Term::new(sent, sent, 0, lease.ttl_ms);
    let reservation = Reservation::lease(&lease.lease_id).unwrap();
    HeldLease::new(lease, term, true, vec![reservation], Clock::System)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn guard_is_lost_by_the_clock_alone_and_stays_lost() {
    let sent = Clock::System.now();
    let held = held("clock-alone", sent, 1_000);
    assert_eq!(held.state(sent), GuardState::Held);
    assert!(held.remaining(sent) > Duration::from_millis(990));

    let after = sent + SECOND;
    assert_eq!(held.state(after), GuardState::Lost(LossReason::Deadline));
    assert_eq!(held.remaining(after), Duration::ZERO);
    assert_eq!(held.state(sent), GuardState::Lost(LossReason::Deadline), "lost is final");
}

#[test]
fn refused_renewal_is_the_reason_of_a_loss_at_the_deadline_unless_a_later_one_succeeds() {
    let sent = Clock::System.now();
    let denied = held("denied", sent, 1_000);
    denied.renewal_denied(sent);
    assert_eq!((denied.state(sent), denied.is_access_denied(sent)), (GuardState::Held, true));
    assert_eq!(denied.state(sent + SECOND), GuardState::Lost(LossReason::AccessDenied));
    assert!(!denied.is_access_denied(sent + SECOND), "it is lost");
    denied.renewal_outcome_unknown(sent + SECOND, None);
    assert!(denied.release(sent + SECOND).is_some(), "like a guard that is lost by its deadline");

    let forgiven = held("forgiven", sent, 1_000);
    forgiven.renewal_denied(sent);
    let next = Term::new(sent, sent, 0, Ttl::from_millis(1_000).unwrap());
    assert!(forgiven.renewed(next, Timestamp::from_micros(0), sent).is_ok());
    assert!(!forgiven.is_access_denied(sent));
    assert_eq!(forgiven.state(sent + SECOND), GuardState::Lost(LossReason::Deadline));
}

#[test]
fn renewal_reply_after_the_deadline_does_not_revive_the_guard() {
    let sent = Clock::System.now();
    let held = held("late-answer", sent, 1_000);
    let late = sent + SECOND;
    let next = Term::new(sent + SECOND / 2, late, 0, Ttl::from_millis(1_000).unwrap());
    assert_eq!(held.renewed(next, Timestamp::from_micros(0), late), Err(LossReason::Deadline));
    assert_eq!(held.state(late), GuardState::Lost(LossReason::Deadline));
}

#[test]
fn first_end_reason_wins() {
    let held = held("first-reason", Clock::System.now(), 30_000);
    assert_eq!(held.lose(LossReason::ForceReleased), LossReason::ForceReleased);
    assert_eq!(held.lose(LossReason::Expired), LossReason::ForceReleased);
    assert!(held.release(Clock::System.now()).is_none());
    assert_eq!(held.state(Clock::System.now()), GuardState::Lost(LossReason::ForceReleased));
}

#[test]
fn lease_stays_reserved_until_its_release_is_answered() {
    let held = held("claimed-until-answered", Clock::System.now(), 30_000);
    let reservations = held.release(Clock::System.now()).expect("the lease was held");
    assert!(Reservation::lease(&held.lease_id).is_none());
    drop(reservations);
    assert!(Reservation::lease(&held.lease_id).is_some());
}

#[test]
fn lost_guard_releases_only_a_lease_with_unknown_renewal_outcome() {
    let sent = Clock::System.now();
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
fn waker_may_call_the_guard() {
    struct CallsGuard(HeldLease);
    impl std::task::Wake for CallsGuard {
        fn wake(self: std::sync::Arc<Self>) {
            assert_eq!(self.0.state(Clock::System.now()), GuardState::Lost(LossReason::Expired));
        }
    }
    let guard = std::sync::Arc::new(CallsGuard(held("waker", Clock::System.now(), 30_000)));
    let (done, finished) = std::sync::mpsc::channel();
    // On a thread of its own, because a waker that runs under the guard's mutex
    // would block for ever.
    std::thread::spawn(move || {
        let waker = std::task::Waker::from(std::sync::Arc::clone(&guard));
        let mut waiting = pin!(guard.0.wait_for_end());
        assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        guard.0.lose(LossReason::Expired);
        let _ = done.send(());
    });
    finished.recv_timeout(Duration::from_secs(10)).expect("the waker returns");
}

#[test]
fn debug_output_hides_the_lease_id() {
    let held = held("s3cret-lease", Clock::System.now(), 30_000);
    assert!(!format!("{held:?}").contains("s3cret"));
}
