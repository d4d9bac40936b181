//! A real server process on a database of its own.

use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::api::Api;
use super::backend::Backend;
use super::build::binary;

/// How a story speaks to its server.
pub(crate) trait Way: Send + Sync + 'static {
    const SESSIONS: bool;
}

/// A request each.
pub(crate) struct OverHttp;

impl Way for OverHttp {
    const SESSIONS: bool = false;
}

/// Over session sockets, where they know the operation.
pub(crate) struct OverSessions;

impl Way for OverSessions {
    const SESSIONS: bool = true;
}

/// A server process, which ends with the test.
pub(crate) struct Server<B, W = OverHttp> {
    database: Arc<B>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    process: Process,
    logs: Arc<Mutex<String>>,
    way: PhantomData<W>,
}

struct Process {
    child: Child,
    url: String,
}

impl<B: Backend, W: Way> Server<B, W> {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::on(&Arc::new(B::new()), arguments)
    }

    /// One of several on a database.
    pub(crate) fn on(database: &Arc<B>, arguments: &[&str]) -> Self {
        Self::in_environment(database, arguments, Vec::new())
    }

    /// One in an environment of its own.
    pub(crate) fn in_environment(
        database: &Arc<B>,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let logs = Arc::default();
        let process = Process::start(&database.url(), "127.0.0.1:0", &arguments, &environment, &logs)
            .expect("the server says where it listens");
        Self { database: Arc::clone(database), arguments, environment, process, logs, way: PhantomData }
    }

    pub(crate) fn database(&self) -> &Arc<B> {
        &self.database
    }

    pub(crate) fn url(&self) -> &str {
        &self.process.url
    }

    pub(crate) fn api(&self) -> Api {
        if W::SESSIONS { Api::over_sessions(self.url()) } else { Api::new(self.url()) }
    }

    /// All that the server wrote to its log.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().expect("the logs").clone()
    }

    pub(crate) fn kill9(&mut self) {
        self.process.child.kill().expect("a process to kill");
        self.process.child.wait().expect("a process that ends");
    }

    /// Starts it again: the same database, the same address.
    pub(crate) fn start_again(&mut self) {
        let listen = self.process.url.trim_start_matches("http://").to_owned();
        let until = super::now() + Duration::from_secs(20);
        loop {
            let (url, logs) = (self.database.url(), &self.logs);
            match Process::start(&url, &listen, &self.arguments, &self.environment, logs) {
                Ok(process) => return self.process = process,
                // Meanwhile the port was free for anybody's connection.
                Err(why) if why.contains("can't be listened on") && super::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(why) => panic!("the server does not start again: {why}"),
            }
        }
    }

    pub(crate) fn kill9_and_start_again(&mut self) {
        self.kill9();
        self.start_again();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.process.child.wait().expect("a process that ends")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.process.child, signal);
    }
}

impl<B, W> Drop for Server<B, W> {
    fn drop(&mut self) {
        self.process.child.kill().ok();
        self.process.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.logs.lock().expect("the logs"));
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("a process id");
    kill_process(pid, signal).expect("a process that is there");
}

/// Why a server with these arguments does not start.
pub(crate) fn refused(arguments: &[&str]) -> String {
    let output = Command::new(binary("dlm-server")).args(arguments).output().expect("the server runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// The command of a server on this database.
pub(crate) fn command(database_url: &str, listen: &str) -> Command {
    allow_descriptors();
    let mut command = Command::new(binary("dlm-server"));
    command
        .args(["--writers", "2", "--listen", listen, "--database-url", database_url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Has this process, and those that it starts, open as many files as they may:
/// some tests have a thousand connections.
fn allow_descriptors() {
    static ALLOWED: Once = Once::new();
    ALLOWED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let all = Rlimit { current: limit.maximum, ..limit };
        setrlimit(Resource::Nofile, all).expect("a limit that may be raised");
    });
}

impl Process {
    fn start(
        database_url: &str,
        listen: &str,
        arguments: &[String],
        environment: &[(String, String)],
        logs: &Arc<Mutex<String>>,
    ) -> Result<Self, String> {
        let said_before = logs.lock().expect("the logs").len();
        let mut child = command(database_url, listen)
            .envs(environment.iter().cloned())
            .args(arguments)
            .spawn()
            .expect("the server starts");
        let mut errors = child.stderr.take().expect("its log");
        let kept = Arc::clone(logs);
        let keeping = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = errors.read(&mut buffer) {
                kept.lock().expect("the logs").push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let output = child.stdout.take().expect("its output");
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                say.send(line).ok();
            }
        });
        let Ok(line) = said.recv_timeout(Duration::from_secs(20)) else {
            child.kill().ok();
            child.wait().expect("a process that ends");
            keeping.join().expect("its log");
            return Err(logs.lock().expect("the logs")[said_before..].to_owned());
        };
        let url = line.strip_prefix("listening on ").expect("the line that says so").to_owned();
        Ok(Self { child, url })
    }
}
