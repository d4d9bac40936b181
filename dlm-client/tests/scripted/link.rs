//! A network link with a delay, between the client and a scripted server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Forwards to a server, each way with the same delay.
pub(crate) struct Link {
    pub(crate) url: String,
    delay_ms: Arc<AtomicU64>,
}

impl Link {
    pub(crate) async fn to(server: &str) -> Self {
        let target = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_ms);
        tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let Ok(outbound) = TcpStream::connect(&target).await else { continue };
                let (from_client, to_client) = inbound.into_split();
                let (from_server, to_server) = outbound.into_split();
                tokio::spawn(forward(from_client, to_server, Arc::clone(&delay)));
                tokio::spawn(forward(from_server, to_client, Arc::clone(&delay)));
            }
        });
        Self { url, delay_ms }
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    delay_ms: Arc<AtomicU64>,
) {
    let (arrivals, mut pending) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = pending.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::SeqCst));
        if arrivals.send((due, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}
