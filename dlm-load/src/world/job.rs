//! What one worker does over and over: it acquires a lock, works, and lets go of it.

use std::time::Duration;

use dlm_client::{Client, Error, LockGuard, LockRequest};

/// Between two rounds of a worker, so that others come first.
const BREAK: Duration = Duration::from_secs(1);
/// How long a lease lives whose holder is killed.
const TTL: Duration = Duration::from_secs(30);

/// The lock of a worker, and what it does with it.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) client: Client,
    pub(super) owner: String,
    pub(super) lock: String,
    pub(super) shared: bool,
    pub(super) ttl: Duration,
    pub(super) work: Work,
}

/// What a worker does while it holds its lock.
#[derive(Clone)]
pub(super) enum Work {
    /// Holds it until it is lost, or an operator asks for it.
    Stay,
    /// Holds it for this long.
    Brief(Duration),
    /// Waits for another lock, and holds both for a moment.
    WaitFor(String),
    /// Crashes: the lease is not renewed, and expires.
    Crash,
}

impl Job {
    /// An exclusive lock that is held until it is lost, or an operator asks for it.
    pub(super) fn new(client: &Client, owner: impl Into<String>, lock: impl Into<String>) -> Self {
        let (client, owner, lock) = (client.clone(), owner.into(), lock.into());
        Self { client, owner, lock, shared: false, ttl: TTL, work: Work::Stay }
    }

    pub(super) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    pub(super) fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    pub(super) fn work(self, work: Work) -> Self {
        Self { work, ..self }
    }

    pub(super) async fn acquire(&self) -> Result<LockGuard, Error> {
        let request = self.request(&self.lock).auto_renew(!matches!(self.work, Work::Crash));
        if self.shared { request.shared().await } else { request.await }
    }

    fn request(&self, lock: &str) -> LockRequest {
        let host = self.owner.rsplit('@').next().unwrap_or_default();
        self.client.lock(lock).owner(&self.owner).ttl(self.ttl).metadata([("host", host), ("world", "busy")])
    }

    /// Works with the lock, and lets go of it.
    pub(super) async fn perform(&self, guard: LockGuard) -> Result<(), Error> {
        let asked = guard.release_requested();
        match &self.work {
            Work::Stay => {
                asked.await;
            }
            Work::Crash => {
                guard.lost().await;
            }
            Work::Brief(time) => tokio::time::sleep(*time).await,
            Work::WaitFor(lock) => {
                // Long enough that all who wait for each other hold their own locks.
                tokio::time::sleep(BREAK).await;
                tokio::select! {
                    second = self.request(lock) => {
                        let second = second?;
                        tokio::time::sleep(BREAK).await;
                        second.release().await?;
                    }
                    _ = asked => {}
                }
            }
        }
        if guard.is_held() {
            guard.release().await?;
        }
        tokio::time::sleep(BREAK).await;
        Ok(())
    }
}
