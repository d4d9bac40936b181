//! Redis with an append-only file that is synced for every change. The lock is the
//! documented pattern: `SET NX PX` with a random value, and a script that deletes the key
//! if the value is still the same. A lock that is held is tried again every 100 ms.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use redis::aio::MultiplexedConnection;

use super::process::{Process, first_line, free_port};
use super::{System, TTL, Worker};
use crate::BoxError;
use crate::scenario::{Locks, Scenario};

pub(super) const RETRY: Duration = Duration::from_millis(100);
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// A Redis server.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) version: String,
    _process: Process,
}

impl Server {
    pub(super) async fn start(directory: &Path) -> Result<Self, BoxError> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(directory);
        let process = Process::start(&mut command, port, directory).await?;
        let version = first_line(Path::new("redis-server"), &["--version"])?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}"), version, _process: process })
    }
}

pub(super) struct Redis(Server);

impl Redis {
    pub(super) async fn start(directory: &Path) -> Result<Self, BoxError> {
        Ok(Self(Server::start(directory).await?))
    }
}

#[async_trait]
impl System for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn version(&self) -> &str {
        &self.0.version
    }

    /// A hand-over would measure the pause between two tries.
    fn takes(&self, scenario: Scenario) -> bool {
        scenario.locks != Locks::Shared
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let client = redis::Client::open(self.0.url.as_str())?;
        let connection = client.get_multiplexed_async_connection().await?;
        let worker = || {
            let value = uuid::Uuid::new_v4().to_string();
            let release = Script::new(RELEASE);
            Box::new(RedisWorker { connection: connection.clone(), value, release }) as Box<dyn Worker>
        };
        Ok((0..count).map(|_| worker()).collect())
    }
}

struct RedisWorker {
    connection: MultiplexedConnection,
    value: String,
    release: Script,
}

#[async_trait]
impl Worker for RedisWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        loop {
            let mut set = redis::cmd("SET");
            set.arg(lock).arg(&self.value).arg("NX").arg("PX").arg(TTL.as_secs() * 1000);
            let acquired: Option<String> = set.query_async(&mut self.connection).await?;
            if acquired.is_some() {
                return Ok(());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn release(&mut self, lock: &str) -> Result<(), BoxError> {
        let mut script = self.release.prepare_invoke();
        let deleted: i64 = script.key(lock).arg(&self.value).invoke_async(&mut self.connection).await?;
        if deleted == 1 { Ok(()) } else { Err("the lock was lost".into()) }
    }
}
