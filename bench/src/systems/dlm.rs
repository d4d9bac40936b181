//! dlm: one server, and one client that all workers share.

use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use dlm_client::{Client, LockGuard};

use super::process::{Process, first_line, free_port};
use super::{System, TTL, Worker};
use crate::BoxError;

pub(super) struct Dlm {
    name: &'static str,
    version: String,
    url: String,
    _process: Process,
}

impl Dlm {
    pub(super) async fn start(
        name: &'static str,
        server: &Path,
        database: &str,
        directory: &Path,
    ) -> Result<Self, BoxError> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let port = address.rsplit(':').next().unwrap_or_default().parse()?;
        let mut command = Command::new(server);
        command.args(["--listen", &address, "--log", "warn", "--database-url", database]);
        let process = Process::start(&mut command, port, directory).await?;
        let version = first_line(server, &["--version"])?;
        Ok(Self { name, version, url: format!("http://{address}"), _process: process })
    }
}

#[async_trait]
impl System for Dlm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let client = Client::connect(&self.url).await?;
        let worker = || Box::new(DlmWorker { client: client.clone(), guard: None }) as Box<dyn Worker>;
        Ok((0..count).map(|_| worker()).collect())
    }
}

struct DlmWorker {
    client: Client,
    guard: Option<LockGuard>,
}

#[async_trait]
impl Worker for DlmWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        self.guard = Some(self.client.lock(lock).ttl(TTL).await?);
        Ok(())
    }

    async fn release(&mut self, _lock: &str) -> Result<(), BoxError> {
        self.guard.take().ok_or("nothing is acquired")?.release().await?;
        Ok(())
    }
}
