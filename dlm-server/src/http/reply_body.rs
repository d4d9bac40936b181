//! The body of a response, and whether the client takes it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::exchange::Exchange;
use crate::clock::since_boot;

/// How much of a body is handed to HTTP/2 at a time. The next part follows once
/// the client's window has taken the one before.
const PART: usize = 16 * 1024;

/// The body of a response.
#[derive(Debug, Default)]
pub(super) struct ReplyBody {
    left: Bytes,
    /// Of a connection that speaks HTTP/1.
    exchange: Option<Exchange>,
    /// Of a connection that speaks HTTP/2.
    unsent: Option<UnsentReply>,
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self { left: bytes, exchange: None, unsent: None }
    }
}

impl ReplyBody {
    pub(super) fn into_bytes(self) -> Bytes {
        self.left
    }

    /// Ends the exchange when the body has been taken or dropped.
    pub(super) fn ending(mut self, exchange: Exchange) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// Watches whether the client takes the body.
    pub(super) fn watched_by(mut self, unsent: &UnsentReplies) -> Self {
        if !self.left.is_empty() {
            self.unsent = Some(unsent.watch());
        }
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        if body.left.is_empty() {
            return Poll::Ready(None);
        }
        let part = match &body.unsent {
            // The last byte is sent apart. So the body does not end before the
            // window of the client has taken all but one byte.
            Some(unsent) => {
                unsent.progressed();
                body.left.split_to((body.left.len() - 1).clamp(1, PART))
            }
            None => std::mem::take(&mut body.left),
        };
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// The responses of one HTTP/2 connection that its client has not taken yet. A
/// client may keep its connection alive and give a response no window.
#[derive(Debug, Clone, Default)]
pub(super) struct UnsentReplies(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    replies: Mutex<Replies>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Replies {
    last_id: u64,
    /// When the client last took a part of each.
    taken_at: HashMap<u64, Duration>,
}

impl UnsentReplies {
    fn watch(&self) -> UnsentReply {
        let mut replies = self.0.replies();
        replies.last_id += 1;
        let id = replies.last_id;
        replies.taken_at.insert(id, since_boot());
        if replies.taken_at.len() == 1 {
            self.0.added.notify_one();
        }
        UnsentReply { id, of: Arc::clone(&self.0) }
    }

    /// Waits until the client has taken nothing of some response for `timeout`.
    pub(super) async fn stalled(&self, timeout: Duration) {
        loop {
            let oldest = self.0.replies().taken_at.values().min().copied();
            let Some(oldest) = oldest else {
                self.0.added.notified().await;
                continue;
            };
            let left = (oldest + timeout).saturating_sub(since_boot());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Inner {
    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response that is being sent.
#[derive(Debug)]
struct UnsentReply {
    id: u64,
    of: Arc<Inner>,
}

impl UnsentReply {
    fn progressed(&self) {
        if let Some(taken_at) = self.of.replies().taken_at.get_mut(&self.id) {
            *taken_at = since_boot();
        }
    }
}

impl Drop for UnsentReply {
    fn drop(&mut self) {
        self.of.replies().taken_at.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn parts(mut body: ReplyBody) -> Vec<usize> {
        let mut parts = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            parts.push(frame.into_data().unwrap().len());
        }
        parts
    }

    #[tokio::test]
    async fn http2_gets_a_body_in_parts_and_its_last_byte_apart() {
        let unsent = UnsentReplies::default();
        let body = |len: usize| ReplyBody::from(Bytes::from(vec![b'x'; len]));
        assert_eq!(parts(body(40_000)).await, [40_000]);
        assert_eq!(parts(body(40_000).watched_by(&unsent)).await, [PART, PART, 7_231, 1]);
        assert_eq!(parts(body(2).watched_by(&unsent)).await, [1, 1]);
        assert_eq!(parts(body(1).watched_by(&unsent)).await, [1]);
        assert!(parts(body(0).watched_by(&unsent)).await.is_empty());
    }

    #[tokio::test]
    async fn a_response_of_which_nothing_is_taken_is_noticed() {
        let unsent = UnsentReplies::default();
        let within = |ms| tokio::time::timeout(Duration::from_millis(ms), unsent.stalled(Duration::ZERO));
        assert!(within(50).await.is_err(), "there is no response");
        let body = ReplyBody::from(Bytes::from_static(b"text")).watched_by(&unsent);
        assert!(within(10_000).await.is_ok());
        drop(body);
        assert!(within(50).await.is_err());
    }
}
