//! Starts `dlm`, and looks at the processes that it starts.

use std::ffi::OsStr;
use std::fs;
use std::future::ready;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{binary, eventually};

/// Starts a program that ignores no signal, even if the tests do, as they do in the background.
pub(super) const DEFAULT_SIGNALS: [&str; 2] = ["env", "--default-signal"];

/// `dlm` with a server, and a directory for the files of a test.
pub(super) struct Dlm {
    url: String,
    directory: TempDir,
}

impl Dlm {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), directory: tempfile::tempdir().unwrap() }
    }

    /// A command in a session without a terminal, whatever terminal the tests run in, and whatever
    /// signals they ignore.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args(DEFAULT_SIGNALS).arg(binary("dlm")).args(arguments);
        self.set_up(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Sets the environment and the directory of a command.
    pub(super) fn set_up(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DLM_") {
                command.env_remove(name);
            }
        }
        command.env("DLM_URL", &self.url).env("XDG_CONFIG_HOME", self.directory.path());
        command.env_remove("NO_COLOR").current_dir(self.directory.path());
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        Running::new(self.command(arguments))
    }

    /// Starts a shell script under the lock `a`, with more options for `dlm run`.
    pub(super) fn start_script(&self, options: &[&str], script: &str) -> Running {
        self.start(&[&["run", "a"], options, &["--", "bash", "-c", script]].concat())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits for the first line of a file.
    pub(super) async fn line(&self, name: &str) -> String {
        eventually(name, || ready(self.read(name).ends_with('\n'))).await;
        self.read(name).lines().next().unwrap_or_default().to_owned()
    }

    /// Waits for a process id that a script writes to a file.
    pub(super) async fn pid(&self, name: &str) -> Pid {
        Pid::from_raw(self.line(name).await.parse().unwrap()).unwrap()
    }

    /// A file of the test; empty if there is none.
    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// A `dlm` that runs. It is killed when dropped, and with it what it started.
pub(super) struct Running {
    child: Child,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    output: Arc<Mutex<String>>,
}

impl Running {
    pub(super) fn new(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (errors, output) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stderr.take().unwrap(), Arc::clone(&errors)),
            collect(child.stdout.take().unwrap(), Arc::clone(&output)),
        ];
        Self { child, errors, readers, output }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the supervisor, the only child of the wrapper.
    pub(super) async fn supervisor(&self) -> Pid {
        eventually("a supervisor", || ready(!children(self.pid()).is_empty())).await;
        children(self.pid())[0]
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it exits; returns the code.
    pub(super) async fn code(&mut self) -> Option<i32> {
        eventually("dlm exits", || ready(self.has_ended())).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.child.wait().unwrap().code()
    }

    pub(super) fn stderr(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub(super) fn stdout(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits for a text on standard error.
    pub(super) async fn tells(&self, text: &str) {
        eventually(text, || ready(self.stderr().contains(text))).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("dlm's standard error:\n{}", self.stderr());
        }
    }
}

fn collect(mut source: impl Read + Send + 'static, target: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = source.read(&mut buffer) {
            target.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    })
}

/// Whether a process runs or is stopped, and does not only wait to be reaped.
pub(super) fn is_alive(pid: Pid) -> bool {
    state(pid).is_some_and(|state| !"ZX".contains(state))
}

/// The state of a process, as in `/proc/PID/stat`.
pub(super) fn state(pid: Pid) -> Option<char> {
    fields(pid)?.chars().next()
}

/// The parent of a process, which must exist.
pub(super) fn parent(pid: Pid) -> Pid {
    parent_of(pid).unwrap()
}

/// The processes whose parent this is, also those that wait to be reaped.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    let pid = |name: &OsStr| Pid::from_raw(name.to_str()?.parse().ok()?);
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| pid(&entry.ok()?.file_name()));
    processes.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    Pid::from_raw(fields(pid)?.split(' ').nth(1)?.parse().ok()?)
}

/// What follows the name of the program in `/proc/PID/stat`: the name may contain anything.
fn fields(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

/// Waits until none of these processes lives.
pub(super) async fn all_dead(pids: &[Pid]) {
    eventually("the processes are dead", || ready(!pids.iter().any(|pid| is_alive(*pid)))).await;
}

/// What was written to standard output, as text.
pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What was written to standard error, as text.
pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
