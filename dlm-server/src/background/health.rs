//! Which parts of a server have ended, and which fail for now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Attempts;
use crate::metrics::Metrics;

/// A vital part of a server ended although the server was not stopping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartEnded {
    /// Its name, such as `sweeper` or `writer-0`.
    pub(crate) part: String,
    pub(crate) panicked: bool,
}

/// The state of all background parts.
#[derive(Debug)]
pub(crate) struct Health {
    metrics: Arc<Metrics>,
    /// The first part that ended.
    first: OnceLock<PartEnded>,
    any_ended: CancellationToken,
    /// The parts whose last attempt failed, and what that means for callers.
    failing: Mutex<BTreeMap<&'static str, &'static str>>,
}

impl Health {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            first: OnceLock::new(),
            any_ended: CancellationToken::new(),
            failing: Mutex::default(),
        }
    }

    pub(super) fn ended(&self, part: PartEnded) {
        tracing::error!(part = part.part, panicked = part.panicked, "vital part ended");
        // The first one is the cause; others may follow from it.
        self.first.set(part).ok();
        self.any_ended.cancel();
    }

    /// The first part that ended, if any has.
    pub(crate) fn first_ended(&self) -> Option<&PartEnded> {
        self.first.get()
    }

    /// Waits until a part has ended.
    pub(crate) async fn part_ended(&self) -> PartEnded {
        loop {
            self.any_ended.cancelled().await;
            if let Some(part) = self.first.get() {
                return part.clone();
            }
        }
    }

    /// Why the server is not ready, if one of its tasks fails.
    pub(crate) fn failing(&self) -> Option<&'static str> {
        self.lock().values().next().copied()
    }

    /// Records the attempts of a task. `unready` says what callers can't rely on
    /// while it fails; `None` if its failures do not concern them.
    pub(crate) fn attempts(self: &Arc<Self>, task: &'static str, unready: Option<&'static str>) -> Attempts {
        Attempts::new(Arc::clone(self), task, unready)
    }

    pub(super) fn attempt_failed(&self, task: &'static str, unready: Option<&'static str>) {
        self.metrics.task_failed(task);
        if let Some(why) = unready {
            self.lock().insert(task, why);
        }
    }

    pub(super) fn attempt_succeeded(&self, task: &'static str) {
        self.lock().remove(task);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, &'static str>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
