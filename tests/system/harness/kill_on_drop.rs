//! Processes that do not outlive a test.

use std::future::ready;
use std::process::{Child, ExitStatus};

use super::eventually;

/// A process that is killed when dropped.
pub(crate) struct KillOnDrop(pub(crate) Child);

impl KillOnDrop {
    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", || ready(self.0.try_wait().unwrap().is_some())).await;
        self.0.wait().unwrap()
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
