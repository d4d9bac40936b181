//! Throw-away Postgres clusters on free ports.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

use super::turn::beside_others;

/// A cluster of its own. It ends with this process, however that ends.
pub(crate) struct Cluster {
    directory: TempDir,
    port: u16,
    /// Closed, it stops the cluster.
    keeper: Option<(Child, ChildStdin)>,
    databases: AtomicU64,
}

impl Cluster {
    /// The one that all stories share that don't stop it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A new one, with settings such as `fsync=on`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let _turn = beside_others();
        let directory = tempfile::tempdir().expect("a folder");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a folder for the data");
        if is_root() {
            // initdb and postgres refuse root.
            let owner = Command::new("chown").arg("-R").arg("postgres").arg(directory.path()).status();
            assert!(owner.expect("chown runs").success(), "the user postgres is missing");
        }
        let init = as_user(&program("initdb"))
            .args(["--auth=trust", "--username=dlm", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(init.success(), "initdb failed");
        let mut cluster = Self { directory, port: 0, keeper: None, databases: AtomicU64::new(0) };
        let mut all =
            vec!["fsync=off", "max_connections=300", "shared_buffers=64MB", "log_min_messages=fatal"];
        all.extend(settings);
        let lines: String = all.iter().map(|setting| format!("{setting}\n")).collect();
        let mut file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        file.write_all(lines.as_bytes()).expect("its settings");
        cluster.start_on_a_free_port();
        cluster
    }

    /// One that takes connections over TLS alone, with a certificate for
    /// `localhost`.
    pub(crate) fn start_with_tls() -> Self {
        let mut cluster = Self::start(&["ssl=off"]);
        let data = cluster.data();
        let make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem && \
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr && \
            printf 'subjectAltName=DNS:localhost' > extensions && \
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile extensions -out server.crt && \
            chmod 600 server.key && printf 'hostssl all all all trust\\n' > pg_hba.conf && \
            printf 'ssl=on\\n' >> postgresql.conf";
        let made = as_user(Path::new("sh"))
            .args(["-c", make])
            .current_dir(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("openssl runs").success(), "no certificates");
        cluster.new_database();
        cluster.stop_immediately();
        cluster.start_again();
        cluster
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://dlm@127.0.0.1:{}/{database}", self.port)
    }

    /// A new database in it.
    pub(crate) fn new_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut admin = PgConnection::establish(&self.url("postgres")).expect("the cluster answers");
        admin.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database");
        self.url(&name)
    }

    /// A standby of it, which is asked before a commit is acknowledged.
    pub(crate) fn follow(&self) -> Self {
        let directory = tempfile::tempdir().expect("a folder");
        if is_root() {
            let owner = Command::new("chown").arg("postgres").arg(directory.path()).status();
            assert!(owner.expect("chown runs").success(), "the user postgres is missing");
        }
        let copied = as_user(&program("pg_basebackup"))
            .args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync", "--dbname"])
            .arg(format!("host=127.0.0.1 port={} user=dlm application_name=standby", self.port))
            .arg("-D")
            .arg(directory.path().join("data"))
            .status()
            .expect("pg_basebackup runs");
        assert!(copied.success(), "the primary can't be copied");
        let mut standby = Self { directory, port: 0, keeper: None, databases: AtomicU64::new(0) };
        standby.start_on_a_free_port();
        standby
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        let promoted = as_user(&program("pg_ctl"))
            .args(["promote", "-w", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(promoted.success(), "the standby can't be promoted");
        let mut connection = PgConnection::establish(&self.url("postgres")).expect("it answers");
        // It has no standby of its own.
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"] {
            connection.batch_execute(statement).expect("a setting");
        }
    }

    fn start_on_a_free_port(&mut self) {
        let until = super::now() + Duration::from_secs(30);
        loop {
            self.port = free_port();
            if self.starts() {
                return;
            }
            assert!(super::now() < until, "postgres finds no port");
        }
    }

    /// Starts it after it was stopped, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let until = super::now() + Duration::from_secs(30);
        while !self.starts() {
            // Somebody has its port, and may give it back.
            assert!(super::now() < until, "postgres does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether it starts; where somebody has taken the port meanwhile it ends
    /// at once.
    fn starts(&mut self) -> bool {
        // The shell outlives this process by as much as it takes to stop it.
        let script = "exec 3<&0; \"$@\" 3<&- & child=$!; \
            { cat <&3 >/dev/null; kill -INT $child 2>/dev/null; } & wait $child";
        let mut keeper = as_user(Path::new("sh"))
            .args(["-c", script, "sh"])
            .arg(program("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.directory.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("postgres starts");
        let stdin = keeper.stdin.take().expect("a pipe");
        let until = super::now() + Duration::from_secs(30);
        while PgConnection::establish(&self.url("postgres")).is_err() {
            if keeper.try_wait().expect("its state").is_some() {
                return false;
            }
            assert!(super::now() < until, "postgres does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.keeper = Some((keeper, stdin));
        true
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop_immediately(&mut self) {
        let stopped = as_user(&program("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(stopped.success(), "pg_ctl failed");
        self.end_keeper();
    }

    fn end_keeper(&mut self) {
        if let Some((mut keeper, stdin)) = self.keeper.take() {
            drop(stdin);
            keeper.wait().ok();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end_keeper();
    }
}

/// A program of the newest Postgres that is installed.
pub(crate) fn program(name: &str) -> PathBuf {
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    installed.sort();
    let mut folders = installed.into_iter().rev().chain(in_path);
    let found = folders.find(|folder| folder.join(name).is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: apt-get install postgresql")).join(name)
}

/// A command as a user that Postgres accepts.
pub(crate) fn as_user(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
