//! The last statistics of each lock. Pages ask for those of the same locks again and again, and a read
//! takes time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::HoldStatistics;

use super::{holds, statistics};
use crate::clock::since_boot;
use crate::service::reads::{MAX_WAIT, Reads};
use crate::service::{Error, Service, unavailable};
use crate::store::Name;

/// Time limit of a read, for all locks together.
const READ_WITHIN: Duration = Duration::from_millis(500);
/// Statistics are read again after this, or after a multiple of the time that the read took.
const MIN_FRESH: Duration = Duration::from_secs(2);
const FRESH_FACTOR: u32 = 10;
/// Of how many locks statistics are kept.
const MAX_KEPT: usize = 10_000;

/// The last statistics of each lock.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct KeptHolds(Arc<Holds>);

#[derive(Debug, Default)]
struct Holds {
    kept: Mutex<HashMap<Name, Kept>>,
    /// Whose turn it is to read.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Clone)]
struct Kept {
    hold: Option<HoldStatistics>,
    until: Duration,
}

impl KeptHolds {
    /// The statistics of these locks; `Err` has those that must be read.
    fn get(&self, names: &[Name]) -> Result<Vec<Option<HoldStatistics>>, Vec<Name>> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = since_boot();
        kept.retain(|_, kept| kept.until > now);
        let missing: Vec<Name> = names.iter().filter(|name| !kept.contains_key(*name)).cloned().collect();
        if missing.is_empty() { Ok(of(&kept, names)) } else { Err(missing) }
    }

    /// Keeps what was read, and returns the statistics of these locks.
    fn add(&self, read: impl Iterator<Item = (Name, Kept)>, names: &[Name]) -> Vec<Option<HoldStatistics>> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() + names.len() > MAX_KEPT {
            kept.retain(|name, _| names.contains(name));
        }
        kept.extend(read);
        of(&kept, names)
    }
}

impl Service {
    /// How long each of these locks was held. Only one caller reads at a time.
    pub(super) async fn holds_of(
        &self,
        reads: &Reads,
        names: Vec<Name>,
    ) -> Result<Vec<Option<HoldStatistics>>, Error> {
        let holds = self.0.holds.clone();
        if let Ok(kept) = holds.get(&names) {
            return Ok(kept);
        }
        let permit = reads.permit().await?;
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&holds.0.turn).lock_owned()).await;
        let turn = turn.map_err(|_| unavailable("hold statistics take too long to read"))?;
        // Others may have read them meanwhile.
        let missing = match holds.get(&names) {
            Ok(kept) => return Ok(kept),
            Err(missing) => missing,
        };
        let (decoder, began) = (Arc::clone(&self.0.decoder), since_boot());
        // It completes even if its caller hangs up: others wait for it.
        let reading = permit.run(&self.0.background, move |reader| {
            let all = holds::read(reader, &decoder, &missing, READ_WITHIN)?;
            let until = since_boot() + MIN_FRESH.max(since_boot().saturating_sub(began) * FRESH_FACTOR);
            let read = all.iter().map(|holds| Kept { hold: statistics(holds), until });
            let found = holds.add(missing.into_iter().zip(read), &names);
            drop(turn);
            Ok::<_, Error>(found)
        });
        reading.await?
    }
}

fn of(kept: &HashMap<Name, Kept>, names: &[Name]) -> Vec<Option<HoldStatistics>> {
    names.iter().map(|name| kept.get(name)?.hold.clone()).collect()
}
