use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::{SessionBody, SessionRequest};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Moment;
use crate::transport::failure::Failure;

/// An operation on its way to the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) request: SessionRequest,
    pub(super) reply: oneshot::Sender<Result<SessionBody, Failure>>,
}

/// A doubt that the server is still there.
#[derive(Debug)]
pub(super) enum Doubt {
    /// An answer is late: the server is to give a sign of life.
    Late,
    /// Since then an answer was waited for, and did not come in its time.
    Since(Moment),
}

/// What comes to the socket.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) asked: mpsc::UnboundedReceiver<Outgoing>,
    pub(super) doubts: mpsc::UnboundedReceiver<Doubt>,
}

/// The session, as the rest of the client has it.
#[derive(Debug)]
pub(crate) struct Link {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    doubts: mpsc::UnboundedSender<Doubt>,
    queue: Mutex<Option<Queue>>,
    state: watch::Sender<State>,
}

#[derive(Debug)]
enum State {
    /// With the number of the socket: one more for each.
    Up(u64),
    Down(String),
}

impl State {
    fn socket(&self) -> Option<u64> {
        match self {
            Self::Up(number) => Some(*number),
            Self::Down(_) => None,
        }
    }
}

impl Link {
    pub(crate) fn new() -> Self {
        let (outgoing, asked) = mpsc::unbounded_channel();
        let (doubts, doubted) = mpsc::unbounded_channel();
        let queue = Mutex::new(Some(Queue { asked, doubts: doubted }));
        Self { outgoing, doubts, queue, state: watch::Sender::new(State::Down("none was opened yet".into())) }
    }

    /// The number of the socket that is up.
    pub(crate) fn socket(&self) -> Option<u64> {
        self.state.borrow().socket()
    }

    /// Waits until a socket is up, for `timeout` at most.
    pub(crate) async fn until_up(&self, timeout: Duration) -> Result<(), Failure> {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(timeout, state.wait_for(|state| state.socket().is_some())).await;
        if let Ok(Ok(_)) = waited {
            return Ok(());
        }
        let why = match &*self.state.borrow() {
            State::Up(_) => "it came too late",
            State::Down(why) => why,
        }
        .to_owned();
        Err(Failure::Unreached(format!("there is no session with any server: {why}").into()))
    }

    /// Does one operation.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the operation is done all the same, and its answer ignored.
    pub(crate) async fn ask(
        &self,
        request: SessionRequest,
        timeout: Duration,
    ) -> Result<SessionBody, Failure> {
        let (reply, mut answer) = oneshot::channel();
        let gone = || Failure::Unreached("the client has ended".into());
        let sent = Moment::now();
        self.outgoing.send(Outgoing { request, reply }).map_err(|_| gone())?;
        let early = timeout / 2;
        let mut answered = tokio::time::timeout(early, &mut answer).await;
        if answered.is_err() {
            self.doubt(Doubt::Late);
            answered = tokio::time::timeout(timeout - early, answer).await;
        }
        match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                self.doubt(Doubt::Since(sent));
                Err(Failure::TimedOut(timeout))
            }
        }
    }

    pub(super) fn take_queue(&self) -> Option<Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set_up(&self, number: u64) {
        self.state.send_replace(State::Up(number));
    }

    pub(super) fn set_down(&self, why: String) {
        self.state.send_replace(State::Down(why));
    }

    fn doubt(&self, doubt: Doubt) {
        // Without a socket there is nothing to doubt.
        let _ = self.doubts.send(doubt);
    }
}
