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

use crate::clock::since_boot;
use crate::store::{ClaimRowKey, Cluster, KeyDeletion, KeyRange, Reader, StoreError};
use crate::writer::Writers;

/// How many claims are looked at, and at most forgotten, at a time: it is what
/// other operations wait for.
const STRETCH: i64 = 500;
/// A walk over the whole table takes about this long, however long it is, so
/// that a key is remembered at most this much longer than it must be.
const WALK: Duration = Duration::from_secs(300);
const SHORTEST_STEP: Duration = Duration::from_millis(5);
const LONGEST_STEP: Duration = Duration::from_millis(500);
/// Nothing is known of the table yet.
const FIRST_STEP: Duration = Duration::from_millis(50);
/// Between two walks.
const REST: Duration = Duration::from_secs(30);

/// How fast it walks: as fast as the walk before would have had to, and without
/// pause once this one is late. New keys come at the end of the table, so a walk
/// that is slower than they are would never come to its end, and what it passed
/// while it was too young would stay for ever.
#[derive(Debug)]
struct Pace {
    begun: Duration,
    steps: u32,
    step: Duration,
}

impl Pace {
    fn new(now: Duration) -> Self {
        Self { begun: now, steps: 0, step: FIRST_STEP }
    }

    /// The pause before the next stretch of a walk.
    fn step(&mut self, now: Duration) -> Duration {
        self.steps += 1;
        if now.saturating_sub(self.begun) < WALK { self.step } else { SHORTEST_STEP }
    }

    /// A walk has come to its end; the next one begins at `next`.
    fn walked(&mut self, next: Duration) {
        self.step = (WALK / (self.steps + 1)).clamp(SHORTEST_STEP, LONGEST_STEP);
        self.steps = 0;
        self.begun = next;
    }
}

/// Forgets until it is told to stop.
pub(crate) async fn run(
    writers: Writers,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    stop: CancellationToken,
) {
    let mut at: Option<ClaimRowKey> = None;
    let mut pace = Pace::new(since_boot());
    loop {
        // One replica is enough for it.
        let walk = match cluster.rank() {
            0 => forget(&writers, &reader, at.take()).await,
            _ => Ok(None),
        };
        let pause = match walk {
            Ok(Some(KeyRange { last, more: true, .. })) => {
                at = Some(last);
                pace.step(since_boot())
            }
            Ok(_) => {
                pace.walked(since_boot() + REST);
                REST
            }
            Err(error) => {
                tracing::warn!(%error, "old keys could not be forgotten");
                pace.walked(since_boot() + REST);
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
    after: Option<ClaimRowKey>,
) -> Result<Option<KeyRange>, StoreError> {
    let (looking, behind) = (Arc::clone(reader), after.clone());
    let look = move || {
        let cutoff = Micros(looking.now()?.0 - (KEY_RETENTION_MS * 1000) as i64);
        Ok::<_, StoreError>((cutoff, looking.key_range(behind.as_ref(), cutoff, STRETCH)?))
    };
    let (cutoff, stretch) = tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    if let Some(stretch) = &stretch
        && stretch.expired > 0
    {
        let deletion = KeyDeletion { after, last: stretch.last.clone(), cutoff };
        let forgotten = writers.run_maintenance(move |store| store.delete_keys(&deletion)).await?;
        tracing::debug!(forgotten, "forgot keys");
    }
    Ok(stretch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks over a table to which `rate` rows a second are added at its end.
    /// Returns how long that took.
    fn walk(pace: &mut Pace, now: &mut Duration, rows: &mut f64, rate: f64) -> Duration {
        let begun = *now;
        let mut passed = 0.0;
        while passed < *rows {
            passed += STRETCH as f64;
            let pause = pace.step(*now);
            *now += pause;
            *rows += rate * pause.as_secs_f64();
            assert!(now.saturating_sub(begun) < 4 * WALK, "it never ends");
        }
        pace.walked(*now + REST);
        let took = now.saturating_sub(begun);
        *now += REST;
        took
    }

    #[test]
    fn a_walk_ends_however_many_keys_come_meanwhile() {
        let mut now = Duration::from_secs(1_000);
        let mut pace = Pace::new(now);
        let mut rows = 20_000_000.0;
        let mut took = walk(&mut pace, &mut now, &mut rows, 30_000.0);
        assert!(took < 3 * WALK, "{took:?}");
        for _ in 0..5 {
            // What was too young to be forgotten when it was passed.
            let young = took + Duration::from_millis(KEY_RETENTION_MS);
            rows = 30_000.0 * young.as_secs_f64();
            took = walk(&mut pace, &mut now, &mut rows, 30_000.0);
            assert!(took < 2 * WALK, "{took:?}");
        }
    }

    #[test]
    fn a_small_table_is_walked_at_leisure() {
        let mut now = Duration::from_secs(1_000);
        let mut pace = Pace::new(now);
        let mut rows = 3.0 * STRETCH as f64;
        walk(&mut pace, &mut now, &mut rows, 0.0);
        assert_eq!(pace.step(now), LONGEST_STEP);
    }
}
