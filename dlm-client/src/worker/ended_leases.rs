//! Leases that the server reported as ended while no guard was watched for them.

use std::collections::VecDeque;
use std::time::Duration;

use dlm_protocol::LeaseEnded;

use crate::clock::BootInstant;
use crate::held_lease::HeldLease;
use crate::loss::LossReason;

/// How long an end is kept. The grant it may have overtaken was received at about
/// the same time.
const RETENTION: Duration = Duration::from_secs(10);
/// The most ends to keep. If more leases end at once, the excess guards learn of
/// it at their next renewal.
const MAX_ENTRIES: usize = 1_024;

/// Recent ends without a watched guard. The end of a lease can be received before
/// the guard of its grant is watched.
#[derive(Default)]
pub(super) struct EndedLeases(VecDeque<(BootInstant, LeaseEnded)>);

impl EndedLeases {
    pub(super) fn insert(&mut self, ended: LeaseEnded, now: BootInstant) {
        while self.0.front().is_some_and(|(received_at, _)| {
            self.0.len() == MAX_ENTRIES || now.duration_since(*received_at) > RETENTION
        }) {
            self.0.pop_front();
        }
        self.0.push_back((now, ended));
    }

    /// Why this lease has ended, if it has.
    pub(super) fn reason_for(&self, lease: &HeldLease) -> Option<LossReason> {
        let (_, ended) = self.0.iter().find(|(_, ended)| concerns(ended, lease))?;
        Some(LossReason::from_end_reason(Some(ended.reason)))
    }
}

/// Whether `ended` is the end of this lease.
pub(super) fn concerns(ended: &LeaseEnded, lease: &HeldLease) -> bool {
    lease.resource == ended.resource && lease.fencing_token == ended.fencing_token
}
