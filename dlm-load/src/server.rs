//! The server under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::Failed;

/// A server that was given, or one that ends with this value.
pub(crate) struct Server {
    pub(crate) url: String,
    started: Option<(Child, TempDir)>,
}

impl Server {
    pub(crate) fn given(url: &str) -> Self {
        Self { url: url.to_owned(), started: None }
    }

    /// Starts the server that was built beside this program.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failed> {
        let binary = std::env::current_exe()?.with_file_name("dlm-server");
        if !binary.exists() {
            return Err(
                format!("{} is not built: cargo build --release -p dlm-server", binary.display()).into()
            );
        }
        std::fs::create_dir_all(directory)?;
        let database = tempfile::Builder::new().prefix("dlm-load-").tempdir_in(directory)?;
        let url = format!("sqlite://{}", database.path().join("load.db").display());
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--database-url", &url])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut server = Self { url: String::new(), started: Some((child, database)) };
        server.url = url.ok_or("the server did not start")?;
        Ok(server)
    }

    /// The process, if it was started here.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.started.as_ref().map(|(child, _)| child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.started {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
