//! The connection of a subscriber, below the WebSocket library. Besides what the library
//! writes it sends frames that are complete, whose bytes are shared with other subscribers
//! and not copied.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many slices are written at a time.
const MAX_SLICES: usize = 64;

/// A connection with frames to send.
#[derive(Debug)]
pub(super) struct FrameStream<S> {
    inner: S,
    /// Whole frames, but for the first slice, of which a part may be sent.
    unsent: VecDeque<Bytes>,
}

impl<S> FrameStream<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, unsent: VecDeque::new() }
    }

    /// Sends whole frames with the next flush, before whatever is written from now on.
    ///
    /// What the library has buffered would come after them, even if a part of it is sent
    /// already: flush it first.
    pub(super) fn send(&mut self, frames: Vec<Bytes>) {
        match self.unsent.is_empty() {
            true => self.unsent = frames.into(),
            false => self.unsent.extend(frames),
        }
    }
}

impl<S: AsyncWrite + Unpin> FrameStream<S> {
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.unsent.len().min(MAX_SLICES);
            for (slice, frames) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(frames);
            }
            let sent = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut sent: usize) {
        while let Some(first) = self.unsent.front_mut() {
            if sent < first.len() {
                first.advance(sent);
                return;
            }
            sent -= first.len();
            self.unsent.pop_front();
        }
        // Its memory is not needed until there are more.
        self.unsent = VecDeque::new();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.inner).poll_write(cx, bytes)
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
    use futures_util::{FutureExt, SinkExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn frames_come_before_what_is_written_later() {
        // The peer takes a few bytes at a time.
        let (server, mut client) = duplex(3);
        let mut stream = FrameStream::new(server);
        let slices = (0..200).map(|number: u8| Bytes::from(vec![number; usize::from(number % 5) + 1]));
        let mut expected: Vec<u8> = slices.clone().flatten().collect();
        expected.extend(b"more frames, end");
        let sending = async {
            stream.send(slices.collect());
            stream.send(vec![Bytes::from_static(b"more frames")]);
            stream.write_all(b", end").await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let receiving = client.read_to_end(&mut received);
        let ((), read) = tokio::join!(sending, receiving);
        read.unwrap();
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn a_close_frame_follows_frames_that_could_not_be_sent_in_time() {
        let (server, client) = duplex(16);
        let mut server = WebSocketStream::from_raw_socket(FrameStream::new(server), Role::Server, None).await;
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let mut frames = vec![0x81, 100];
        frames.extend([b'x'; 100]);
        server.get_mut().send(vec![frames.into()]);
        assert!(server.flush().now_or_never().is_none(), "the peer does not read");
        let closing = async {
            server.close(None).await.unwrap();
        };
        let receiving = async {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Text("x".repeat(100).into()));
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(None));
        };
        tokio::join!(closing, receiving);
    }
}
