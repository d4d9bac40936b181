//! The servers under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::Failed;

/// Servers that were given, or that end with this value.
pub(crate) struct Server {
    /// With commas between them.
    pub(crate) urls: String,
    started: Vec<Child>,
    _database: Option<TempDir>,
}

impl Server {
    pub(crate) fn given(urls: &str) -> Self {
        Self { urls: urls.to_owned(), started: Vec::new(), _database: None }
    }

    /// Starts servers that were built beside this program: one on a new file in
    /// this folder, or several on a Postgres.
    pub(crate) fn start(directory: &Path, postgres: Option<&str>, count: usize) -> Result<Self, Failed> {
        let binary = std::env::current_exe()?.with_file_name("dlm-server");
        if !binary.exists() {
            return Err(
                format!("{} is not built: cargo build --release -p dlm-server", binary.display()).into()
            );
        }
        std::fs::create_dir_all(directory)?;
        let database = tempfile::Builder::new().prefix("dlm-load-").tempdir_in(directory)?;
        let sqlite = format!("sqlite://{}", database.path().join("load.db").display());
        let url = postgres.unwrap_or(&sqlite);
        let mut server = Self { urls: String::new(), started: Vec::new(), _database: Some(database) };
        let mut urls = Vec::new();
        for _ in 0..count {
            let mut child = Command::new(&binary)
                .args(["--listen", "127.0.0.1:0", "--log", "warn", "--database-url", url])
                .stdout(Stdio::piped())
                .spawn()?;
            let output = child.stdout.take().ok_or("the server has no output")?;
            server.started.push(child);
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            let url = line.trim().strip_prefix("listening on ").ok_or("the server did not start")?;
            urls.push(url.to_owned());
        }
        server.urls = urls.join(",");
        Ok(server)
    }

    /// The address of each.
    pub(crate) fn each(&self) -> impl Iterator<Item = &str> {
        self.urls.split(',')
    }

    /// The processes that were started here.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.started.iter().map(Child::id)
    }
}

impl Server {
    /// What the processes that were started here have in memory, in kB.
    pub(crate) fn memory(&self) -> Option<u64> {
        let of = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let all: Option<Vec<u64>> = self.pids().map(of).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.started {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
