//! Leases and waiters, as they were last counted in the store, and as this server has
//! changed them since.
//!
//! A count reads, in one snapshot, the claims and the last batch of each writer. A
//! change of a batch that the snapshot has is part of the count; a later one is added
//! to it. So this server's own changes are counted once each. Those of other servers
//! are seen with the next count.

use std::collections::HashMap;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;

use super::RuleUsage;
use crate::store::ClaimCount;

impl AddAssign for ClaimCount {
    fn add_assign(&mut self, other: Self) {
        self.leases += other.leases;
        self.waiters += other.waiters;
    }
}

impl SubAssign for ClaimCount {
    fn sub_assign(&mut self, other: Self) {
        self.leases -= other.leases;
        self.waiters -= other.waiters;
    }
}

/// What a batch has changed of the claims of a principal on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimChange {
    pub(crate) principal: Arc<str>,
    pub(crate) count: ClaimCount,
}

/// The limits of a rule; `None` for no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClaimLimits {
    pub(crate) max_leases: Option<u64>,
    pub(crate) max_waiters: Option<u64>,
}

/// A quota that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimQuota {
    Leases,
    Waiters,
}

/// The last batch of each writer that a count contains, by the id of the marker row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writes<'a>(pub(super) &'a HashMap<i64, i64>);

impl Writes<'_> {
    fn contain(self, writer: i64, batch: i64) -> bool {
        self.0.get(&writer).is_some_and(|last| batch <= *last)
    }
}

/// The leases and waiters of one principal below one prefix.
#[derive(Debug, Default)]
pub(super) struct ClaimCounts {
    counted: ClaimCount,
    /// What this server has changed since.
    changed: ClaimCount,
    /// Its changes since a count in progress began: writer, batch and change.
    recent: Option<Vec<(i64, i64, ClaimCount)>>,
    /// Acquires that were admitted, and not executed yet.
    in_flight: ClaimCount,
}

impl ClaimCounts {
    pub(super) fn leases(&self) -> i64 {
        self.counted.leases + self.changed.leases + self.in_flight.leases
    }

    pub(super) fn waiters(&self) -> i64 {
        self.counted.waiters + self.changed.waiters + self.in_flight.waiters
    }

    /// Admits an acquire. One that waits counts as a waiter until it has a lease.
    pub(super) fn admit(&mut self, limits: ClaimLimits, waits: bool) -> Result<(), ClaimQuota> {
        let reaches = |have: i64, max: Option<u64>| {
            max.is_some_and(|max| have >= i64::try_from(max).unwrap_or(i64::MAX))
        };
        if reaches(self.leases(), limits.max_leases) {
            return Err(ClaimQuota::Leases);
        }
        if waits && reaches(self.waiters(), limits.max_waiters) {
            return Err(ClaimQuota::Waiters);
        }
        self.in_flight += one(waits);
        Ok(())
    }

    pub(super) fn record(&mut self, writer: i64, batch: i64, count: ClaimCount) {
        self.changed += count;
        if let Some(recent) = &mut self.recent {
            match recent.last_mut() {
                Some((last_writer, last_batch, last)) if (*last_writer, *last_batch) == (writer, batch) => {
                    *last += count;
                }
                _ => recent.push((writer, batch, count)),
            }
        }
    }

    /// What is recorded from now on may be missing in the count.
    pub(super) fn begin_count(&mut self) {
        self.recent = Some(Vec::new());
    }

    pub(super) fn finish_count(&mut self, counted: ClaimCount, writes: Writes<'_>) {
        self.counted = counted;
        self.changed = ClaimCount::default();
        for (writer, batch, count) in self.recent.take().into_iter().flatten() {
            if !writes.contain(writer, batch) {
                self.changed += count;
            }
        }
    }

    fn executed(&mut self, waits: bool) {
        self.in_flight -= one(waits);
    }
}

fn one(waits: bool) -> ClaimCount {
    match waits {
        true => ClaimCount { leases: 0, waiters: 1 },
        false => ClaimCount { leases: 1, waiters: 0 },
    }
}

/// An acquire that was admitted. It counts as a lease, or a waiter, until it is dropped:
/// when it was executed, or never will be.
#[derive(Debug)]
pub(crate) struct InFlight {
    usage: Arc<RuleUsage>,
    waits: bool,
}

impl InFlight {
    pub(super) fn new(usage: Arc<RuleUsage>, waits: bool) -> Self {
        Self { usage, waits }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.usage.claims().executed(self.waits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANT: ClaimCount = ClaimCount { leases: 1, waiters: 0 };
    const LIMITS: ClaimLimits = ClaimLimits { max_leases: Some(3), max_waiters: Some(2) };

    fn counted(leases: i64, waiters: i64) -> ClaimCounts {
        ClaimCounts { counted: ClaimCount { leases, waiters }, ..ClaimCounts::default() }
    }

    #[test]
    fn acquires_in_flight_count_until_they_are_executed() {
        let mut counts = counted(1, 0);
        assert_eq!((counts.admit(LIMITS, false), counts.admit(LIMITS, false)), (Ok(()), Ok(())));
        assert_eq!(counts.admit(LIMITS, false), Err(ClaimQuota::Leases));
        counts.executed(false);
        assert_eq!(counts.admit(LIMITS, false), Ok(()));
    }

    #[test]
    fn a_waiting_acquire_is_refused_for_either_quota() {
        let mut counts = counted(0, 1);
        assert_eq!(counts.admit(LIMITS, true), Ok(()));
        assert_eq!(counts.admit(LIMITS, true), Err(ClaimQuota::Waiters));
        assert_eq!(counts.admit(LIMITS, false), Ok(()));
        assert_eq!(counted(3, 0).admit(LIMITS, true), Err(ClaimQuota::Leases));
        let unlimited = ClaimLimits { max_leases: None, max_waiters: None };
        assert_eq!(counted(1_000_000, 1_000_000).admit(unlimited, true), Ok(()));
    }

    #[test]
    fn a_count_replaces_the_changes_that_it_contains_and_no_others() {
        let mut counts = ClaimCounts::default();
        counts.record(0, 1, GRANT);
        counts.begin_count();
        // Committed before the snapshot, recorded after the count began.
        counts.record(0, 2, GRANT);
        counts.record(1, 7, GRANT);
        // Committed after the snapshot.
        counts.record(0, 3, GRANT);
        counts.record(0, 3, GRANT);
        assert_eq!(counts.leases(), 5);
        counts.finish_count(ClaimCount { leases: 3, waiters: 4 }, Writes(&HashMap::from([(0, 2), (1, 7)])));
        assert_eq!((counts.leases(), counts.waiters()), (5, 4));
        counts.begin_count();
        counts.finish_count(ClaimCount { leases: 2, waiters: 0 }, Writes(&HashMap::from([(0, 9)])));
        assert_eq!(counts.leases(), 2);
    }

    #[test]
    fn changes_during_a_count_that_fails_are_kept() {
        let mut counts = counted(2, 0);
        counts.begin_count();
        counts.record(0, 5, GRANT);
        counts.begin_count();
        counts.record(0, 6, GRANT);
        assert_eq!(counts.leases(), 4);
        counts.finish_count(ClaimCount { leases: 3, waiters: 0 }, Writes(&HashMap::from([(0, 5)])));
        assert_eq!(counts.leases(), 4);
    }
}
