//! Reads from the store for readiness probes, beside all other reads: under load a
//! probe must not fail because its connection is in use.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::{Reader, StoreError};

type Answer = oneshot::Sender<Result<(), StoreError>>;

/// Asks the task whether the store can be read. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ReadinessProbe(mpsc::UnboundedSender<Answer>);

/// The probes that the task has to answer.
#[derive(Debug)]
pub(crate) struct PendingProbes(mpsc::UnboundedReceiver<Answer>);

impl ReadinessProbe {
    pub(crate) fn new() -> (Self, PendingProbes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), PendingProbes(receiver))
    }

    /// Reads from the store. Waits without a bound for a store that does not answer.
    pub(crate) async fn read(&self) -> Result<(), StoreError> {
        let stopped = || StoreError::Unavailable("the readiness task has stopped".into());
        let (answer, result) = oneshot::channel();
        self.0.send(answer).map_err(|_| stopped())?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Answers probes until `stop` is cancelled. Blocks.
pub(super) async fn run(reader: Arc<dyn Reader>, mut probes: PendingProbes, stop: CancellationToken) {
    loop {
        let probe = tokio::select! {
            probe = probes.0.recv() => probe,
            () = stop.cancelled() => None,
        };
        let Some(probe) = probe else {
            // Without its senders there is nobody left to answer.
            return stop.cancelled().await;
        };
        // Those that gave up while the store was slow need no answer.
        if !probe.is_closed() {
            probe.send(reader.log(i64::MAX, 1).map(drop)).ok();
        }
    }
}
