//! Whether an HTTP/1 connection is serving a request, or reading the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const READING: u8 = 0;
const SERVING: u8 = 1;
const UPGRADED: u8 = 2;

/// The state of one connection. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchanges(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: AtomicU8,
    begun: AtomicU64,
}

impl Exchanges {
    /// A request has arrived. The exchange ends when the result is dropped.
    pub(super) fn begin(&self) -> Exchange {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.phase.store(SERVING, Ordering::Relaxed);
        Exchange(self.clone())
    }

    /// The connection carries another protocol from now on.
    pub(super) fn upgrade(&self) {
        self.0.phase.store(UPGRADED, Ordering::Relaxed);
    }

    /// Whether the head of a request is read, or awaited.
    pub(super) fn is_reading(&self) -> bool {
        self.0.phase.load(Ordering::Relaxed) == READING
    }

    /// How many exchanges have begun.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }
}

/// One request and its response.
#[derive(Debug)]
pub(super) struct Exchange(Exchanges);

impl Drop for Exchange {
    fn drop(&mut self) {
        // Fails after an upgrade, which is for good.
        let phase = &self.0.0.phase;
        phase.compare_exchange(SERVING, READING, Ordering::Relaxed, Ordering::Relaxed).ok();
    }
}
