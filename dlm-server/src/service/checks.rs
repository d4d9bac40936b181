//! When the fencing tokens of leases were last checked at this server, in memory.
//!
//! A storage that checks tokens refuses a holder whose lease was force-released. One that nobody checks
//! for does not: so an operator wants to know. Other servers have checks of their own.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use dlm_engine::Micros;

use crate::store::Name;

/// How many leases are known. Those that were checked longest ago are forgotten first.
const MAX_KNOWN: usize = if cfg!(test) { 10 } else { 10_000 };

/// The last check of each lease.
#[derive(Debug, Default)]
pub(super) struct LastChecks(Mutex<Generations>);

/// A lease: its resource and its token.
type LeaseOf = (Name, u64);

/// What was checked lately, and before. Once there are enough of the former, the latter are forgotten.
#[derive(Debug, Default)]
struct Generations {
    recent: HashMap<LeaseOf, Micros>,
    earlier: HashMap<LeaseOf, Micros>,
}

impl LastChecks {
    /// Remembers that the token of a live lease was checked.
    pub(super) fn checked(&self, name: &Name, token: u64, at: Micros) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.recent.insert((Name::clone(name), token), at);
        if generations.recent.len() >= MAX_KNOWN / 2 {
            generations.earlier = mem::take(&mut generations.recent);
        }
    }

    /// When this token was last checked.
    pub(super) fn of(&self, name: &Name, token: u64) -> Option<Micros> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = (Name::clone(name), token);
        generations.recent.get(&lease).or_else(|| generations.earlier.get(&lease)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_check_of_a_lease_is_known() {
        let (checks, name) = (LastChecks::default(), Name::from("a"));
        assert_eq!(checks.of(&name, 1), None);
        checks.checked(&name, 1, Micros(5));
        checks.checked(&name, 1, Micros(7));
        assert_eq!((checks.of(&name, 1), checks.of(&name, 2)), (Some(Micros(7)), None));
        assert_eq!(checks.of(&Name::from("b"), 1), None);
    }

    #[test]
    fn leases_that_were_checked_long_ago_are_forgotten() {
        let (checks, name) = (LastChecks::default(), Name::from("a"));
        for token in 0..1_000 {
            checks.checked(&name, token, Micros(1));
            checks.checked(&name, 5_000, Micros(2));
        }
        let known = |token: &u64| checks.of(&name, *token).is_some();
        let tokens: Vec<u64> = (0..1_000).filter(known).collect();
        assert!(tokens.len() < MAX_KNOWN && tokens.len() >= MAX_KNOWN / 2 - 1, "{tokens:?}");
        assert_eq!(tokens.last(), Some(&999));
        assert!(known(&5_000), "it is checked again and again");
    }
}
