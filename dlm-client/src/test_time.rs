//! Time that a test moves.

use std::time::Duration;

use tokio::sync::watch;

/// Time that a test lets pass, in addition to the time that passes anyway. Clones are the same time.
///
/// `TestServer::advance` of dlm-testing moves it, together with the clock of the server.
#[derive(Debug, Clone)]
pub struct TestTime(watch::Sender<Duration>);

impl TestTime {
    /// No time was moved yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(Duration::ZERO))
    }

    /// Lets time pass, for all clients that were built with it: whatever they wait for until then is
    /// due. It is like a suspend of the machine, in which nothing runs: a lease whose term is shorter
    /// is not renewed meanwhile.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|passed| *passed = passed.saturating_add(by));
    }

    pub(crate) fn passed(&self) -> Duration {
        *self.0.borrow()
    }

    pub(crate) fn advances(&self) -> watch::Receiver<Duration> {
        self.0.subscribe()
    }
}

impl Default for TestTime {
    fn default() -> Self {
        Self::new()
    }
}
