//! Whatever arrives at a server, from the first byte of a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio_util::sync::CancellationToken;

use super::responses;
use crate::auth::fuzz::digest_of;
use crate::{Metrics, Server};

const TOKEN: &str = "dlm_a-token-that-the-fuzzer-does-not-know";
/// How long the server may take to close a connection whose client is done sending.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// The thread that serves all connections.
const THREAD: &str = "fuzzed-server";
/// Whether that thread has panicked. A connection whose task panics is closed, as others are.
static PANICKED: AtomicBool = AtomicBool::new(false);
const UPGRADED: &[u8] = b"HTTP/1.1 101 ";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A server with authentication, whose only client is the fuzzer.
#[derive(Debug)]
pub struct FuzzedServer {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl FuzzedServer {
    /// Starts a server whose files are in this directory.
    ///
    /// # Panics
    ///
    /// Panics if the server can't be started.
    #[must_use]
    pub fn start(directory: &Path) -> Self {
        note_panics();
        let auth_file = directory.join("auth.toml");
        let digest = digest_of(TOKEN);
        let principal = format!(
            "[[principal]]\nname = \"fuzzer\"\ntokens = [{{ sha256 = \"{digest}\" }}]\n\
             rules = [{{ role = \"lock\", prefix = \"\" }}]\n"
        );
        std::fs::write(&auth_file, principal).expect("the auth file is written");
        let builder = Server::builder()
            .listen("127.0.0.1:0")
            .database_url(format!("sqlite://{}", directory.join("fuzz.db").display()))
            .auth_file(Some(auth_file));
        let (stop, (started, starting)) = (CancellationToken::new(), mpsc::channel());
        let until = stop.clone();
        let running = std::thread::Builder::new().name(THREAD.into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let server = builder.bind().await.expect("the server starts");
                let address = server.urls()[0].trim_start_matches("http://").parse();
                started
                    .send((address.expect("an address"), server.metrics()))
                    .expect("the address is awaited");
                server.run(until).await.expect("the server runs");
            });
        });
        let running = running.expect("a thread");
        let (address, metrics) = starting.recv().expect("the server starts");
        Self { address, metrics, stop, running: Some(running) }
    }

    /// Sends bytes over a connection that proves nothing. Whatever they are, the server
    /// closes it, its responses are complete, and nothing was served that needs a
    /// credential.
    ///
    /// # Panics
    ///
    /// Panics if one of these does not hold.
    pub fn http(&self, input: &[u8]) {
        let received = self.exchange(&mut self.connect(), input);
        responses::check(input, &received);
        for line in self.metrics.text().lines() {
            let Some(request) = line.strip_prefix("dlm_requests_total{operation=\"") else { continue };
            let (operation, rest) = request.split_once("\",status=\"").expect("a status");
            let is_public = matches!(operation, "livez" | "readyz" | "ui");
            assert!(!rest.starts_with("500"), "a request failed: {line}");
            assert!(is_public || rest.starts_with('4'), "served without a credential: {line}");
        }
    }

    /// Sends bytes over the WebSocket of a session, after the upgrade. Whatever they are,
    /// the server closes it and sends nothing but valid frames with messages of a session.
    ///
    /// # Panics
    ///
    /// Panics if that does not hold.
    pub fn session(&self, input: &[u8]) {
        let mut stream = self.connect();
        let head = format!(
            "GET /v1/session HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        let mut head = Vec::new();
        while !head.ends_with(END_OF_HEAD) {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the response");
            head.push(byte[0]);
        }
        assert!(head.starts_with(UPGRADED), "{}", String::from_utf8_lossy(&head));
        responses::check_session(&self.exchange(&mut stream, input));
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(CLOSED_WITHIN)).expect("an option");
        // Thousands of closed connections would use up all ports.
        set_socket_linger(&stream, Some(Duration::ZERO)).expect("an option");
        stream
    }

    /// Sends bytes and then no more. Returns what the server sends until it closes the
    /// connection, which it may do before it has read everything.
    fn exchange(&self, stream: &mut TcpStream, input: &[u8]) -> Vec<u8> {
        stream.write_all(input).and_then(|()| stream.shutdown(Shutdown::Write)).ok();
        let mut received = Vec::new();
        let end = stream.read_to_end(&mut received);
        assert!(!PANICKED.load(Ordering::Relaxed), "the server panicked");
        match end {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the connection is still open after {CLOSED_WITHIN:?}");
            }
            _ => received,
        }
    }
}

impl Drop for FuzzedServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take()
            && running.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(THREAD) {
                PANICKED.store(true, Ordering::Relaxed);
            }
            report(panic);
        }));
    });
}
