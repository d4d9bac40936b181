//! Waits for what the program under test does.

use std::time::Duration;

use dlm_client::LockStatus;

use crate::server::TestServer;

/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(2);
/// How long to wait for a condition: a test that waits longer is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

impl TestServer {
    /// Waits until somebody holds `name`.
    ///
    /// # Panics
    ///
    /// If that takes 30 s.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only reads.
    pub async fn wait_until_held(&self, name: &str) {
        self.wait_until(name, "holds", |status| status.holder_count > 0).await;
    }

    /// Waits until `waiters` requests wait for `name`.
    ///
    /// # Panics
    ///
    /// If that takes 30 s.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only reads.
    pub async fn wait_for_waiters(&self, name: &str, waiters: u64) {
        self.wait_until(name, "waits for", |status| status.queue_len >= waiters).await;
    }

    async fn wait_until(&self, name: &str, what: &str, condition: impl Fn(&LockStatus) -> bool) {
        let mut waited = Duration::ZERO;
        loop {
            let status = self.operator.status(name).await.expect("the server replies");
            if condition(&status) {
                return;
            }
            assert!(waited < PATIENCE, "nobody {what} `{name}`: {status:?}");
            // The caller may have no runtime.
            let pause = self.runtime.spawn(async { tokio::time::sleep(POLL).await });
            pause.await.expect("the server runs");
            waited += POLL;
        }
    }
}
