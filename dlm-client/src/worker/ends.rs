use std::collections::VecDeque;
use std::time::Duration;

use dlm_protocol::LeaseEnded;

use crate::clock::Moment;
use crate::held::Held;
use crate::loss::LossReason;

/// How long an end is kept: the grant was read in the same breath.
const KEPT: Duration = Duration::from_secs(10);
/// Most that are kept. Who ends more leases at once than this many has them end
/// at their next renewal.
const MOST: usize = 1_024;

/// Ends of leases that have no guard: those of guards that are gone, and of
/// grants that are on their way to one. The news may overtake the grant.
#[derive(Default)]
pub(super) struct Ends(VecDeque<(Moment, LeaseEnded)>);

impl Ends {
    pub(super) fn keep(&mut self, ended: LeaseEnded, now: Moment) {
        while self.0.front().is_some_and(|(at, _)| self.0.len() == MOST || now.since(*at) > KEPT) {
            self.0.pop_front();
        }
        self.0.push_back((now, ended));
    }

    /// Why the lease of a new guard has ended already.
    pub(super) fn of(&self, held: &Held) -> Option<LossReason> {
        let (_, ended) = self.0.iter().find(|(_, ended)| is_of(ended, held))?;
        Some(LossReason::of(Some(ended.reason)))
    }
}

/// Whether it is the end of this lease.
pub(super) fn is_of(ended: &LeaseEnded, held: &Held) -> bool {
    held.resource == ended.resource && held.fencing_token == ended.fencing_token
}
