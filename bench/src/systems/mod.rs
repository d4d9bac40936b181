//! The systems that are compared. All of them persist every change before they answer.

mod dlm;
#[cfg(feature = "more")]
mod etcd;
mod lock_table;
mod process;
mod redis;
mod rslock;
#[cfg(feature = "more")]
mod zookeeper;

use std::path::Path;

use async_trait::async_trait;
use serde::Serialize;
use tempfile::TempDir;

use crate::BoxError;
use crate::scenario::Scenario;

/// Longer than any cycle: no lock expires.
const TTL: std::time::Duration = std::time::Duration::from_secs(30);

/// A system that is running, with a client for it.
#[async_trait]
pub(crate) trait System: Send + Sync {
    fn name(&self) -> &'static str;

    fn version(&self) -> &str;

    /// Whether it is measured in this scenario.
    fn takes(&self, _scenario: Scenario) -> bool {
        true
    }

    async fn workers(&self, count: usize) -> Result<Vec<Box<dyn Worker>>, BoxError>;
}

/// What takes one lock after the other.
#[async_trait]
pub(crate) trait Worker: Send {
    /// Waits until it has the lock.
    async fn acquire(&mut self, lock: &str) -> Result<(), BoxError>;

    /// Releases the lock that was acquired last. A lock that was lost is an error.
    async fn release(&mut self, lock: &str) -> Result<(), BoxError>;
}

/// What the systems need to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) dlm_server: &'a Path,
    pub(crate) postgres_url: Option<&'a str>,
    pub(crate) directory: &'a Path,
    /// The names of the systems that have to be measured; if there are none, what is
    /// installed.
    pub(crate) only: &'a [String],
}

/// A system that is not measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Missing {
    pub(crate) system: &'static str,
    pub(crate) why: String,
}

/// The running systems. They end when this is dropped.
pub(crate) struct Systems {
    running: Vec<Box<dyn System>>,
    missing: Vec<Missing>,
    _files: TempDir,
}

const NAMES: [&str; 7] = ["dlm-sqlite", "dlm-postgres", "redis", "rslock", "lock-table", "zookeeper", "etcd"];

impl Systems {
    pub(crate) async fn start(setup: &Setup<'_>) -> Result<Self, BoxError> {
        if let Some(unknown) = setup.only.iter().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(format!("no system is named {unknown}; there are {}", NAMES.join(", ")).into());
        }
        let files = tempfile::Builder::new().prefix("systems-").tempdir_in(setup.directory)?;
        let mut systems = Self { running: Vec::new(), missing: Vec::new(), _files: files };
        for name in NAMES {
            if setup.only.is_empty() || setup.only.iter().any(|only| only == name) {
                let directory = systems._files.path().join(name);
                std::fs::create_dir(&directory)?;
                match start(name, setup, &directory).await? {
                    Started::Running(system) => systems.running.push(system),
                    Started::Missing(why) if !setup.only.is_empty() => {
                        return Err(format!("{name}: {why}").into());
                    }
                    Started::Missing(why) => systems.missing.push(Missing { system: name, why }),
                }
            }
        }
        Ok(systems)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &dyn System> {
        self.running.iter().map(|system| &**system)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&dyn System> {
        self.running().find(|system| system.name() == name)
    }

    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }
}

enum Started {
    Running(Box<dyn System>),
    /// It is not installed.
    Missing(String),
}

impl Started {
    fn running(system: impl System + 'static) -> Self {
        Self::Running(Box::new(system))
    }
}

async fn start(name: &'static str, setup: &Setup<'_>, directory: &Path) -> Result<Started, BoxError> {
    let not_installed = |program: &str| Started::Missing(format!("{program} is not installed"));
    Ok(match (name, setup.postgres_url) {
        ("dlm-sqlite", _) => {
            let database = format!("sqlite://{}", directory.join("dlm.db").display());
            Started::running(dlm::Dlm::start("dlm-sqlite", setup.dlm_server, &database, directory).await?)
        }
        ("dlm-postgres" | "lock-table", None) => Started::Missing("there is no --postgres-url".into()),
        ("dlm-postgres", Some(url)) => {
            Started::running(dlm::Dlm::start("dlm-postgres", setup.dlm_server, url, directory).await?)
        }
        ("lock-table", Some(url)) => Started::running(lock_table::LockTable::create(url).await?),
        ("redis" | "rslock", _) if !process::is_installed("redis-server") => not_installed("redis-server"),
        ("redis", _) => Started::running(redis::Redis::start(directory).await?),
        ("rslock", _) => Started::running(rslock::Rslock::start(directory).await?),
        #[cfg(feature = "more")]
        ("etcd", _) if !process::is_installed("etcd") => not_installed("etcd"),
        #[cfg(feature = "more")]
        ("etcd", _) => Started::running(etcd::Etcd::start(directory).await?),
        #[cfg(feature = "more")]
        ("zookeeper", _) if !zookeeper::is_installed() => not_installed("zookeeper"),
        #[cfg(feature = "more")]
        ("zookeeper", _) => Started::running(zookeeper::ZooKeeper::start(directory).await?),
        _ => Started::Missing("the benchmark was built without the feature `more`".into()),
    })
}
