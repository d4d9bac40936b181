//! TCP proxies in front of a Postgres: one breaks connections at a COMMIT, one
//! switches to another cluster.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::Duration;

/// A COMMIT in the simple query protocol.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// A statement that only writers send. It identifies their connections, since
/// the server's other connections commit, too; a connection sends its text once
/// and then refers to it as prepared.
const WRITER_STATEMENT: &[u8] = b"INSERT INTO batch_events";

/// Where the next COMMIT of a writer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CommitFault {
    /// Nowhere: it passes.
    None = 0,
    /// The COMMIT is delivered, the response is lost.
    AfterDelivery = 1,
    /// The COMMIT is not delivered.
    BeforeDelivery = 2,
}

/// Breaks the connection of a writer at its next COMMIT, on demand.
pub(crate) struct CommitFaultProxy {
    pub(crate) port: u16,
    next: Arc<AtomicU8>,
}

impl CommitFaultProxy {
    pub(crate) fn in_front_of(target: u16) -> Self {
        let next = Arc::new(AtomicU8::new(CommitFault::None as u8));
        let fault = Arc::clone(&next);
        let port = listen(move |client| {
            let server = TcpStream::connect(("127.0.0.1", target)).expect("postgres answers");
            forward(&client, &server, Some(Arc::clone(&fault)));
            forward(&server, &client, None);
        });
        Self { port, next }
    }

    pub(crate) fn fail_next_commit(&self, fault: CommitFault) {
        self.next.store(fault as u8, Ordering::SeqCst);
    }

    pub(crate) fn has_failed_commit(&self) -> bool {
        self.next.load(Ordering::SeqCst) == CommitFault::None as u8
    }
}

/// Accepts connections on a free port, on a thread; returns the port.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            serve(client);
        }
    });
    port
}

fn forward(from: &TcpStream, to: &TcpStream, fault: Option<Arc<AtomicU8>>) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        let mut is_writer = false;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let data = &buffer[..read];
            is_writer |= data.windows(WRITER_STATEMENT.len()).any(|window| window == WRITER_STATEMENT);
            if let Some(fault) = fault.as_deref()
                && is_writer
                && data.ends_with(COMMIT)
            {
                let fault = fault.swap(CommitFault::None as u8, Ordering::SeqCst);
                if fault == CommitFault::BeforeDelivery as u8 {
                    break;
                }
                if fault == CommitFault::AfterDelivery as u8 {
                    to.write_all(data).ok();
                    // The server never sees the response, but Postgres gets the
                    // time to commit.
                    from.shutdown(Shutdown::Both).ok();
                    std::thread::sleep(Duration::from_millis(50));
                    break;
                }
            }
            if to.write_all(data).is_err() {
                break;
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    });
}

/// A fixed address whose target cluster can change, as a load balancer or a
/// virtual IP address would.
pub(crate) struct FailoverProxy {
    pub(crate) port: u16,
    target: Arc<AtomicU16>,
}

impl FailoverProxy {
    pub(crate) fn to(port: u16) -> Self {
        let target = Arc::new(AtomicU16::new(port));
        let current = Arc::clone(&target);
        let port = listen(move |client| {
            // While the target is down, the connection is dropped.
            let Ok(server) = TcpStream::connect(("127.0.0.1", current.load(Ordering::SeqCst))) else {
                return;
            };
            forward(&client, &server, None);
            forward(&server, &client, None);
        });
        Self { port, target }
    }

    pub(crate) fn switch_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}
