//! A network that fails at the worst moment: between a server and its Postgres,
//! right when a COMMIT was sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

/// How the simple query protocol says it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What a writer alone says, and says once a connection: the servers' other
/// connections commit, too.
const WRITES: &[u8] = b"INSERT INTO batch_events";

const PASS: u8 = 0;
const CUT_AFTER: u8 = 1;
const CUT_BEFORE: u8 = 2;

/// Cuts connections at a COMMIT, when it is told to.
pub(crate) struct CutCommits {
    pub(crate) port: u16,
    next: Arc<AtomicU8>,
}

impl CutCommits {
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("its address").port();
        let next = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&next);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let server = TcpStream::connect(("127.0.0.1", port)).expect("postgres answers");
                carry(&client, &server, Some(Arc::clone(&shared)));
                carry(&server, &client, None);
            }
        });
        Self { port: here, next }
    }

    /// Cuts at a writer's next COMMIT: after it has arrived, or before.
    pub(crate) fn cut_next(&self, arrives: bool) {
        self.next.store(if arrives { CUT_AFTER } else { CUT_BEFORE }, Ordering::SeqCst);
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.next.load(Ordering::SeqCst) == PASS
    }
}

fn carry(from: &TcpStream, to: &TcpStream, cut: Option<Arc<AtomicU8>>) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        let mut writes = false;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let data = &buffer[..read];
            writes |= data.windows(WRITES.len()).any(|window| window == WRITES);
            if let Some(cut) = cut.as_deref()
                && writes
                && data.ends_with(COMMIT)
            {
                match cut.swap(PASS, Ordering::SeqCst) {
                    CUT_BEFORE => break,
                    CUT_AFTER => {
                        to.write_all(data).ok();
                        // It is done when it says so; nobody hears it.
                        from.shutdown(std::net::Shutdown::Both).ok();
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        break;
                    }
                    _ => {}
                }
            }
            if to.write_all(data).is_err() {
                break;
            }
        }
        from.shutdown(std::net::Shutdown::Both).ok();
        to.shutdown(std::net::Shutdown::Both).ok();
    });
}

/// An address behind which the database may change.
pub(crate) struct Switch {
    pub(crate) port: u16,
    target: Arc<AtomicU16>,
}

impl Switch {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("its address").port();
        let target = Arc::new(AtomicU16::new(port));
        let shared = Arc::clone(&target);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                // One that is down is one that resets the connection.
                let port = shared.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                carry(&client, &server, None);
                carry(&server, &client, None);
            }
        });
        Self { port: here, target }
    }

    pub(crate) fn switch(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}
