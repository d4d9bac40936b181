//! A server whose process a test sets up itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::api::Api;
use super::binaries::binary;
use super::server::{command, send_signal};

/// A server process. It is killed when dropped.
pub(crate) struct PlainServer {
    child: Child,
    url: String,
}

impl PlainServer {
    /// Starts a server with this standard error.
    pub(crate) fn start(database_url: &str, arguments: &[&str], errors: Stdio) -> Self {
        let mut command = command(database_url, "127.0.0.1:0");
        command.args(arguments).stderr(errors);
        Self::run(command)
    }

    /// Starts a server that gets an error, and not a signal, when it writes beyond
    /// the limit of [`Self::limit_file_size`].
    pub(crate) fn start_with_file_limits(database_url: &str, errors: Stdio) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary("dlm-server"));
        shell.args(["--listen", "127.0.0.1:0", "--database-url", database_url]);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        Self::run(shell)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the server starts");
        // The other end of a pipe for its errors must not stay open here.
        drop(command);
        let mut line = String::new();
        let output = child.stdout.take().expect("its standard output");
        BufReader::new(output).read_line(&mut line).expect("its first line");
        let url = line.trim().strip_prefix("listening on ").expect("the line with the address").to_owned();
        Self { child, url }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url)
    }

    /// Limits the size of the files that the server may write, as a full disk does;
    /// `None` lifts the limit.
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")).expect("a process id");
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).expect("the limit is set");
    }

    /// Sends SIGTERM and waits for the process to exit.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        send_signal(&self.child, Signal::TERM);
        self.child.wait().expect("the process exits")
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
