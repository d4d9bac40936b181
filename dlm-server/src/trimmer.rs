//! Forgets the oldest part of the event log, by age and by size, in small
//! steps: other operations wait for each.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use tokio_util::sync::CancellationToken;

use crate::store::{Cluster, LogTrim, Reader, StoreError};
use crate::writer::Writers;

/// Most rows of the log that go at a time.
const STEP: i64 = 500;
/// Between two steps while there is more to forget, and otherwise.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// How much of the event log is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Events that are older go.
    pub(crate) age: Duration,
    /// More events than these are not kept.
    pub(crate) events: u64,
}

/// Trims until it is told to stop.
pub(crate) async fn run(
    writers: Writers,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    retention: Retention,
    stop: CancellationToken,
) {
    loop {
        // One replica is enough for it.
        let trimmed = match cluster.rank() {
            0 => trim(&writers, &reader, retention).await,
            _ => Ok(0),
        };
        let pause = match trimmed {
            Ok(trimmed) if trimmed as i64 == STEP => SHORT_PAUSE,
            Ok(_) => LONG_PAUSE,
            Err(error) => {
                tracing::warn!(%error, "the event log could not be trimmed");
                LONG_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn trim(
    writers: &Writers,
    reader: &Arc<dyn Reader>,
    retention: Retention,
) -> Result<usize, StoreError> {
    let asking = Arc::clone(reader);
    let now = tokio::task::spawn_blocking(move || asking.now())
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    let age = i64::try_from(retention.age.as_micros()).unwrap_or(i64::MAX);
    let keep = i64::try_from(retention.events).unwrap_or(i64::MAX);
    let trim = LogTrim { before: Micros(now.0.saturating_sub(age)), keep, limit: STEP };
    writers.run_maintenance(move |store| store.trim_log(&trim)).await
}
