//! A network that fails: a TCP proxy in front of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::spawn;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fate {
    /// It arrives.
    Pass = 0,
    /// Requests arrive, answers are dropped and the connection is reset.
    LoseAnswers = 1,
    /// Nothing arrives, and nobody is told.
    BlackHole = 2,
    /// Connections are closed at once.
    Reset = 3,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    fate: Arc<AtomicU8>,
    failed: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn before(server: &str) -> Self {
        let target = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fate = Arc::new(AtomicU8::new(Fate::Pass as u8));
        let failed = Arc::new(AtomicU64::new(0));
        let (shared, counted) = (Arc::clone(&fate), Arc::clone(&failed));
        spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                if shared.load(Ordering::SeqCst) == Fate::Reset as u8 {
                    counted.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(outbound) = TcpStream::connect(&target).await else { continue };
                let fate = Arc::clone(&shared);
                spawn(carry(inbound, outbound, fate, Arc::clone(&counted)));
            }
        });
        Self { url, fate, failed }
    }

    /// How many connections and requests were reset.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
    }
}

async fn carry(mut inbound: TcpStream, mut outbound: TcpStream, fate: Arc<AtomicU8>, failed: Arc<AtomicU64>) {
    let mut there = [0; 16 * 1024];
    let mut back = [0; 16 * 1024];
    loop {
        tokio::select! {
            read = inbound.read(&mut there) => {
                let Ok(read @ 1..) = read else { return };
                let fate = fate.load(Ordering::SeqCst);
                if fate == Fate::Reset as u8 {
                    failed.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if fate != Fate::BlackHole as u8 && outbound.write_all(&there[..read]).await.is_err() {
                    return;
                }
            }
            read = outbound.read(&mut back) => {
                let Ok(read @ 1..) = read else { return };
                let fate = fate.load(Ordering::SeqCst);
                if fate == Fate::LoseAnswers as u8 || fate == Fate::Reset as u8 {
                    return;
                }
                if fate != Fate::BlackHole as u8 && inbound.write_all(&back[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
