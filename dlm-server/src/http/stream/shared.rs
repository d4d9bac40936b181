//! The stream of a connection, without TLS.
//!
//! hyper, or TLS below it, owns the stream, and [`Peer`] watches it meanwhile. A
//! client that takes no bytes is disconnected.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::super::peer::Peer;
use super::super::places::Place;
use super::socket::SocketStream;
use super::timeout::Timeout;

/// An open connection. The place is free again once the stream is closed.
#[derive(Debug)]
pub(in crate::http) struct Connection {
    pub(in crate::http) stream: SocketStream,
    _place: Place,
}

impl Connection {
    pub(in crate::http) fn new(stream: SocketStream, place: Place) -> Self {
        Self { stream, _place: place }
    }
}

/// A stream that can be watched while it is used.
#[derive(Debug)]
pub(in crate::http) struct SharedStream {
    connection: Arc<Connection>,
    broken: CancellationToken,
    stall: Duration,
    stalled: Timeout,
}

impl SharedStream {
    /// `stall` is how long the client may take no bytes that are sent to it.
    pub(in crate::http) fn new(connection: Arc<Connection>, stall: Duration) -> Self {
        Self { connection, broken: CancellationToken::new(), stall, stalled: Timeout::default() }
    }

    /// The client of this stream.
    pub(in crate::http) fn peer(&self) -> Peer {
        Peer::new(Arc::clone(&self.connection), self.broken.clone())
    }

    /// The stream itself.
    pub(in crate::http) fn as_stream(&self) -> &SocketStream {
        &self.connection.stream
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
            ready!(self.connection.stream.poll_read_ready(cx))?;
            match self.connection.stream.try_read_buf(buffer) {
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
        let this = self.get_mut();
        loop {
            match this.connection.stream.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    ready!(this.stalled.poll(cx, this.stall));
                    let error = io::Error::new(io::ErrorKind::TimedOut, "the client takes no data");
                    return this.note(Err(error));
                }
            }
            match this.connection.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    this.stalled.stop();
                    return this.note(written);
                }
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
        Poll::Ready(rustix::net::shutdown(&self.connection.stream, Shutdown::Write).map_err(io::Error::from))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::IpAddr;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http::places::{ConnectionLimits, Places};
    use crate::metrics::Metrics;

    pub(in crate::http::stream) const LONG: Duration = Duration::from_secs(60);
    pub(in crate::http::stream) const SHORT: Duration = Duration::from_millis(100);

    /// A stream with this limit of stalls, and its client.
    pub(in crate::http::stream) async fn connected(stall: Duration) -> (SharedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let places = Places::new(ConnectionLimits::new(1, None, None), Metrics::new());
        let place = places.take(IpAddr::from([127, 0, 0, 1]), false).await.unwrap();
        (SharedStream::new(Arc::new(Connection::new(SocketStream::Tcp(stream), place)), stall), client)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_disconnected() {
        let (mut stream, client) = connected(SHORT).await;
        let error = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
