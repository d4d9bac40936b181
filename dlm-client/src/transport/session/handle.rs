//! The handle through which the client submits operations to the session.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::{Problem, SessionBody, SessionRequest};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{BootInstant, Clock};
use crate::request_error::RequestError;
use crate::transport::answer::Answer;

/// An operation that was submitted and not sent yet.
#[derive(Debug)]
pub(super) struct SubmittedRequest {
    pub(super) request: SessionRequest,
    pub(super) reply: oneshot::Sender<Result<Answer<SessionBody>, RequestError>>,
}

/// A caller's request to check whether the server is alive.
#[derive(Debug)]
pub(super) enum LivenessCheck {
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
    pub(super) liveness_checks: mpsc::UnboundedReceiver<LivenessCheck>,
}

/// Submits operations to the session.
#[derive(Debug)]
pub(crate) struct SessionHandle {
    clock: Clock,
    /// Whether operations may use HTTP instead.
    has_http: bool,
    requests: mpsc::UnboundedSender<SubmittedRequest>,
    liveness_checks: mpsc::UnboundedSender<LivenessCheck>,
    inbox: Mutex<Option<SessionInbox>>,
    state: watch::Sender<SessionState>,
    /// Whether a reply is overdue and nothing was received in the meantime.
    silent: AtomicBool,
    round_trip_micros: AtomicU64,
}

#[derive(Debug)]
enum SessionState {
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
            Self::Down(_) | Self::Denied(_) => None,
        }
    }
}

impl SessionHandle {
    pub(crate) fn new(clock: Clock, has_http: bool) -> Self {
        let (requests, request_inbox) = mpsc::unbounded_channel();
        let (liveness_checks, liveness_check_inbox) = mpsc::unbounded_channel();
        let inbox = SessionInbox { requests: request_inbox, liveness_checks: liveness_check_inbox };
        let state = watch::Sender::new(SessionState::Down("not connected yet".into()));
        Self {
            clock,
            has_http,
            requests,
            liveness_checks,
            inbox: Mutex::new(Some(inbox)),
            state,
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
        let decided = states.wait_for(|state| !matches!(state, SessionState::Down(_)));
        let in_time = tokio::time::timeout(timeout, decided).await.is_ok();
        let why = match &*self.state.borrow() {
            SessionState::Up(_) if in_time => return Ok(()),
            SessionState::Up(_) => "it came up too late".to_owned(),
            SessionState::Down(why) => why.clone(),
            SessionState::Denied(problem) => {
                return Err(RequestError::from_session_problem(problem.clone()));
            }
        };
        Err(RequestError::Connect(format!("no session with any server: {why}").into()))
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
        timeout: Duration,
    ) -> Result<Answer<SessionBody>, RequestError> {
        let (reply, mut receiver) = oneshot::channel();
        let dropped = || RequestError::Connect("the client was dropped".into());
        let sent_at = self.clock.now();
        self.requests.send(SubmittedRequest { request, reply }).map_err(|_| dropped())?;
        let first_half = timeout / 2;
        let mut received = tokio::time::timeout(first_half, &mut receiver).await;
        if received.is_err() {
            self.check_liveness(LivenessCheck::Ping);
            received = tokio::time::timeout(timeout - first_half, receiver).await;
        }
        match received {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(dropped()),
            Err(_) => {
                self.check_liveness(LivenessCheck::TimedOut { sent_at });
                Err(RequestError::TimedOut(timeout))
            }
        }
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

    fn check_liveness(&self, check: LivenessCheck) {
        // A closed channel means that there is no socket to check.
        let _ = self.liveness_checks.send(check);
    }
}
