//! A timeout that runs while something is awaited.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

#[derive(Debug, Default)]
pub(super) struct Timeout(Option<Pin<Box<Sleep>>>);

impl Timeout {
    /// Starts the timeout, unless it runs.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(after))).as_mut().poll(cx)
    }

    pub(super) fn stop(&mut self) {
        self.0 = None;
    }
}
