//! What the callers of a session share with the task of its socket.
//!
//! A caller that is alone writes its frame itself, which saves a wake-up of the client
//! thread. Callers that come in a crowd leave theirs to the task, which sends them in one
//! write.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::operations::{InFlight, Operations};
use super::submitted::SubmittedRequest;
use crate::clock::Clock;
use crate::request_error::RequestError;
use crate::transport::socket::WebSocketConnection;

/// Callers that get their replies together, and are more than this, are a crowd.
const CROWD: usize = 2;

/// An open socket and its operations.
pub(super) struct Link {
    clock: Clock,
    next_id: AtomicU64,
    /// `None` once the socket has ended. Locked for one poll at a time, and before
    /// `operations`.
    socket: Mutex<Option<WebSocketConnection>>,
    operations: Mutex<Operations>,
    crowded: AtomicBool,
    /// Something is left to the task: to write, or to look after a new operation.
    attention: Notify,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(socket: WebSocketConnection, clock: Clock) -> Self {
        Self {
            clock,
            next_id: AtomicU64::new(1),
            socket: Mutex::new(Some(socket)),
            operations: Mutex::default(),
            crowded: AtomicBool::new(false),
            attention: Notify::new(),
        }
    }

    /// The id of a new operation.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn operations(&self) -> MutexGuard<'_, Operations> {
        lock(&self.operations)
    }

    /// Records how many callers got their replies together.
    pub(super) fn replied(&self, callers: usize) {
        self.crowded.store(callers > CROWD, Ordering::Relaxed);
    }

    /// Waits until a caller has left something to the task.
    pub(super) async fn attention(&self) {
        self.attention.notified().await;
    }

    /// Writes an operation at once. Gives it back if the socket is in use or blocked, and in
    /// a crowd.
    pub(super) fn send(&self, mut submitted: SubmittedRequest) -> Option<SubmittedRequest> {
        if self.crowded.load(Ordering::Relaxed) {
            return Some(submitted);
        }
        let Ok(mut socket) = self.socket.try_lock() else { return Some(submitted) };
        let Some(connection) = socket.as_mut() else { return Some(submitted) };
        let mut context = Context::from_waker(Waker::noop());
        if !matches!(connection.poll_ready_unpin(&mut context), Poll::Ready(Ok(()))) {
            // The waker of the task may be replaced.
            self.attention.notify_one();
            return Some(submitted);
        }
        submitted.request.id = self.next_id();
        let text = match serde_json::to_string(&submitted.request) {
            Ok(text) => text,
            Err(why) => {
                drop(socket);
                submitted.recipient.complete(Err(RequestError::unencodable(&why)));
                return None;
            }
        };
        let SubmittedRequest { request, recipient, places, .. } = submitted;
        let operation = InFlight { recipient, sent_at: self.clock.now(), places };
        let is_first = self.operations().insert(request.id, operation);
        let written = connection.start_send_unpin(Message::text(text)).is_ok()
            && matches!(connection.poll_flush_unpin(&mut context), Poll::Ready(Ok(())));
        if is_first || !written {
            // The task has the timer, and writes what is left. It ends a broken socket.
            self.attention.notify_one();
        }
        None
    }

    /// Polls for a message.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Result<Message, WsError>>> {
        match lock(&self.socket).as_mut() {
            Some(socket) => socket.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }

    /// Polls until a message can be handed to the socket.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        match lock(&self.socket).as_mut() {
            Some(socket) => socket.poll_ready_unpin(context),
            None => Poll::Ready(Err(WsError::AlreadyClosed)),
        }
    }

    /// Hands a message to the socket, which is ready.
    pub(super) fn start_send(&self, message: Message) -> Result<(), WsError> {
        match lock(&self.socket).as_mut() {
            Some(socket) => socket.start_send_unpin(message),
            None => Err(WsError::AlreadyClosed),
        }
    }

    /// Polls until everything is written.
    pub(super) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        match lock(&self.socket).as_mut() {
            Some(socket) => socket.poll_flush_unpin(context),
            None => Poll::Ready(Err(WsError::AlreadyClosed)),
        }
    }

    /// Drops the socket, and returns the operations in flight. No further one is written.
    pub(super) fn close(&self) -> Vec<InFlight> {
        drop(lock(&self.socket).take());
        self.operations().take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
