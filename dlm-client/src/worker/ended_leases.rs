//! Leases that the server reported as ended while no guard was watched for them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use dlm_protocol::{EndReason, FencingToken, LeaseEnded, ResourceName};

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
pub(super) struct EndedLeases {
    reasons: HashMap<LeaseKey, EndReason>,
    /// The keys of `reasons`, in the order of their arrival.
    arrivals: VecDeque<(BootInstant, LeaseKey)>,
}

type LeaseKey = (ResourceName, FencingToken);

impl EndedLeases {
    pub(super) fn insert(&mut self, ended: LeaseEnded, now: BootInstant) {
        while let Some((received_at, key)) = self.arrivals.front()
            && (self.arrivals.len() >= MAX_ENTRIES || now.duration_since(*received_at) > RETENTION)
        {
            self.reasons.remove(key);
            self.arrivals.pop_front();
        }
        let key = (ended.resource, ended.fencing_token);
        if self.reasons.insert(key.clone(), ended.reason).is_none() {
            self.arrivals.push_back((now, key));
        }
    }

    /// Why this lease has ended, if it has.
    pub(super) fn reason_for(&self, lease: &HeldLease) -> Option<LossReason> {
        let reason = self.reasons.get(&(lease.resource.clone(), lease.fencing_token))?;
        Some(LossReason::from_end_reason(Some(*reason)))
    }
}
