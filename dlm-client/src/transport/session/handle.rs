//! The handle through which the client submits operations to the session.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::{Problem, SessionRequest};
use tokio::sync::{mpsc, oneshot, watch};

use super::link::Link;
use super::recipient::{Continuation, PendingReply, Recipient, SessionResult};
use super::submitted::{SubmittedRequest, Unsent};
use crate::clock::{BootInstant, Clock};
use crate::place::PlaceSender;
use crate::request_error::RequestError;

/// What a caller tells the session.
#[derive(Debug)]
pub(super) enum Signal {
    /// A caller does not wait any more for an operation that has no task yet.
    Abandoned,
    /// A reply is late: ping the server now.
    Ping,
    /// An operation sent at this instant timed out. The server is dead unless
    /// something was received since.
    TimedOut { sent_at: BootInstant },
}

/// The receiving ends of a [`SessionHandle`].
#[derive(Debug)]
pub(super) struct SessionInbox {
    pub(super) requests: mpsc::UnboundedReceiver<SubmittedRequest>,
    pub(super) signals: mpsc::UnboundedReceiver<Signal>,
}

/// Submits operations to the session.
#[derive(Debug)]
pub(crate) struct SessionHandle {
    clock: Clock,
    /// Whether operations may use HTTP instead.
    has_http: bool,
    requests: mpsc::UnboundedSender<SubmittedRequest>,
    signals: mpsc::UnboundedSender<Signal>,
    inbox: Mutex<Option<SessionInbox>>,
    state: watch::Sender<SessionState>,
    /// The socket that callers may write to.
    link: Mutex<Option<Arc<Link>>>,
    /// How many operations are left to the task of the socket and not written.
    unsent: Arc<AtomicUsize>,
    /// Whether a reply is overdue and nothing was received in the meantime.
    silent: AtomicBool,
    round_trip_micros: AtomicU64,
}

#[derive(Debug)]
enum SessionState {
    /// No socket was opened yet, and no attempt has failed.
    New,
    /// A socket is up. Each socket has a higher number than the one before.
    Up(u64),
    /// No socket is up, for this reason.
    Down(String),
    /// No socket is up, because the server refuses the client access.
    Denied(Box<Problem>),
}

impl SessionState {
    fn socket(&self) -> Option<u64> {
        match self {
            Self::Up(number) => Some(*number),
            Self::New | Self::Down(_) | Self::Denied(_) => None,
        }
    }
}

impl SessionHandle {
    pub(crate) fn new(clock: Clock, has_http: bool) -> Self {
        let (requests, request_inbox) = mpsc::unbounded_channel();
        let (signals, signal_inbox) = mpsc::unbounded_channel();
        let inbox = SessionInbox { requests: request_inbox, signals: signal_inbox };
        let state = watch::Sender::new(SessionState::New);
        Self {
            clock,
            has_http,
            requests,
            signals,
            inbox: Mutex::new(Some(inbox)),
            state,
            link: Mutex::default(),
            unsent: Arc::default(),
            silent: AtomicBool::new(false),
            round_trip_micros: AtomicU64::new(0),
        }
    }

    /// The number of the socket that is up, unless its server is silent and HTTP can
    /// be used instead.
    pub(crate) fn socket(&self) -> Option<u64> {
        let socket = self.state.borrow().socket();
        socket.filter(|_| !(self.has_http && self.silent.load(Ordering::Relaxed)))
    }

    /// How long a round trip took lately; zero if none was measured.
    pub(crate) fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_micros.load(Ordering::Relaxed))
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn has_http(&self) -> bool {
        self.has_http
    }

    /// Waits until a socket is up, for at most `timeout`. Fails at once if the client is
    /// denied access.
    pub(crate) async fn wait_until_up(&self, timeout: Duration) -> Result<(), RequestError> {
        let mut states = self.state.subscribe();
        let decided = states.wait_for(|state| !matches!(state, SessionState::New | SessionState::Down(_)));
        let in_time = tokio::time::timeout(timeout, decided).await.is_ok();
        let why = match &*self.state.borrow() {
            SessionState::Up(_) if in_time => return Ok(()),
            SessionState::Up(_) => "it came up too late".to_owned(),
            SessionState::New => "not connected yet".to_owned(),
            SessionState::Down(why) => why.clone(),
            SessionState::Denied(problem) => {
                return Err(RequestError::from_session_problem(problem.clone()));
            }
        };
        Err(RequestError::Connect(format!("no session with any server: {why}").into()))
    }

    /// Waits until the first attempt to open a socket has succeeded or failed, for at most
    /// `timeout`.
    pub(crate) async fn wait_until_tried(&self, timeout: Duration) {
        let mut states = self.state.subscribe();
        let tried = states.wait_for(|state| !matches!(state, SessionState::New));
        // What follows finds out whether a socket is up.
        drop(tokio::time::timeout(timeout, tried).await);
    }

    /// Performs one operation.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation may still be performed. Its reply
    /// is discarded.
    pub(crate) async fn request(
        &self,
        request: SessionRequest,
        places: Option<PlaceSender>,
        timeout: Duration,
    ) -> SessionResult {
        let (reply, receiver) = oneshot::channel();
        let submitted_at = self.clock.now();
        self.send(SubmittedRequest { request, recipient: Recipient::Task(reply), places, unsent: None });
        self.wait_for(PendingReply { receiver, submitted_at }, timeout).await
    }

    /// Submits one operation. `continuation` gets its result on the client thread.
    pub(crate) fn submit(
        &self,
        request: SessionRequest,
        places: Option<PlaceSender>,
        continuation: Box<dyn Continuation>,
    ) {
        let recipient = Recipient::Continuation(continuation);
        self.send(SubmittedRequest { request, recipient, places, unsent: None });
    }

    /// Makes the operations whose callers have given up go on at once.
    pub(crate) fn notice_abandoned(&self) {
        self.signal(Signal::Abandoned);
    }

    /// Waits for the reply to an operation until `timeout` after it was submitted.
    pub(crate) async fn wait_for(&self, pending: PendingReply, timeout: Duration) -> SessionResult {
        let PendingReply { mut receiver, submitted_at } = pending;
        let elapsed = self.clock.now().duration_since(submitted_at);
        let first_half = (timeout / 2).saturating_sub(elapsed);
        let mut received = tokio::time::timeout(first_half, &mut receiver).await;
        if received.is_err() {
            self.signal(Signal::Ping);
            let second_half = timeout.saturating_sub(elapsed + first_half);
            received = tokio::time::timeout(second_half, receiver).await;
        }
        match received {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(client_dropped()),
            Err(_) => {
                self.signal(Signal::TimedOut { sent_at: submitted_at });
                Err(RequestError::TimedOut(timeout))
            }
        }
    }

    fn send(&self, submitted: SubmittedRequest) {
        let mut submitted = match self.link() {
            Some(link) if self.unsent.load(Ordering::Acquire) == 0 => match link.send(submitted) {
                Some(submitted) => submitted,
                None => return,
            },
            _ => submitted,
        };
        submitted.unsent = Some(Unsent::new(&self.unsent));
        if let Err(mpsc::error::SendError(submitted)) = self.requests.send(submitted) {
            submitted.recipient.complete(Err(client_dropped()));
        }
    }

    /// Sets the socket that callers may write to.
    pub(super) fn set_link(&self, link: Option<Arc<Link>>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn take_inbox(&self) -> Option<SessionInbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set_up(&self, number: u64) {
        self.set_silent(false);
        self.set_round_trip(Duration::ZERO);
        self.state.send_replace(SessionState::Up(number));
    }

    pub(super) fn set_down(&self, why: String) {
        self.state.send_replace(SessionState::Down(why));
    }

    pub(super) fn set_denied(&self, problem: Box<Problem>) {
        self.state.send_replace(SessionState::Denied(problem));
    }

    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    pub(super) fn set_round_trip(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip_micros.store(micros, Ordering::Relaxed);
    }

    fn signal(&self, signal: Signal) {
        // A closed channel means that there is no socket.
        let _ = self.signals.send(signal);
    }
}

fn client_dropped() -> RequestError {
    RequestError::Connect("the client was dropped".into())
}
