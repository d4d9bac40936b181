//! The socket of a session, which its task shares with the writers.
//!
//! A writer that has just committed the operation of a lone caller is awake, and the session's
//! task is not. So the writer sends the reply, if the socket is free and not blocked.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// A socket.
pub(super) trait WebSocket:
    Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin
{
}

impl<S: Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin> WebSocket for S {}

/// A shared socket. It is locked for one poll at a time.
pub(super) struct Link<S> {
    state: Mutex<State<S>>,
    /// The socket may start a timer when it is blocked.
    runtime: Handle,
}

struct State<S> {
    /// `None` once the session has ended.
    stream: Option<S>,
    /// The task is writing. If the socket is blocked, it has to be woken, so nobody else may
    /// poll it for writing.
    writing: bool,
    /// Something was sent that the socket has not taken.
    unflushed: bool,
}

impl<S: WebSocket> Link<S> {
    /// Must be called in a runtime.
    pub(super) fn new(stream: S) -> Self {
        let state = Mutex::new(State { stream: Some(stream), writing: false, unflushed: false });
        Self { state, runtime: Handle::current() }
    }

    /// Whether the task has to flush: what was sent elsewhere, or because it has reserved writing.
    pub(super) fn has_to_flush(&self) -> bool {
        let state = self.lock();
        state.unflushed || state.writing
    }

    /// Reserves writing for the task.
    pub(super) fn begin_writing(&self) {
        self.lock().writing = true;
    }

    /// The task has written and flushed.
    pub(super) fn done_writing(&self) {
        let mut state = self.lock();
        (state.writing, state.unflushed) = (false, false);
    }

    /// Takes the socket, for its end.
    pub(super) fn take(&self) -> Option<S> {
        self.lock().stream.take()
    }

    /// Sends messages without waiting; they are only made if they can be sent. Returns
    /// whether all have left. If not, the task has to go on with what is left, or finds the
    /// socket broken.
    pub(super) fn try_send<M: IntoIterator<Item = String>>(&self, messages: impl FnOnce() -> M) -> bool {
        let Ok(mut state) = self.state.try_lock() else { return false };
        let State { stream: Some(stream), writing: false, unflushed: unflushed @ false } = &mut *state else {
            return false;
        };
        let _runtime = self.runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        if !matches!(stream.poll_ready_unpin(&mut context), Poll::Ready(Ok(()))) {
            return false;
        }
        *unflushed =
            !(messages().into_iter().all(|text| stream.start_send_unpin(Message::text(text)).is_ok())
                && matches!(stream.poll_flush_unpin(&mut context), Poll::Ready(Ok(()))));
        !*unflushed
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls the socket, if it has not been taken.
    fn on_stream<T>(&self, poll: impl FnOnce(&mut S) -> T) -> Option<T> {
        self.lock().stream.as_mut().map(poll)
    }
}

impl<S: WebSocket> Stream for &Link<S> {
    type Item = Result<Message, WsError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.on_stream(|stream| stream.poll_next_unpin(context)).unwrap_or(Poll::Ready(None))
    }
}

impl<S: WebSocket> Sink<Message> for &Link<S> {
    type Error = WsError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.on_stream(|stream| stream.poll_ready_unpin(context)).unwrap_or(Poll::Ready(closed()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), WsError> {
        self.on_stream(|stream| stream.start_send_unpin(message)).unwrap_or_else(closed)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.on_stream(|stream| stream.poll_flush_unpin(context)).unwrap_or(Poll::Ready(closed()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.on_stream(|stream| stream.poll_close_unpin(context)).unwrap_or(Poll::Ready(closed()))
    }
}

fn closed() -> Result<(), WsError> {
    Err(WsError::ConnectionClosed)
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A socket whose peer has room for so many bytes, and the peer.
    async fn connected(room: usize) -> (Link<WebSocketStream<DuplexStream>>, WebSocketStream<DuplexStream>) {
        let (server, client) = tokio::io::duplex(room);
        let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
        (Link::new(server), WebSocketStream::from_raw_socket(client, Role::Client, None).await)
    }

    async fn next_text(peer: &mut WebSocketStream<DuplexStream>) -> String {
        peer.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    #[tokio::test]
    async fn messages_are_sent_from_any_thread() {
        let (link, mut peer) = connected(1024).await;
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(link.try_send(|| ["a".to_owned(), "b".to_owned()])));
        });
        assert_eq!((next_text(&mut peer).await, next_text(&mut peer).await), ("a".into(), "b".into()));
    }

    #[tokio::test]
    async fn no_message_is_made_while_the_task_writes_or_once_the_session_has_ended() {
        let (link, _peer) = connected(1024).await;
        let unreachable = || -> [String; 1] { unreachable!() };
        link.begin_writing();
        assert!(!link.try_send(unreachable));
        link.done_writing();
        assert!(link.try_send(|| ["a".to_owned()]));
        drop(link.take());
        assert!(!link.try_send(unreachable));
        assert!((&link).next().await.is_none());
    }

    #[tokio::test]
    async fn a_message_that_a_slow_peer_does_not_take_is_left_to_the_task() {
        let (link, mut peer) = connected(8).await;
        let long = "x".repeat(100);
        assert!(!link.try_send(|| [long.clone()]));
        let unreachable = || -> [String; 1] { unreachable!() };
        assert!(!link.try_send(unreachable), "the socket is blocked");
        assert!(link.has_to_flush());
        link.begin_writing();
        let mut writer = &link;
        let (flushed, text) = tokio::join!(writer.flush(), next_text(&mut peer));
        flushed.unwrap();
        assert_eq!(text, long);
        link.done_writing();
        assert!(!link.has_to_flush());
        assert!(link.try_send(|| [String::new()]));
    }
}
