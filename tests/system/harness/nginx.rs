//! nginx, a reverse proxy, in front of a server.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An nginx process. It is stopped when dropped.
pub(crate) struct Nginx {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx with these directives of its `http` block, in which `PORT` is the
    /// port to listen on.
    pub(crate) fn start(directives: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let directives = directives.replace("PORT", &port.to_string());
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n\
             events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}{directives}\n}}\n"
        );
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, configuration).expect("the configuration is written");
        // Debian installs it where only root looks for programs.
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].map(Path::new);
        let program = program.into_iter().find(|program| program.exists()).expect("nginx is installed");
        let mut command = Command::new(program);
        command.arg("-q").arg("-p").arg(directory.path()).arg("-c").arg(&file).stdin(Stdio::null());
        let mut child = command.spawn().expect("nginx runs");
        let until = super::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(super::now() < until && child.try_wait().unwrap().is_none(), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, url: format!("http://127.0.0.1:{port}"), _directory: directory }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
