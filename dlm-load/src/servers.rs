//! The servers under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustls::ClientConfig;
use tempfile::TempDir;

use crate::BoxError;
use crate::access::Access;
use crate::protection::Protection;

/// Which servers to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerOptions<'a> {
    /// Where the files of the servers are written.
    pub(crate) directory: &'a Path,
    /// A Postgres database; without one, a new SQLite file.
    pub(crate) postgres: Option<&'a str>,
    pub(crate) count: usize,
    pub(crate) protection: Protection,
}

/// Servers that were running already, or that were started and are killed on drop.
pub(crate) struct Servers {
    urls: Vec<String>,
    access: Access,
    started: Vec<Child>,
    /// Where the files of the started servers are.
    files: Option<TempDir>,
}

/// The SQLite file of a server that was started.
const SQLITE_FILE: &str = "load.db";

impl Servers {
    /// Servers that run already, by their comma-separated URLs.
    pub(crate) fn running(urls: &str, access: Access) -> Self {
        let urls = urls.split(',').map(str::to_owned).collect();
        Self { urls, access, started: Vec::new(), files: None }
    }

    /// Starts the `dlm-server` binary beside this one: on a new SQLite file, or several
    /// times on a Postgres database.
    pub(crate) fn start(options: &ServerOptions<'_>) -> Result<Self, BoxError> {
        let binary = std::env::current_exe()?.with_file_name("dlm-server");
        if !binary.exists() {
            return Err(format!(
                "{} does not exist; run cargo build --release -p dlm-server",
                binary.display()
            )
            .into());
        }
        std::fs::create_dir_all(options.directory)?;
        let files = tempfile::Builder::new().prefix("dlm-load-").tempdir_in(options.directory)?;
        let sqlite = format!("sqlite://{}", files.path().join(SQLITE_FILE).display());
        let database = options.postgres.unwrap_or(&sqlite);
        let (arguments, access) = options.protection.set_up(&binary, files.path())?;
        let mut servers = Self { urls: Vec::new(), access, started: Vec::new(), files: Some(files) };
        for _ in 0..options.count {
            let mut child = Command::new(&binary)
                .args(["--listen", "127.0.0.1:0", "--log", "warn", "--database-url", database])
                .args(&arguments)
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

    /// What clients of these servers need.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// How their certificates are verified.
    pub(crate) fn tls(&self) -> Result<ClientConfig, BoxError> {
        self.access.tls(self.have_tls())
    }

    /// Whether one of them has TLS.
    pub(crate) fn have_tls(&self) -> bool {
        self.urls().any(|url| url.starts_with("https://"))
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

    /// The size of the SQLite database of a started server, with its write-ahead log, in kB.
    pub(crate) fn database_kb(&self) -> Option<u64> {
        let database = self.files.as_ref()?.path().join(SQLITE_FILE);
        let log = database.with_extension("db-wal");
        let bytes = |path| std::fs::metadata(path).map(|file| file.len()).ok();
        Some((bytes(&database)? + bytes(&log).unwrap_or(0)) / 1024)
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
