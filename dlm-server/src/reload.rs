//! Asks the parts of a server that read files to read them again.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks a running server to read its files again, whether or not they have changed.
/// Clones ask the same server.
#[derive(Debug, Clone)]
pub struct Reload(Arc<watch::Sender<()>>);

impl Reload {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }

    /// Asks. A file with a mistake is reported in the log, and what was read before
    /// stays in force. Returns `false` if the server has no file that it could read
    /// again.
    #[must_use = "tells whether there is anything to reload"]
    pub fn request(&self) -> bool {
        self.0.send(()).is_ok()
    }

    /// Changes with each request.
    pub(crate) fn requests(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_part_sees_a_request() {
        let reload = Reload::new();
        assert!(!reload.request(), "nothing is reloaded");
        let (mut first, mut second) = (reload.requests(), reload.requests());
        assert!(reload.clone().request());
        first.changed().await.unwrap();
        second.changed().await.unwrap();
        assert!(!first.has_changed().unwrap());
    }
}
