//! The servers under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::BoxError;

/// Servers that were running already, or that were started and are killed on drop.
pub(crate) struct Servers {
    urls: Vec<String>,
    started: Vec<Child>,
    _database: Option<TempDir>,
}

impl Servers {
    /// Servers that run already, by their comma-separated URLs.
    pub(crate) fn running(urls: &str) -> Self {
        let urls = urls.split(',').map(str::to_owned).collect();
        Self { urls, started: Vec::new(), _database: None }
    }

    /// Starts the `dlm-server` binary beside this one: on a new SQLite file in this
    /// directory, or several times on a Postgres database.
    pub(crate) fn start(directory: &Path, postgres: Option<&str>, count: usize) -> Result<Self, BoxError> {
        let binary = std::env::current_exe()?.with_file_name("dlm-server");
        if !binary.exists() {
            return Err(format!(
                "{} does not exist; run cargo build --release -p dlm-server",
                binary.display()
            )
            .into());
        }
        std::fs::create_dir_all(directory)?;
        let database = tempfile::Builder::new().prefix("dlm-load-").tempdir_in(directory)?;
        let sqlite = format!("sqlite://{}", database.path().join("load.db").display());
        let url = postgres.unwrap_or(&sqlite);
        let mut servers = Self { urls: Vec::new(), started: Vec::new(), _database: Some(database) };
        for _ in 0..count {
            let mut child = Command::new(&binary)
                .args(["--listen", "127.0.0.1:0", "--log", "warn", "--database-url", url])
                .stdout(Stdio::piped())
                .spawn()?;
            let output = child.stdout.take().ok_or("the server's standard output is not piped")?;
            servers.started.push(child);
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            let url = line
                .trim()
                .strip_prefix("listening on ")
                .ok_or("the server did not start; see its error above")?;
            servers.urls.push(url.to_owned());
        }
        Ok(servers)
    }

    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(String::as_str)
    }

    /// The processes that were started.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.started.iter().map(Child::id)
    }

    /// The resident memory of the started processes, in kB.
    pub(crate) fn memory_kb(&self) -> Option<u64> {
        let resident = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let all: Option<Vec<u64>> = self.pids().map(resident).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.started {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
