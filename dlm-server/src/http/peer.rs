//! The client's end of an HTTP/1 connection: whether it still sends, and
//! whether it still exists.
//!
//! hyper reads one request and then nothing until it is answered, so it sees no
//! end of the stream behind bytes it has not read: a stray CRLF, the next
//! request. The operating system reports the end of the stream and a reset
//! beside the data, and [`Peer`] waits for those reports.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dlm_protocol::{IdempotencyKey, ResourceName};
use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long a reset may take to arrive after the response was sent.
const RESET_WITHIN: Duration = Duration::from_secs(1);

/// A TCP stream that can be watched while hyper owns it.
#[derive(Debug)]
pub(super) struct SharedStream {
    stream: Arc<TcpStream>,
    broken: CancellationToken,
}

impl SharedStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), broken: CancellationToken::new() }
    }

    /// The client of this stream.
    pub(super) fn peer(&self) -> Peer {
        Peer {
            stream: Arc::clone(&self.stream),
            broken: self.broken.clone(),
            done_sending: CancellationToken::new(),
            returning: Arc::default(),
        }
    }

    /// The operating system reports a reset only once, to the first caller that reads it.
    fn note<T>(&self, result: io::Result<T>) -> Poll<io::Result<T>> {
        Poll::Ready(result.inspect_err(|_| self.broken.cancel()))
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return self.note(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return self.note(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&*self.stream, Shutdown::Write).map_err(io::Error::from))
    }
}

/// The client of an HTTP/1 connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    stream: Arc<TcpStream>,
    /// Cancelled once a read or a write has failed.
    broken: CancellationToken,
    done_sending: CancellationToken,
    returning: Arc<Mutex<Vec<KeylessWaiter>>>,
}

/// A waiter that learns its key from the response.
#[derive(Debug)]
pub(super) struct KeylessWaiter {
    pub(super) resource: ResourceName,
    pub(super) key: IdempotencyKey,
}

impl Peer {
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
        while let Ok(ready) = self.stream.ready(Interest::PRIORITY).await {
            if ready.is_read_closed() {
                return;
            }
            // Urgent data, which nobody reads: wait for the next report.
            let seen = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            self.stream.try_io(Interest::PRIORITY, seen).ok();
        }
    }

    /// Waits for the end of the stream, also behind unread bytes.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    async fn end_of_stream(&self) {
        while let Ok(ready) = self.stream.ready(Interest::READABLE).await {
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
            _ = self.stream.ready(Interest::ERROR) => {}
            () = self.broken.cancelled() => {}
        }
    }
}
