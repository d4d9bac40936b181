//! etcd: its lock service, with one lease for each worker, as its sessions have it.

use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use etcd_client::{Client, LockOptions};

use super::process::{Process, first_line, free_port};
use super::{System, Worker};
use crate::BoxError;

/// Longer than a measurement: no lease is kept alive.
const LEASE_SECONDS: i64 = 600;

pub(super) struct Etcd {
    url: String,
    version: String,
    _process: Process,
}

impl Etcd {
    pub(super) async fn start(directory: &Path) -> Result<Self, BoxError> {
        let (port, peers) = (free_port()?, free_port()?);
        let (url, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
        let mut command = Command::new("etcd");
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}"), "--data-dir"]);
        command.arg(directory.join("data"));
        let process = Process::start(&mut command, port, directory).await?;
        Ok(Self { url, version: first_line(Path::new("etcd"), &["--version"])?, _process: process })
    }
}

#[async_trait]
impl System for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let client = Client::connect([&self.url], None).await?;
        let mut workers: Vec<Box<dyn Worker>> = Vec::new();
        for _ in 0..count {
            let mut client = client.clone();
            let lease = client.lease_grant(LEASE_SECONDS, None).await?.id();
            workers.push(Box::new(EtcdWorker { client, lease, key: Vec::new() }));
        }
        Ok(workers)
    }
}

struct EtcdWorker {
    client: Client,
    lease: i64,
    key: Vec<u8>,
}

#[async_trait]
impl Worker for EtcdWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        let options = LockOptions::new().with_lease(self.lease);
        self.key = self.client.lock(lock, Some(options)).await?.key().to_vec();
        Ok(())
    }

    async fn release(&mut self, _lock: &str) -> Result<(), BoxError> {
        self.client.unlock(std::mem::take(&mut self.key)).await?;
        Ok(())
    }
}
