//! Garbage collection of idempotency keys whose retention is over.
//!
//! It scans the claims table in key order, again and again. An index on the end
//! of claims would make the scan unnecessary, but every release would have to
//! write it.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::limits::KEY_RETENTION_MS;
use tokio_util::sync::CancellationToken;

use super::housekeeper::Housekeeper;
use crate::background::Attempts;
use crate::clock::since_boot;
use crate::store::{ClaimRowKey, Cluster, KeyDeletion, KeyRange, Reader, StoreError};

/// Claims read, and at most deleted, per step. On SQLite other operations wait for a step.
const RANGE: i64 = 500;
/// The target duration of a scan over the whole table, whatever its size. It
/// bounds how much longer than required a key is kept.
const SCAN: Duration = Duration::from_secs(300);
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// The pause during the first scan, while the size of the table is unknown.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Time between two scans.
const REST: Duration = Duration::from_secs(30);

/// How fast a scan goes: at the pace that would have let the previous scan take
/// [`SCAN`], and almost without pauses once this one is late. New keys are
/// appended at the end of the table. A scan slower than the inserts would never
/// reach the end, and the keys it skipped as too young would stay forever.
#[derive(Debug)]
struct Pace {
    began: Duration,
    steps: u32,
    pause: Duration,
}

impl Pace {
    fn new(now: Duration) -> Self {
        Self { began: now, steps: 0, pause: FIRST_PAUSE }
    }

    /// Counts a step, and returns the pause before the next one.
    fn step(&mut self, now: Duration) -> Duration {
        self.steps += 1;
        if now.saturating_sub(self.began) < SCAN { self.pause } else { MIN_PAUSE }
    }

    /// Ends a scan; the next one begins at `next`.
    fn scanned(&mut self, next: Duration) {
        self.pause = (SCAN / (self.steps + 1)).clamp(MIN_PAUSE, MAX_PAUSE);
        self.steps = 0;
        self.began = next;
    }
}

/// Collects until `stop` is cancelled. Blocks.
pub(super) async fn run(
    housekeeper: Housekeeper,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    let mut at: Option<ClaimRowKey> = None;
    let mut pace = Pace::new(since_boot());
    loop {
        // One replica is enough.
        let step = match cluster.rank() {
            0 => collect(&housekeeper, &*reader, at.take()).await,
            _ => Ok(None),
        };
        if step.is_ok() {
            attempts.succeeded();
        }
        let pause = match step {
            Ok(Some(KeyRange { last, more: true, .. })) => {
                at = Some(last);
                pace.step(since_boot())
            }
            Ok(_) => {
                pace.scanned(since_boot() + REST);
                REST
            }
            Err(error) => {
                attempts.failed(&error);
                pace.scanned(since_boot() + REST);
                REST
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Deletes the expired keys of the next range.
async fn collect(
    housekeeper: &Housekeeper,
    reader: &dyn Reader,
    after: Option<ClaimRowKey>,
) -> Result<Option<KeyRange>, StoreError> {
    let cutoff = Micros(reader.now()?.0 - (KEY_RETENTION_MS * 1000) as i64);
    let range = reader.key_range(after.as_ref(), cutoff, RANGE)?;
    if let Some(range) = &range
        && range.expired > 0
    {
        let deletion = KeyDeletion { after, last: range.last.clone(), cutoff };
        let deleted = housekeeper.run(move |store| store.delete_keys(&deletion)).await?;
        tracing::debug!(deleted, "expired keys deleted");
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans a table to which `rate` rows per second are appended. Returns how
    /// long the scan took.
    fn scan(pace: &mut Pace, now: &mut Duration, rows: &mut f64, rate: f64) -> Duration {
        let began = *now;
        let mut scanned = 0.0;
        while scanned < *rows {
            scanned += RANGE as f64;
            let pause = pace.step(*now);
            *now += pause;
            *rows += rate * pause.as_secs_f64();
            assert!(now.saturating_sub(began) < 4 * SCAN, "the scan never ends");
        }
        pace.scanned(*now + REST);
        let took = now.saturating_sub(began);
        *now += REST;
        took
    }

    #[test]
    fn a_scan_ends_even_when_keys_are_inserted_faster_than_its_usual_pace() {
        let mut now = Duration::from_secs(1_000);
        let mut pace = Pace::new(now);
        let mut rows = 20_000_000.0;
        let mut took = scan(&mut pace, &mut now, &mut rows, 30_000.0);
        assert!(took < 3 * SCAN, "{took:?}");
        for _ in 0..5 {
            // The keys that were too young when the previous scan passed them.
            let young = took + Duration::from_millis(KEY_RETENTION_MS);
            rows = 30_000.0 * young.as_secs_f64();
            took = scan(&mut pace, &mut now, &mut rows, 30_000.0);
            assert!(took < 2 * SCAN, "{took:?}");
        }
    }

    #[test]
    fn a_small_table_is_scanned_with_long_pauses() {
        let mut now = Duration::from_secs(1_000);
        let mut pace = Pace::new(now);
        let mut rows = 3.0 * RANGE as f64;
        scan(&mut pace, &mut now, &mut rows, 0.0);
        assert_eq!(pace.step(now), MAX_PAUSE);
    }
}
