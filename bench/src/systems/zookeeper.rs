//! ZooKeeper: the lock recipe, as Curator names its nodes.

use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use zookeeper_client::{Acls, Client, CreateMode, LockOptions, LockPrefix, OwnedLockClient};

use super::process::{Process, free_port, is_installed as has_program};
use super::{System, Worker};
use crate::BoxError;

/// Where Debian's package has it.
const JAR: &str = "/usr/share/java/zookeeper.jar";
const MAX_CONNECTIONS: usize = 16;

pub(super) fn is_installed() -> bool {
    has_program("java") && Path::new(JAR).exists()
}

pub(super) struct ZooKeeper {
    address: String,
    version: String,
    _process: Process,
}

impl ZooKeeper {
    pub(super) async fn start(directory: &Path) -> Result<Self, BoxError> {
        let port = free_port()?;
        let configuration = directory.join("zoo.cfg");
        let data = directory.join("data");
        let text = format!(
            "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\nmaxClientCnxns=0\n",
            data.display()
        );
        std::fs::write(&configuration, text)?;
        let mut command = Command::new("java");
        command.args(["-cp", &format!("{JAR}:/usr/share/java/*")]);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(configuration);
        let process = Process::start(&mut command, port, directory).await?;
        let jar = std::fs::canonicalize(JAR)?;
        let version = jar.file_stem().unwrap_or_default().display().to_string();
        Ok(Self { address: format!("127.0.0.1:{port}"), version, _process: process })
    }
}

#[async_trait]
impl System for ZooKeeper {
    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError> {
        let mut clients = Vec::new();
        for _ in 0..count.min(MAX_CONNECTIONS) {
            clients.push(Client::connect(&self.address).await?);
        }
        let worker = |number: usize| {
            let client = clients[number % clients.len()].clone();
            Box::new(ZooKeeperWorker { client, held: None }) as Box<dyn Worker>
        };
        Ok((0..count).map(worker).collect())
    }
}

struct ZooKeeperWorker {
    client: Client,
    held: Option<OwnedLockClient>,
}

#[async_trait]
impl Worker for ZooKeeperWorker {
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError> {
        let acls = Acls::anyone_all();
        let directory = format!("/{lock}");
        let prefix = LockPrefix::new_curator(&directory, "lock-")?;
        let ancestors = CreateMode::Persistent.with_acls(acls);
        let options = LockOptions::new(acls).with_ancestor_options(ancestors)?;
        self.held = Some(self.client.lock(prefix, b"", options).await?.into_owned());
        Ok(())
    }

    async fn release(&mut self, _lock: &str) -> Result<(), BoxError> {
        let held = self.held.take().ok_or("nothing is acquired")?;
        self.client.delete(held.lock_path(), None).await?;
        // Dropping it would delete the node again.
        std::mem::forget(held);
        Ok(())
    }
}
