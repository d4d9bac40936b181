//! Forgets keys whose time is over.
//!
//! It walks the claims in the order of their keys, again and again, so that
//! forgetting needs no index of its own: an index on the end of every claim
//! would be written at every release.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::limits::KEY_RETENTION_MS;
use tokio_util::sync::CancellationToken;

use crate::store::{ClaimName, Cluster, Purge, Reader, StoreError, Stretch};
use crate::writer::Writers;

/// How many claims are looked at, and at most forgotten, at a time: it is what
/// other operations wait for.
const STRETCH: i64 = 500;
/// A walk over the whole table takes about this long, however long it is, so
/// that a key is remembered at most this much longer than it must be.
const WALK: Duration = Duration::from_secs(300);
const SHORTEST_STEP: Duration = Duration::from_millis(5);
const LONGEST_STEP: Duration = Duration::from_millis(500);
/// Between two walks.
const REST: Duration = Duration::from_secs(30);

/// Forgets until it is told to stop.
pub(crate) async fn run(
    writers: Writers,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    stop: CancellationToken,
) {
    let mut at: Option<ClaimName> = None;
    let mut steps = 0_u32;
    let mut step = LONGEST_STEP;
    loop {
        // One replica is enough for it.
        let walk = match cluster.rank() {
            0 => forget(&writers, &reader, at.take()).await,
            _ => Ok(None),
        };
        let pause = match walk {
            Ok(Some(Stretch { last, more: true, .. })) => {
                at = Some(last);
                steps += 1;
                step
            }
            Ok(_) => {
                step = (WALK / (steps + 1)).clamp(SHORTEST_STEP, LONGEST_STEP);
                steps = 0;
                REST
            }
            Err(error) => {
                tracing::warn!(%error, "old keys could not be forgotten");
                REST
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn forget(
    writers: &Writers,
    reader: &Arc<dyn Reader>,
    after: Option<ClaimName>,
) -> Result<Option<Stretch>, StoreError> {
    let (looking, behind) = (Arc::clone(reader), after.clone());
    let look = move || {
        let cutoff = Micros(looking.now()?.0 - (KEY_RETENTION_MS * 1000) as i64);
        Ok::<_, StoreError>((cutoff, looking.stretch(behind.as_ref(), cutoff, STRETCH)?))
    };
    let (cutoff, stretch) = tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    if let Some(stretch) = &stretch
        && stretch.forgettable > 0
    {
        let purge = Purge { after, last: stretch.last.clone(), cutoff };
        let forgotten = writers.chore(move |store| store.purge(&purge)).await?;
        tracing::debug!(forgotten, "forgot keys");
    }
    Ok(stretch)
}
