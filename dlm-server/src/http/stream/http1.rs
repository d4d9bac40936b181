//! The stream of a connection that speaks HTTP/1.
//!
//! A client that sends the head of a request too slowly, or no request, is
//! disconnected. What hyper itself responds is rewritten as a problem.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::exchange::Exchanges;
use super::super::refusal::{self, Head};
use super::timeout::Timeout;

/// How long a connection may be without a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct HeadDeadlines {
    /// From the first byte of a request to the end of its headers.
    pub(in crate::http) head: Duration,
    /// Without any byte of a request.
    pub(in crate::http) idle: Duration,
}

/// A stream whose requests have deadlines.
#[derive(Debug)]
pub(in crate::http) struct Http1Stream<S> {
    inner: S,
    deadlines: HeadDeadlines,
    exchanges: Exchanges,
    /// How many exchanges had begun when `head` was empty.
    begun: u64,
    /// What was received of a request that is not served yet.
    head: Head,
    reading: Timeout,
    /// A rewritten response of hyper.
    unsent: Bytes,
}

impl<S> Http1Stream<S> {
    pub(in crate::http) fn new(inner: S, deadlines: HeadDeadlines, exchanges: Exchanges) -> Self {
        Self {
            inner,
            deadlines,
            begun: exchanges.begun(),
            exchanges,
            head: Head::default(),
            reading: Timeout::default(),
            unsent: Bytes::new(),
        }
    }

    /// Forgets the head of a request that was served meanwhile: hyper may not have
    /// read while it was served.
    fn forget_served(&mut self) {
        let begun = self.exchanges.begun();
        if self.begun != begun {
            self.begun = begun;
            self.head.clear();
            self.reading.stop();
        }
    }

    /// Notes bytes that were received.
    fn received(&mut self, bytes: &[u8]) {
        self.forget_served();
        if !self.exchanges.is_reading() {
            self.head.clear();
        } else if !bytes.is_empty() {
            if self.head.is_empty() {
                self.reading.stop();
            }
            self.head.push(bytes);
        }
    }

    /// Waits until the next request, or the rest of its head, is overdue.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.forget_served();
        if !self.exchanges.is_reading() {
            self.reading.stop();
            self.head.clear();
            return Poll::Pending;
        }
        let deadline = if self.head.is_empty() { self.deadlines.idle } else { self.deadlines.head };
        self.reading.poll(cx, deadline)
    }
}

impl<S: AsyncWrite + Unpin> Http1Stream<S> {
    /// Sends a rewritten response.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.has_remaining() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.unsent))?;
            self.unsent.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Http1Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                this.received(&buffer.filled()[before..]);
                Poll::Ready(read)
            }
            Poll::Pending => {
                ready!(this.poll_overdue(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends no request")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Http1Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        if this.exchanges.is_reading()
            && let [response] = slices
            && let Some(problem) = refusal::as_problem(response, &this.head)
        {
            this.unsent = problem;
            return Poll::Ready(Ok(response.len()));
        }
        Pin::new(&mut this.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::shared::SharedStream;
    use super::super::shared::tests::{LONG, SHORT, connected};
    use super::*;

    async fn http1(
        deadlines: HeadDeadlines,
        exchanges: &Exchanges,
    ) -> (Http1Stream<SharedStream>, TcpStream) {
        let (stream, client) = connected(LONG).await;
        (Http1Stream::new(stream, deadlines, exchanges.clone()), client)
    }

    #[tokio::test]
    async fn an_idle_connection_and_a_slow_head_have_deadlines_of_their_own() {
        let mut buffer = [0; 64];
        let exchanges = Exchanges::default();
        let deadlines = HeadDeadlines { head: LONG, idle: SHORT };
        let (mut stream, client) = http1(deadlines, &exchanges).await;
        assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);
        let (mut stream, mut client) = http1(deadlines, &exchanges).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 16);
        let read = tokio::time::timeout(3 * SHORT, stream.read(&mut buffer)).await;
        assert!(read.is_err(), "the head was not idle");

        let deadlines = HeadDeadlines { head: SHORT, idle: LONG };
        let (mut stream, mut client) = http1(deadlines, &exchanges).await;
        client.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let serving = exchanges.begin();
        let read = tokio::time::timeout(3 * SHORT, stream.read(&mut buffer)).await;
        assert!(read.is_err(), "a request is being served");
        drop(serving);
        assert!(exchanges.is_reading());
        // A request that was served before anything else was read.
        let (mut stream, mut client) = http1(deadlines, &exchanges).await;
        client.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 3);
        drop(exchanges.begin());
        let read = tokio::time::timeout(3 * SHORT, stream.read(&mut buffer)).await;
        assert!(read.is_err(), "the connection is idle");
        exchanges.upgrade();
        drop(exchanges.begin());
        drop(client);
    }
}
