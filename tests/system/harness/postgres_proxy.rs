//! TCP proxies in front of a Postgres: one breaks connections at a commit, one
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

/// The call that writes and commits an optimistic batch.
const CALL: &[u8] = b"FROM commit_batch_3(";

/// Where the next commit of a writer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CommitFault {
    /// Nowhere: it passes.
    None = 0,
    /// It is delivered, the response is lost.
    AfterDelivery = 1,
    /// It is not delivered.
    BeforeDelivery = 2,
    /// The same, but only at the call of an optimistic batch.
    AfterDeliveryOfCall = 3,
    BeforeDeliveryOfCall = 4,
}

impl CommitFault {
    /// The fault of this commit: a call, or a COMMIT. It is armed no more then.
    fn take(armed: &AtomicU8, is_call: bool) -> Self {
        let fault = match armed.load(Ordering::SeqCst) {
            1 => Self::AfterDelivery,
            2 => Self::BeforeDelivery,
            3 if is_call => Self::AfterDelivery,
            4 if is_call => Self::BeforeDelivery,
            _ => return Self::None,
        };
        armed.store(Self::None as u8, Ordering::SeqCst);
        fault
    }
}

/// Breaks the connection of a writer at its next commit, on demand: at a COMMIT or at a call.
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
        let mut call: Option<Vec<u8>> = None;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let data = &buffer[..read];
            is_writer |= contains(data, WRITER_STATEMENT);
            let calls = call.as_deref().is_some_and(|call| contains(data, call));
            call = call.or_else(|| prepared_call(data));
            if let Some(fault) = fault.as_deref()
                && (is_writer && data.ends_with(COMMIT) || calls)
            {
                let fault = CommitFault::take(fault, calls);
                if fault == CommitFault::BeforeDelivery {
                    break;
                }
                if fault == CommitFault::AfterDelivery {
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

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

/// How a connection that has just prepared the call will refer to it.
fn prepared_call(data: &[u8]) -> Option<Vec<u8>> {
    if !contains(data, CALL) {
        return None;
    }
    // P, four bytes of length, the name.
    let name = data.get(5..)?.split(|byte| *byte == 0).next()?;
    Some([b"\0", name, b"\0"].concat())
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
