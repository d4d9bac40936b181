//! Temporary Postgres clusters on free ports.

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

use super::test_lock::shared_test_lock;

/// A Postgres cluster. It stops when this process ends, even if it is killed.
pub(crate) struct PostgresCluster {
    directory: TempDir,
    port: u16,
    /// A shell that runs Postgres, and its standard input: closing that stops the
    /// cluster.
    supervisor: Option<(Child, ChildStdin)>,
    databases: AtomicU64,
}

impl PostgresCluster {
    /// The cluster shared by all tests that don't stop it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<(PostgresCluster, ChildStdin)> = OnceLock::new();
        let (cluster, _) = SHARED.get_or_init(|| {
            let cluster = Self::start(&[]);
            let remover = cluster.remove_at_exit();
            (cluster, remover)
        });
        cluster
    }

    /// Removes the directory once this process has ended, which does not drop a static.
    /// The result has to be kept until then.
    fn remove_at_exit(&self) -> ChildStdin {
        let script = "cat >/dev/null; for _ in $(seq 100); do \
            [ -e \"$1/data/postmaster.pid\" ] || break; sleep 0.1; done; rm -rf \"$1\"";
        let remover = as_user(Path::new("sh"))
            .args(["-c", script, "sh"])
            .arg(self.directory.path())
            .stdin(Stdio::piped())
            .spawn();
        remover.expect("a shell").stdin.expect("a pipe")
    }

    /// Starts a new cluster with these settings, such as `fsync=on`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let _lock = shared_test_lock();
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a data directory");
        if is_root() {
            // initdb and postgres refuse to run as root.
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
        let mut cluster = Self { directory, port: 0, supervisor: None, databases: AtomicU64::new(0) };
        let mut all =
            vec!["fsync=off", "max_connections=300", "shared_buffers=64MB", "log_min_messages=fatal"];
        all.extend(settings);
        let lines: String = all.iter().map(|setting| format!("{setting}\n")).collect();
        let mut file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        file.write_all(lines.as_bytes()).expect("the settings are written");
        cluster.start_on_a_free_port();
        cluster
    }

    /// Starts a cluster that accepts only TLS connections, with a certificate for
    /// `localhost`.
    pub(crate) fn start_with_tls() -> Self {
        let mut cluster = Self::start(&["ssl=off"]);
        let data = cluster.data();
        let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem && \
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr && \
            printf 'subjectAltName=DNS:localhost' > extensions && \
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile extensions -out server.crt && \
            chmod 600 server.key && printf 'hostssl all all all trust\\n' > pg_hba.conf && \
            printf 'ssl=on\\n' >> postgresql.conf";
        let status = as_user(Path::new("sh"))
            .args(["-c", script])
            .current_dir(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("openssl runs").success(), "openssl could not create the certificates");
        cluster.new_database();
        cluster.stop_immediately();
        cluster.restart();
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

    /// Creates a database; returns its URL.
    pub(crate) fn new_database(&self) -> String {
        self.new_database_with("")
    }

    /// Creates a database with these options; returns its URL.
    pub(crate) fn new_database_with(&self, options: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut admin = PgConnection::establish(&self.url("postgres")).expect("the cluster answers");
        admin.batch_execute(&format!("CREATE DATABASE {name} {options}")).expect("the database is created");
        self.url(&name)
    }

    /// Starts a standby that replicates this cluster synchronously.
    pub(crate) fn start_standby(&self) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
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
        assert!(copied.success(), "pg_basebackup failed");
        let mut standby = Self { directory, port: 0, supervisor: None, databases: AtomicU64::new(0) };
        standby.start_on_a_free_port();
        standby
    }

    /// Promotes this standby to primary.
    pub(crate) fn promote(&self) {
        let promoted = as_user(&program("pg_ctl"))
            .args(["promote", "-w", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(promoted.success(), "pg_ctl promote failed");
        let mut connection = PgConnection::establish(&self.url("postgres")).expect("the new primary answers");
        // It has no standby itself: without this, no commit would return.
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"] {
            connection.batch_execute(statement).expect("the setting is applied");
        }
    }

    fn start_on_a_free_port(&mut self) {
        let until = super::now() + Duration::from_secs(30);
        loop {
            self.port = free_port();
            if self.try_start() {
                return;
            }
            assert!(super::now() < until, "postgres did not start on any port");
        }
    }

    /// Starts the stopped cluster and waits until it answers.
    pub(crate) fn restart(&mut self) {
        let until = super::now() + Duration::from_secs(30);
        while !self.try_start() {
            // Another process may hold the port for a moment.
            assert!(super::now() < until, "postgres did not restart");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts Postgres; returns false if it exits, as it does when the port is taken.
    fn try_start(&mut self) -> bool {
        // The shell stops Postgres when its standard input closes, which happens
        // however this process ends.
        let script = "exec 3<&0; \"$@\" 3<&- & child=$!; \
            { cat <&3 >/dev/null; kill -INT $child 2>/dev/null; } & wait $child";
        let mut supervisor = as_user(Path::new("sh"))
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
        let stdin = supervisor.stdin.take().expect("a pipe");
        let until = super::now() + Duration::from_secs(30);
        while PgConnection::establish(&self.url("postgres")).is_err() {
            if supervisor.try_wait().expect("its state").is_some() {
                return false;
            }
            assert!(super::now() < until, "postgres does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.supervisor = Some((supervisor, stdin));
        true
    }

    /// Stops the cluster without a checkpoint, as a crash would.
    pub(crate) fn stop_immediately(&mut self) {
        let stopped = as_user(&program("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(stopped.success(), "pg_ctl stop failed");
        self.end_supervisor();
    }

    fn end_supervisor(&mut self) {
        if let Some((mut supervisor, stdin)) = self.supervisor.take() {
            drop(stdin);
            supervisor.wait().ok();
        }
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        self.end_supervisor();
    }
}

/// The path of a program of the newest installed Postgres.
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
    let mut directories = installed.into_iter().rev().chain(in_path);
    let found = directories.find(|directory| directory.join(name).is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: apt-get install postgresql")).join(name)
}

/// A command that runs as a user other than root, as Postgres requires.
pub(crate) fn as_user(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
