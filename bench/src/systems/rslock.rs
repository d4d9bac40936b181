//! The crate `rslock`, which implements Redlock, on one Redis server.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rslock::{Lock, LockManager};

use super::redis::{RETRY, Server};
use super::{System, TTL, Worker};
use crate::BoxError;

/// Tries of one acquire.
const TRIES: u32 = 1000;

pub(super) struct Rslock {
    redis: Server,
}

impl Rslock {
    pub(super) async fn start(directory: &Path) -> Result<Self, BoxError> {
        Ok(Self { redis: Server::start(directory).await? })
    }
}

#[async_trait]
impl System for Rslock {
    fn name(&self) -> &'static str {
        "rslock"
    }

    fn version(&self) -> &str {
        &self.redis.version
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let mut manager = LockManager::new(vec![self.redis.url.as_str()]);
        manager.set_retry(TRIES, RETRY);
        let manager = Arc::new(manager);
        let worker =
            || Box::new(RslockWorker { manager: Arc::clone(&manager), lock: None }) as Box<dyn Worker>;
        Ok((0..count).map(|_| worker()).collect())
    }
}

struct RslockWorker {
    manager: Arc<LockManager>,
    lock: Option<Lock>,
}

#[async_trait]
impl Worker for RslockWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        self.lock = Some(self.manager.acquire_no_guard(lock, TTL).await?);
        Ok(())
    }

    async fn release(&mut self, _lock: &str) -> Result<(), BoxError> {
        let lock = self.lock.take().ok_or("nothing is acquired")?;
        self.manager.unlock(&lock).await;
        Ok(())
    }
}
