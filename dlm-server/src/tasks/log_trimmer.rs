//! Trims the event log by age and by size, in small steps, because on SQLite other
//! operations wait for each step.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use tokio_util::sync::CancellationToken;

use super::housekeeper::Housekeeper;
use crate::background::Attempts;
use crate::store::{Cluster, LogTrim, Reader, StoreError};

/// Maximum log rows deleted per step.
const STEP: i64 = 500;
/// The pause after a step that left more to delete, and after any other.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// How much of the event log is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Older events are deleted.
    pub(crate) age: Duration,
    /// The maximum number of events.
    pub(crate) events: u64,
}

/// Trims until `stop` is cancelled. Blocks.
pub(super) async fn run(
    housekeeper: Housekeeper,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    retention: Retention,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    loop {
        // One replica is enough.
        let trimmed = match cluster.rank() {
            0 => trim(&housekeeper, &*reader, retention).await,
            _ => Ok(0),
        };
        let pause = match trimmed {
            Ok(trimmed) => {
                attempts.succeeded();
                if trimmed as i64 == STEP { SHORT_PAUSE } else { LONG_PAUSE }
            }
            Err(error) => LONG_PAUSE.max(attempts.failed(&error)),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn trim(
    housekeeper: &Housekeeper,
    reader: &dyn Reader,
    retention: Retention,
) -> Result<usize, StoreError> {
    let now = reader.now()?;
    let age = i64::try_from(retention.age.as_micros()).unwrap_or(i64::MAX);
    let keep = i64::try_from(retention.events).unwrap_or(i64::MAX);
    let trim = LogTrim { before: Micros(now.0.saturating_sub(age)), keep, limit: STEP };
    housekeeper.run(move |store| store.trim_log(&trim)).await
}
