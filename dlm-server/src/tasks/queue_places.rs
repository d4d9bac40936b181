//! Tells the waiters of sessions their places in the queues.
//!
//! A hand-over moves every waiter behind it, so to tell them at once would take time in proportion
//! to the square of the queue. Instead the queues that have changed are read once per pass, and a
//! pass follows another so late that they take a small share of the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::clock::since_boot;
use crate::store::{Name, Reader, StoreError};
use crate::writer::Parked;

/// From the begin of a pass to that of the next one, at least.
const INTERVAL: Duration = Duration::from_secs(1);
/// A pass takes this share of the time at most.
const SHARE: u32 = 20;

/// The versions of the resources whose waiters were told their places.
type Versions = HashMap<Name, u64>;

/// Tells places until `stop` is cancelled. Blocks.
pub(super) async fn run(
    parked: Arc<Parked>,
    reader: Arc<dyn Reader>,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    let mut told = Versions::new();
    loop {
        let begun = since_boot();
        match tell(&parked, &*reader, &mut told) {
            Ok(()) => attempts.succeeded(),
            Err(error) => drop(attempts.failed(&error)),
        }
        let took = since_boot().saturating_sub(begun);
        tokio::select! {
            () = tokio::time::sleep(INTERVAL.max(took * SHARE).saturating_sub(took)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Reads the queues that have changed, or that have new waiters here.
fn tell(parked: &Parked, reader: &dyn Reader, told: &mut Versions) -> Result<(), StoreError> {
    let waited_for = parked.waited_for_by_sessions();
    told.retain(|name, _| waited_for.contains_key(name));
    if waited_for.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = waited_for.keys().cloned().collect();
    // Before the queues are read: what changes meanwhile is read again in the next pass.
    for (name, version) in reader.versions(&names)? {
        let has_untold = waited_for.get(&name).is_some_and(|untold| *untold);
        if has_untold || told.get(&name) != Some(&version) {
            parked.tell_places(&name, &reader.queue(&name)?);
            told.insert(name, version);
        }
    }
    Ok(())
}
