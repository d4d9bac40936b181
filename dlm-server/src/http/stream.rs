//! The TCP stream of a connection, with its deadlines.
//!
//! hyper owns the stream, and [`Peer`] watches it meanwhile. A client that takes
//! no bytes, or sends the head of a request too slowly, is disconnected. What
//! hyper itself responds is rewritten as a problem.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::exchange::Exchanges;
use super::peer::Peer;
use super::places::Place;
use super::refusal::{self, Head};

/// How long each state of a connection may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// While the client takes no bytes that are sent to it.
    pub(super) stall: Duration,
    /// From the first byte of a request to the end of its headers; HTTP/1.
    pub(super) head: Duration,
    /// Without a request; HTTP/1.
    pub(super) idle: Duration,
}

/// An open connection. The place is free again once the stream is closed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) place: Place,
}

/// A TCP stream that can be watched while hyper owns it.
#[derive(Debug)]
pub(super) struct SharedStream {
    connection: Arc<Connection>,
    broken: CancellationToken,
    deadlines: Deadlines,
    stalled: Timeout,
    /// Of a connection that speaks HTTP/1.
    http1: Option<Http1>,
}

#[derive(Debug)]
struct Http1 {
    exchanges: Exchanges,
    /// How many exchanges had begun when `head` was empty.
    begun: u64,
    /// What was received of a request that is not served yet.
    head: Head,
    reading: Timeout,
    /// A rewritten response of hyper.
    unsent: Bytes,
}

impl SharedStream {
    /// `exchanges` is the state of a connection that speaks HTTP/1.
    pub(super) fn new(
        connection: Arc<Connection>,
        deadlines: Deadlines,
        exchanges: Option<Exchanges>,
    ) -> Self {
        let http1 = exchanges.map(|exchanges| Http1 {
            begun: exchanges.begun(),
            exchanges,
            head: Head::default(),
            reading: Timeout::default(),
            unsent: Bytes::new(),
        });
        Self { connection, broken: CancellationToken::new(), deadlines, stalled: Timeout::default(), http1 }
    }

    /// The client of this stream.
    pub(super) fn peer(&self) -> Peer {
        Peer::new(Arc::clone(&self.connection), self.broken.clone())
    }

    /// The operating system reports a reset only once, to the first caller that reads it.
    fn note<T>(&self, result: io::Result<T>) -> Poll<io::Result<T>> {
        Poll::Ready(result.inspect_err(|_| self.broken.cancel()))
    }

    fn timed_out<T>(&self, what: &'static str) -> Poll<io::Result<T>> {
        self.note(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.connection.stream.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    ready!(self.stalled.poll(cx, self.deadlines.stall));
                    return self.timed_out("the client takes no data");
                }
            }
            match self.connection.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.stalled.stop();
                    return self.note(written);
                }
            }
        }
    }

    /// Sends a rewritten response.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent) =
            self.http1.as_ref().map(|http1| http1.unsent.clone()).filter(Buf::has_remaining)
        {
            let sent = ready!(self.poll_send(cx, &[IoSlice::new(&unsent)]))?;
            if let Some(http1) = &mut self.http1 {
                http1.unsent.advance(sent);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Http1 {
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
    fn poll_overdue(&mut self, cx: &mut Context<'_>, deadlines: Deadlines) -> Poll<()> {
        self.forget_served();
        if !self.exchanges.is_reading() {
            self.reading.stop();
            self.head.clear();
            return Poll::Pending;
        }
        let deadline = if self.head.is_empty() { deadlines.idle } else { deadlines.head };
        self.reading.poll(cx, deadline)
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            match this.connection.stream.poll_read_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    let Some(http1) = &mut this.http1 else { return Poll::Pending };
                    ready!(http1.poll_overdue(cx, this.deadlines));
                    return this.timed_out("the client sends no request");
                }
            }
            match this.connection.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    if let Some(http1) = &mut this.http1 {
                        http1.received(&buffer.filled()[before..]);
                    }
                    return this.note(read.map(drop));
                }
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
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        if let Some(http1) = &mut this.http1
            && http1.exchanges.is_reading()
            && let [response] = slices
            && let Some(problem) = refusal::as_problem(response, &http1.head)
        {
            http1.unsent = problem;
            return Poll::Ready(Ok(response.len()));
        }
        this.poll_send(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Poll::Ready(rustix::net::shutdown(&this.connection.stream, Shutdown::Write).map_err(io::Error::from))
    }
}

/// A timeout that runs while something is awaited.
#[derive(Debug, Default)]
struct Timeout(Option<Pin<Box<Sleep>>>);

impl Timeout {
    /// Starts the timeout, unless it runs.
    fn poll(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(after))).as_mut().poll(cx)
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::places::{ConnectionLimits, Places};
    use super::*;
    use crate::metrics::Metrics;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(100);

    async fn connected(deadlines: Deadlines, exchanges: Option<Exchanges>) -> (SharedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let places = Places::new(ConnectionLimits::new(1, None, None), Metrics::new());
        let place = places.take(IpAddr::from([127, 0, 0, 1])).await.unwrap();
        (SharedStream::new(Arc::new(Connection { stream, place }), deadlines, exchanges), client)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_disconnected() {
        let deadlines = Deadlines { stall: SHORT, head: LONG, idle: LONG };
        let (mut stream, client) = connected(deadlines, None).await;
        let error = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn an_idle_connection_and_a_slow_head_have_deadlines_of_their_own() {
        let mut buffer = [0; 64];
        let exchanges = Exchanges::default();
        let deadlines = Deadlines { stall: LONG, head: LONG, idle: SHORT };
        let (mut stream, client) = connected(deadlines, Some(exchanges.clone())).await;
        assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);
        let (mut stream, mut client) = connected(deadlines, Some(exchanges.clone())).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 16);
        let read = tokio::time::timeout(3 * SHORT, stream.read(&mut buffer)).await;
        assert!(read.is_err(), "the head was not idle");

        let deadlines = Deadlines { stall: LONG, head: SHORT, idle: LONG };
        let (mut stream, mut client) = connected(deadlines, Some(exchanges.clone())).await;
        client.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let serving = exchanges.begin();
        let read = tokio::time::timeout(3 * SHORT, stream.read(&mut buffer)).await;
        assert!(read.is_err(), "a request is being served");
        drop(serving);
        assert!(exchanges.is_reading());
        // A request that was served before anything else was read.
        let (mut stream, mut client) = connected(deadlines, Some(exchanges.clone())).await;
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
