//! A fault-injecting TCP proxy in front of a dlm server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::spawn;

/// The frame that the server sends from time to time.
const PING: [u8; 2] = [0x89, 0];

/// What the proxy does to traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NetworkFault {
    /// Forwards both directions.
    None = 0,
    /// Forwards requests, drops the responses, and closes the connection. A ping is no response.
    DropResponses = 1,
    /// Drops everything and keeps connections open.
    BlackHole = 2,
    /// Closes connections at once.
    Reset = 3,
}

pub(crate) struct FaultProxy {
    pub(crate) url: String,
    fault: Arc<AtomicU8>,
    resets: Arc<AtomicU64>,
}

impl FaultProxy {
    pub(crate) async fn in_front_of(server: &str) -> Self {
        let target = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fault = Arc::new(AtomicU8::new(NetworkFault::None as u8));
        let resets = Arc::new(AtomicU64::new(0));
        let (current, counter) = (Arc::clone(&fault), Arc::clone(&resets));
        spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                if current.load(Ordering::SeqCst) == NetworkFault::Reset as u8 {
                    counter.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(outbound) = TcpStream::connect(&target).await else { continue };
                spawn(forward(inbound, outbound, Arc::clone(&current), Arc::clone(&counter)));
            }
        });
        Self { url, fault, resets }
    }

    /// How many connections were reset, when opened or when a request came.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::SeqCst)
    }

    pub(crate) fn inject(&self, fault: NetworkFault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

async fn forward(
    mut inbound: TcpStream,
    mut outbound: TcpStream,
    fault: Arc<AtomicU8>,
    resets: Arc<AtomicU64>,
) {
    let mut requests = [0; 16 * 1024];
    let mut responses = [0; 16 * 1024];
    loop {
        tokio::select! {
            read = inbound.read(&mut requests) => {
                let Ok(read @ 1..) = read else { return };
                let fault = fault.load(Ordering::SeqCst);
                if fault == NetworkFault::Reset as u8 {
                    resets.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if fault != NetworkFault::BlackHole as u8 && outbound.write_all(&requests[..read]).await.is_err() {
                    return;
                }
            }
            read = outbound.read(&mut responses) => {
                let Ok(read @ 1..) = read else { return };
                let fault = fault.load(Ordering::SeqCst);
                let is_response = responses[..read] != PING;
                if fault == NetworkFault::DropResponses as u8 && is_response
                    || fault == NetworkFault::Reset as u8
                {
                    return;
                }
                if fault != NetworkFault::BlackHole as u8 && inbound.write_all(&responses[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
