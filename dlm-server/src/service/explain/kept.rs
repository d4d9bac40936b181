//! The last statistics of each lock. Pages ask for those of the same locks again and again, and a read
//! takes time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::HoldStatistics;
use tokio::sync::Mutex;

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
pub(in crate::service) struct KeptHolds(Arc<Mutex<HashMap<Name, Kept>>>);

#[derive(Debug, Clone)]
struct Kept {
    hold: Option<HoldStatistics>,
    until: Duration,
}

impl Service {
    /// How long each of these locks was held. Only one caller reads at a time.
    pub(super) async fn holds_of(
        &self,
        reads: &Reads,
        names: Vec<Name>,
    ) -> Result<Vec<Option<HoldStatistics>>, Error> {
        let locking = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.0.holds.0).lock_owned()).await;
        let mut kept = locking.map_err(|_| unavailable("hold statistics take too long to read"))?;
        let now = since_boot();
        kept.retain(|_, kept| kept.until > now);
        let missing: Vec<Name> = names.iter().filter(|name| !kept.contains_key(*name)).cloned().collect();
        if missing.is_empty() {
            return Ok(of(&kept, &names));
        }
        let (decoder, permit) = (Arc::clone(&self.0.decoder), reads.permit().await?);
        // It completes even if its caller hangs up: others wait for it.
        let reading = permit.run(&self.0.background, move |reader| {
            let all = holds::read(reader, &decoder, &missing, READ_WITHIN)?;
            let until = since_boot() + MIN_FRESH.max(since_boot().saturating_sub(now) * FRESH_FACTOR);
            if kept.len() + missing.len() > MAX_KEPT {
                kept.retain(|name, _| names.contains(name));
            }
            let read = all.iter().map(|holds| Kept { hold: statistics(holds), until });
            kept.extend(missing.into_iter().zip(read));
            Ok::<_, Error>(of(&kept, &names))
        });
        reading.await?
    }
}

fn of(kept: &HashMap<Name, Kept>, names: &[Name]) -> Vec<Option<HoldStatistics>> {
    names.iter().map(|name| kept.get(name)?.hold.clone()).collect()
}
