//! The client's end of an HTTP/1 connection: whether it still sends, and
//! whether it still exists.
//!
//! hyper reads one request and then nothing until it is answered, so it sees no
//! end of the stream behind bytes it has not read: a stray CRLF, the next
//! request. The operating system reports the end of the stream and a reset
//! beside the data, and [`Peer`] waits for those reports. It does so below TLS, whose own
//! notice of the end is one of the unread bytes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::{IdempotencyKey, ResourceName};
use rustix::net::Shutdown;
use tokio::io::Interest;
use tokio_util::sync::CancellationToken;

use super::stream::Connection;
use crate::auth::Principal;

/// How long a reset may take to arrive after the response was sent.
const RESET_WITHIN: Duration = Duration::from_secs(1);

/// The client of an HTTP/1 connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    connection: Arc<Connection>,
    broken: CancellationToken,
    done_sending: CancellationToken,
    returning: Arc<Mutex<Vec<KeylessWaiter>>>,
}

/// A waiter that learns its key from the response.
#[derive(Debug)]
pub(super) struct KeylessWaiter {
    pub(super) principal: Principal,
    pub(super) resource: ResourceName,
    pub(super) key: IdempotencyKey,
}

impl Peer {
    /// `broken` is cancelled once a read or a write has failed.
    pub(super) fn new(connection: Arc<Connection>, broken: CancellationToken) -> Self {
        Self { connection, broken, done_sending: CancellationToken::new(), returning: Arc::default() }
    }

    /// Cancelled once the client has closed its sending direction. It may still
    /// read, or it may be gone: that shows only when something is sent to it.
    pub(super) fn done_sending(&self) -> &CancellationToken {
        &self.done_sending
    }

    /// Waits until the client is certainly gone. It must be polled for
    /// [`Self::done_sending`] to work.
    pub(super) async fn gone(&self) {
        self.end_of_stream().await;
        self.done_sending.cancel();
        self.reset().await;
    }

    /// Closes the connection so that the client receives what was sent before: ends the
    /// sending direction, and discards what the client still sends until it closes its
    /// own, or `within` is over.
    pub(super) async fn close(&self, within: Duration) {
        let stream = &self.connection.stream;
        rustix::net::shutdown(stream, Shutdown::Write).ok();
        let reading = async {
            let mut buffer = [0; 4096];
            while stream.ready(Interest::READABLE).await.is_ok() {
                match stream.try_read_buf(&mut &mut buffer[..]) {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(within, reading).await.ok();
    }

    /// A waiter is about to learn its key after the client is done sending.
    pub(super) fn may_return(&self, waiter: KeylessWaiter) {
        self.returning.lock().unwrap_or_else(PoisonError::into_inner).push(waiter);
    }

    /// The waiters whose client did not receive their keys, once all responses
    /// have been sent.
    pub(super) async fn unreached(&self) -> Vec<KeylessWaiter> {
        let waiters = std::mem::take(&mut *self.returning.lock().unwrap_or_else(PoisonError::into_inner));
        if waiters.is_empty() || tokio::time::timeout(RESET_WITHIN, self.reset()).await.is_err() {
            return Vec::new();
        }
        waiters
    }

    /// Waits for the end of the stream, also behind unread bytes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    async fn end_of_stream(&self) {
        // Unlike `READABLE`, this is not ready while bytes are unread.
        while let Ok(ready) = self.connection.stream.ready(Interest::PRIORITY).await {
            if ready.is_read_closed() {
                return;
            }
            // Urgent data, which nobody reads: wait for the next report.
            let seen = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            self.connection.stream.try_io(Interest::PRIORITY, seen).ok();
        }
    }

    /// Waits for the end of the stream, also behind unread bytes.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    async fn end_of_stream(&self) {
        while let Ok(ready) = self.connection.stream.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // Ready as long as bytes are unread.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn reset(&self) {
        tokio::select! {
            // An error of the wait means the same: the stream is unusable.
            _ = self.connection.stream.ready(Interest::ERROR) => {}
            () = self.broken.cancelled() => {}
        }
    }
}
