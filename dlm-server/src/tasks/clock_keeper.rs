//! Slews the deciding clock to the wall clock, and stores what the next run needs to
//! continue it. Only for a store that belongs to one process.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::writer::Writers;

const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the clock until `stop` is cancelled.
pub(super) async fn run(writers: Writers, mut attempts: Attempts, stop: CancellationToken) {
    loop {
        let pause = match writers.run_maintenance(|store| store.keep_clock()).await {
            Ok(()) => {
                attempts.succeeded();
                INTERVAL
            }
            Err(error) => INTERVAL.max(attempts.failed(&error)),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
