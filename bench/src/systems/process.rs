//! The processes of the systems.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::BoxError;
use crate::measure::now;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A process that is killed on drop.
pub(super) struct Process(Child);

impl Process {
    /// Starts a program, and waits until it listens on this port. What it prints is written
    /// to a file in the directory.
    pub(super) async fn start(command: &mut Command, port: u16, directory: &Path) -> Result<Self, BoxError> {
        let log = directory.join("log");
        let file = File::create(&log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let program = command.get_program().display().to_string();
        let mut process = Self(child.map_err(|error| format!("{program}: {error}"))?);
        let begun = now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if let Some(status) = process.0.try_wait()? {
                let printed = std::fs::read_to_string(&log)?;
                return Err(format!("{program} ended with {status}: {printed}").into());
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(format!("{program} does not listen after {START_TIMEOUT:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub(super) fn free_port() -> Result<u16, BoxError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The first line that a program prints with these arguments.
pub(super) fn first_line(program: &Path, arguments: &[&str]) -> Result<String, BoxError> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
