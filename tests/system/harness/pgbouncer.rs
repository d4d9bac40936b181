//! PgBouncer, a connection pooler, in front of a database.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::postgres::{as_user, is_root};
use super::server::send_signal;

/// A PgBouncer process. It is killed when dropped.
pub(crate) struct PgBouncer {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts a pooler for this database with a pool mode: `session` or
    /// `transaction`.
    pub(crate) fn start(database_url: &str, pool_mode: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (server, database) = database_url.rsplit_once('/').expect("a URL with a database");
        let upstream = server.rsplit(':').next().expect("a port");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let users = directory.path().join("users");
        fs::write(&users, "\"dlm\" \"\"\n").expect("the users are written");
        let configuration = format!(
            "[databases]\n{database} = host=127.0.0.1 port={upstream} user=dlm\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\npool_mode = {pool_mode}\ndefault_pool_size = 40\n\
             ignore_startup_parameters = extra_float_digits\n",
            users.display()
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, configuration).expect("the configuration is written");
        if is_root() {
            let owner =
                std::process::Command::new("chown").arg("-R").arg("postgres").arg(directory.path()).status();
            assert!(owner.expect("chown runs").success(), "the user postgres is missing");
        }
        // Debian installs it where only root looks for programs.
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(Path::new);
        let program = program.into_iter().find(|program| program.exists()).expect("pgbouncer is installed");
        let child =
            as_user(program).arg("-q").arg(&file).stdin(Stdio::null()).spawn().expect("pgbouncer runs");
        let pooler =
            Self { child, url: format!("postgres://dlm@127.0.0.1:{port}/{database}"), _directory: directory };
        let until = super::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(super::now() < until, "pgbouncer does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// The URL of the database through the pooler.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        send_signal(&self.child, rustix::process::Signal::INT);
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
