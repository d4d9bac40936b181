//! A server that listens on a Unix socket.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use dlm_client::{BearerToken, Client, TransportKind};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{
    Acquire, AuthFile, MachineDelay, ServerProcess, Sqlite, acquire_request, binary, eventually, now,
    principal, startup_error,
};

type TestServer = ServerProcess<Sqlite>;

/// A path for a socket, in a directory of its own.
struct SocketPath {
    path: PathBuf,
    _directory: TempDir,
}

impl SocketPath {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("dlm.sock"), _directory: directory }
    }

    fn url(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Starts a server that listens on it.
    fn server(&self, arguments: &[&str]) -> TestServer {
        let server = TestServer::start_with(&[&["--listen", &self.url()], arguments].concat());
        assert_eq!(server.next_line(), format!("listening on {}", self.url()));
        server
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    fn dlm(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("dlm"));
        command.args(arguments).env("DLM_URL", self.url()).env("XDG_CONFIG_HOME", "/nonexistent");
        command.output().unwrap()
    }
}

#[tokio::test]
async fn client_and_command_use_the_unix_socket_of_a_server() {
    let socket = SocketPath::new();
    let server = socket.server(&[]);
    let file = socket.path.metadata().unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    for kind in [TransportKind::Session, TransportKind::Http] {
        let client = Client::builder().address(socket.url()).transport(kind).connect().await.unwrap();
        let guard = client.lock("orders/42").await.unwrap();
        assert_eq!(server.api().status("orders/42").await["holder_count"], 1);
        guard.release().await.unwrap();
    }
    let ran = socket.dlm(&["run", "a", "--", "sh", "-c", "echo $DLM_RESOURCE; exit 7"]);
    assert_eq!((ran.status.code(), &*ran.stdout), (Some(7), &b"a\n"[..]), "{ran:?}");
}

#[tokio::test]
async fn credential_is_needed_over_a_unix_socket_too() {
    let socket = SocketPath::new();
    let auth = AuthFile::new(&principal("api", &["s3cret"], &[("lock", "")]));
    let _server = socket.server(&["--auth-file", &auth.path()]);
    let builder = || Client::builder().address(socket.url()).transport(TransportKind::Http);
    let nobody = builder().connect().await.unwrap();
    assert!(nobody.try_lock("a").await.unwrap_err().is_unauthenticated());
    let api = builder().bearer_token(BearerToken::new("s3cret").unwrap()).connect().await.unwrap();
    assert_eq!(api.whoami().await.unwrap().principal, "api");
}

#[tokio::test]
async fn socket_of_a_live_server_is_refused_and_that_of_a_killed_one_replaced() {
    let socket = SocketPath::new();
    let mut server = socket.server(&[]);
    let client = Client::connect(&socket.url()).await.unwrap();
    let error = startup_error(&["--listen", &socket.url()]);
    let expected = format!("could not listen on {}: another server listens on it", socket.url());
    assert!(error.contains(&expected), "{error}");
    let guard = client.lock("a").ttl(Duration::from_secs(600)).await.unwrap();
    server.kill9();
    assert!(socket.path.exists());
    server.restart();
    guard.release().await.unwrap();
    assert!(server.terminate().success());
    assert!(!socket.path.exists());
}

#[tokio::test]
async fn waiter_that_hangs_up_over_a_unix_socket_leaves_the_queue() {
    let delay = MachineDelay::watch();
    let socket = SocketPath::new();
    let server = socket.server(&[]);
    let api = server.api();
    for how in ["close", "close with bytes unread"] {
        let lease = api.lock(how, &Acquire::exclusive().ttl(60_000)).await;
        let mut client = socket.connect().await;
        let mut request = acquire_request("localhost", how, &Acquire::exclusive().wait(60_000));
        if how == "close with bytes unread" {
            request += "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
        }
        client.write_all(request.as_bytes()).await.unwrap();
        eventually("the waiter is queued", || async { api.queue_len(how).await == 1 }).await;
        let hung_up = now();
        drop(client);
        eventually("the waiter has left", || async { api.queue_len(how).await == 0 }).await;
        delay.assert_within(how, hung_up.elapsed(), Duration::from_secs(5));
        api.release(how, &lease).await.ok();
        assert_eq!(api.event_kinds(how).await, ["granted", "queued", "cancelled", "released"], "{how}");
    }
}

#[tokio::test]
async fn client_that_closes_its_direction_of_a_unix_socket_is_answered() {
    let delay = MachineDelay::watch();
    let socket = SocketPath::new();
    let server = socket.server(&[]);
    let half_closed = async |name: &str| {
        let mut client = socket.connect().await;
        let request = acquire_request("localhost", name, &Acquire::exclusive().ttl(60_000).wait(60_000));
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        response
    };
    let granted = half_closed("a").await;
    assert!(granted.starts_with("HTTP/1.1 200 ") && granted.contains("\"fencing_token\":1"), "{granted}");
    let closed = now();
    let queued = half_closed("a").await;
    // A waiter whose client still sends is answered after 20 s.
    delay.assert_within("the response", closed.elapsed(), Duration::from_secs(10));
    assert!(queued.starts_with("HTTP/1.1 202 ") && queued.contains("\"position\":1"), "{queued}");
    let api = server.api();
    eventually("the waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
}
