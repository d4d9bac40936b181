//! nginx and HAProxy, reverse proxies, in front of a server.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A reverse proxy on a port of its own. It is stopped when dropped.
pub(crate) struct ReverseProxy {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl ReverseProxy {
    /// Starts nginx with these directives of its `http` block, in which `PORT` is the
    /// port to listen on.
    pub(crate) fn nginx(directives: &str) -> Self {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n\
             events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}{directives}\n}}\n"
        );
        Self::start("nginx", &configuration, |command, directory, file| {
            command.arg("-q").arg("-p").arg(directory).arg("-c").arg(file);
        })
    }

    /// Starts HAProxy with this configuration, in which `PORT` is the port to listen on.
    pub(crate) fn haproxy(configuration: &str) -> Self {
        Self::start("haproxy", configuration, |command, _, file| {
            command.arg("-q").arg("-f").arg(file);
        })
    }

    fn start(name: &str, configuration: &str, arguments: impl Fn(&mut Command, &Path, &Path)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let file = directory.path().join("configuration");
        std::fs::write(&file, configuration.replace("PORT", &port.to_string()))
            .expect("the configuration is written");
        // Debian installs them where only root looks for programs.
        let program = ["/usr/sbin", "/usr/bin"].map(|directory| Path::new(directory).join(name));
        let program = program.into_iter().find(|program| program.exists());
        let mut command = Command::new(program.unwrap_or_else(|| panic!("{name} is installed")));
        arguments(&mut command, directory.path(), &file);
        let mut child = command.stdin(Stdio::null()).spawn().expect("the proxy runs");
        let until = super::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(super::now() < until && child.try_wait().unwrap().is_none(), "{name} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port, _directory: directory }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The URL of a proxy that has a certificate.
    pub(crate) fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

impl Drop for ReverseProxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
