//! What is known about a lease, and how its guard ended.

use dlm_protocol::Timestamp;

use crate::loss::LossReason;
use crate::reentrancy::HeldName;
use crate::reservation::Reservation;
use crate::term::Term;

#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) term: Term,
    /// The end of the term by the server's clock.
    pub(super) expires_at: Timestamp,
    pub(super) end: Option<GuardEnd>,
    /// The server may keep the lease longer than the guard knows, because a renewal
    /// was sent and not answered, or answered after the guard's deadline.
    pub(super) may_outlive_guard: bool,
    /// The server refused the last renewal for lack of access.
    pub(super) access_denied: bool,
    /// The lease was handed over by `detach`, so it is not this guard's to release.
    pub(super) detached: bool,
    /// The lease, and its key if the caller chose it.
    pub(super) reservations: Vec<Reservation>,
    /// The record of who acquired the lock.
    pub(super) held_name: Option<HeldName>,
}

/// How a guard ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum GuardEnd {
    Lost(LossReason),
    Released,
    Detached,
}

impl LeaseState {
    /// Ends the guard at its deadline.
    pub(super) fn end_at_deadline(&mut self) {
        let denied = self.access_denied;
        self.end(GuardEnd::Lost(if denied { LossReason::AccessDenied } else { LossReason::Deadline }));
    }

    /// Ends the guard, unless it has ended already. Returns the first end.
    pub(super) fn end(&mut self, end: GuardEnd) -> GuardEnd {
        if let Some(first) = self.end {
            return first;
        }
        self.end = Some(end);
        self.may_outlive_guard &= end.is_deadline();
        self.reservations.clear();
        self.held_name = None;
        end
    }
}

impl GuardEnd {
    pub(super) fn is_deadline(self) -> bool {
        matches!(self, Self::Lost(LossReason::Deadline | LossReason::AccessDenied))
    }

    pub(super) fn reason(self) -> LossReason {
        match self {
            Self::Lost(reason) => reason,
            Self::Released => LossReason::Released,
            Self::Detached => LossReason::Detached,
        }
    }
}
