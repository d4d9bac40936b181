//! What the workers of a measurement do.

use serde::Serialize;

/// Names that each worker of [`Locks::Own`] uses in turn.
const OWN_NAMES: u64 = 8;

/// Which locks the workers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Locks {
    /// Each worker its own, a few in turn: no worker waits for another.
    Own,
    /// A new one for every cycle.
    New,
    /// All workers the same one: it is handed from one to the next.
    Shared,
}

/// A number of workers, each of which acquires and releases again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Scenario {
    pub(crate) locks: Locks,
    pub(crate) workers: usize,
}

impl Scenario {
    pub(crate) const fn new(locks: Locks, workers: usize) -> Self {
        Self { locks, workers }
    }

    /// Its name in reports and on the command line.
    pub(crate) fn name(self) -> String {
        let locks = match self.locks {
            Locks::Own => "cycle",
            Locks::New => "new-names",
            Locks::Shared => "hand-over",
        };
        format!("{locks}-{}", self.workers)
    }

    /// The lock of a worker's cycle. `run` makes names differ between measurements.
    pub(crate) fn lock(self, run: &str, worker: usize, cycle: u64) -> String {
        match self.locks {
            Locks::Own => format!("bench-{run}-{worker}-{}", cycle % OWN_NAMES),
            Locks::New => format!("bench-{run}-{worker}-{cycle}"),
            Locks::Shared => format!("bench-{run}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shared_lock_is_that_of_two_workers() {
        for (locks, same) in [(Locks::Own, false), (Locks::New, false), (Locks::Shared, true)] {
            let scenario = Scenario::new(locks, 2);
            assert_eq!(scenario.lock("r", 0, 0) == scenario.lock("r", 1, 0), same, "{locks:?}");
        }
        let new = Scenario::new(Locks::New, 1);
        assert_ne!(new.lock("r", 0, 0), new.lock("r", 0, OWN_NAMES));
        let own = Scenario::new(Locks::Own, 1);
        assert_eq!(own.lock("r", 0, 0), own.lock("r", 0, OWN_NAMES));
    }
}
