//! Reads files again that the server is configured with: when they have changed, and when
//! somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the files are read. A change is applied once it was read twice the same: a
/// file may still be written, and several files can't be replaced at one instant.
const POLL: Duration = Duration::from_secs(1);

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

/// Files that a part of the server is configured with.
pub(crate) trait Followed: Send {
    /// Differs when the files differ.
    type Content: Clone + PartialEq + Send;

    /// Reads the files again that were read `before`, and changes nothing.
    fn content(&self, before: &Self::Content) -> Self::Content;

    /// Reads the files and puts them in force, unless there is a mistake in them. Returns
    /// what was read.
    fn reload(&mut self) -> Self::Content;
}

/// Keeps what is in force up to date with its files.
#[derive(Debug)]
pub(crate) struct Reloader<F: Followed> {
    files: F,
    /// What the last attempt read.
    read: F::Content,
    /// What the last poll read.
    polled: F::Content,
}

impl<F: Followed> Reloader<F> {
    /// Follows files that were read for the first time.
    pub(crate) fn new(files: F, read: F::Content) -> Self {
        Self { files, polled: read.clone(), read }
    }

    pub(crate) fn files(&self) -> &F {
        &self.files
    }

    /// Follows the files until `stop` is cancelled. Blocks while it reads.
    pub(crate) async fn run(mut self, mut requests: watch::Receiver<()>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = requests.changed() => self.reload(),
                () = tokio::time::sleep(POLL) => self.poll(),
            }
        }
    }

    pub(crate) fn poll(&mut self) {
        let now = self.files.content(&self.read);
        if now != self.read && now == self.polled {
            self.reload();
        } else {
            self.polled = now;
        }
    }

    fn reload(&mut self) {
        self.read = self.files.reload();
        self.polled.clone_from(&self.read);
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
