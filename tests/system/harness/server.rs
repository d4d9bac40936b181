//! Server processes.

use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::api::Api;
use super::backend::Backend;
use super::binaries::binary;

/// Which transport a test's [`Api`] uses.
pub(crate) trait ApiTransport: Send + Sync + 'static {
    const OVER_SESSIONS: bool;
}

/// HTTP requests.
pub(crate) struct OverHttp;

impl ApiTransport for OverHttp {
    const OVER_SESSIONS: bool = false;
}

/// Session sockets for the operations they support, HTTP for the others.
pub(crate) struct OverSessions;

impl ApiTransport for OverSessions {
    const OVER_SESSIONS: bool = true;
}

/// A server process. It is killed when dropped.
pub(crate) struct ServerProcess<B, T = OverHttp> {
    database: Arc<B>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    process: RunningServer,
    logs: Arc<Mutex<String>>,
    transport: PhantomData<T>,
}

struct RunningServer {
    child: Child,
    url: String,
    /// Its standard output after the first line.
    lines: Mutex<mpsc::Receiver<String>>,
}

impl<B: Backend, T: ApiTransport> ServerProcess<B, T> {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::on(&Arc::new(B::new()), arguments)
    }

    /// Starts a server on a database, which other servers may use too.
    pub(crate) fn on(database: &Arc<B>, arguments: &[&str]) -> Self {
        Self::with_environment(database, arguments, Vec::new())
    }

    /// Starts a server with extra environment variables.
    pub(crate) fn with_environment(
        database: &Arc<B>,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let logs = Arc::default();
        let process = RunningServer::start(&database.url(), "127.0.0.1:0", &arguments, &environment, &logs)
            .expect("the server starts");
        Self { database: Arc::clone(database), arguments, environment, process, logs, transport: PhantomData }
    }

    pub(crate) fn database(&self) -> &Arc<B> {
        &self.database
    }

    pub(crate) fn url(&self) -> &str {
        &self.process.url
    }

    /// The next line that the server prints after the one with its first address.
    pub(crate) fn next_line(&self) -> String {
        let lines = self.process.lines.lock().expect("the lines");
        lines.recv_timeout(Duration::from_secs(60)).expect("another line")
    }

    pub(crate) fn api(&self) -> Api {
        if T::OVER_SESSIONS { Api::over_sessions(self.url()) } else { Api::new(self.url()) }
    }

    /// The lines that the server has logged, over all restarts. They arrive later than the
    /// responses and metrics that go with them: see [`Self::logged`].
    pub(crate) fn logs(&self) -> String {
        let logs = self.logs.lock().expect("the logs");
        let complete = logs.rfind('\n').map_or(0, |end| end + 1);
        logs[..complete].to_owned()
    }

    /// Waits until the server has logged this text.
    pub(crate) async fn logged(&self, text: &str) {
        self.logged_times(text, 1).await;
    }

    /// Waits until the server has logged this text so many times.
    pub(crate) async fn logged_times(&self, text: &str, times: usize) {
        super::eventually(text, || async { self.logs().matches(text).count() >= times }).await;
    }

    pub(crate) fn kill9(&mut self) {
        self.process.child.kill().expect("the process is killed");
        self.process.child.wait().expect("the process exits");
    }

    /// Starts the stopped server on the same database and address.
    pub(crate) fn restart(&mut self) {
        let listen = self.process.url.trim_start_matches("http://").to_owned();
        let until = super::now() + Duration::from_secs(20);
        loop {
            let (url, logs) = (self.database.url(), &self.logs);
            match RunningServer::start(&url, &listen, &self.arguments, &self.environment, logs) {
                Ok(process) => return self.process = process,
                // Another process may have taken the port as an ephemeral one.
                Err(error) if error.contains("could not listen on") && super::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("the server did not restart: {error}"),
            }
        }
    }

    /// Starts the stopped server like [`Self::restart`], though it may end before it is ready.
    /// Returns whether it became ready.
    pub(crate) fn try_restart(&mut self) -> bool {
        let listen = self.process.url.trim_start_matches("http://").to_owned();
        let url = self.database.url();
        match RunningServer::start(&url, &listen, &self.arguments, &self.environment, &self.logs) {
            Ok(process) => {
                self.process = process;
                true
            }
            Err(_) => false,
        }
    }

    /// Starts the stopped server like [`Self::restart`], with more arguments from now on.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self.restart();
    }

    pub(crate) fn kill9_and_restart(&mut self) {
        self.kill9();
        self.restart();
    }

    /// The most memory that the process has had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.child.id());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kibibytes * 1024
    }

    /// The processor time that the process has used, in user mode and in the kernel.
    pub(crate) fn processor_time(&self) -> Duration {
        const TICKS_PER_SECOND: u64 = 100;
        let path = format!("/proc/{}/stat", self.process.child.id());
        let stat = std::fs::read_to_string(path).expect("the process runs");
        // The name of the program is in parentheses, and may contain anything.
        let (_, fields) = stat.rsplit_once(')').expect("the name");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Waits for the process to exit by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.child.wait().expect("the process exits")
    }

    /// Sends SIGTERM and waits for the process to exit.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.process.child.wait().expect("the process exits")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(&self.process.child, signal);
    }
}

impl<B, T> Drop for ServerProcess<B, T> {
    fn drop(&mut self) {
        self.process.child.kill().ok();
        self.process.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.logs.lock().expect("the logs"));
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("a process id");
    kill_process(pid, signal).expect("the process exists");
}

/// Runs a server that fails to start; returns what it wrote to standard error.
pub(crate) fn startup_error(arguments: &[&str]) -> String {
    let output = Command::new(binary("dlm-server")).args(arguments).output().expect("the server runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// The command that runs a server on this database.
pub(crate) fn command(database_url: &str, listen: &str) -> Command {
    raise_file_limit();
    let mut command = Command::new(binary("dlm-server"));
    command
        .args(["--listen", listen, "--database-url", database_url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Raises the limit of open files of this process and its children to the hard
/// limit: some tests have a thousand connections.
fn raise_file_limit() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        setrlimit(Resource::Nofile, raised).expect("the limit is raised");
    });
}

impl RunningServer {
    fn start(
        database_url: &str,
        listen: &str,
        arguments: &[String],
        environment: &[(String, String)],
        logs: &Arc<Mutex<String>>,
    ) -> Result<Self, String> {
        let log_start = logs.lock().expect("the logs").len();
        let mut child = command(database_url, listen)
            .envs(environment.iter().cloned())
            .args(arguments)
            .spawn()
            .expect("the server starts");
        let mut errors = child.stderr.take().expect("its standard error");
        let sink = Arc::clone(logs);
        let log_reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = errors.read(&mut buffer) {
                sink.lock().expect("the logs").push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let output = child.stdout.take().expect("its standard output");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) else {
            child.kill().ok();
            child.wait().expect("the process exits");
            log_reader.join().expect("its standard error");
            return Err(logs.lock().expect("the logs")[log_start..].to_owned());
        };
        let url = line.strip_prefix("listening on ").expect("the line with the address").to_owned();
        Ok(Self { child, url, lines: Mutex::new(lines) })
    }
}
