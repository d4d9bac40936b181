//! One session socket, from its opening to its end.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{ProblemCode, SessionBody, SessionMessage, close};
use futures_util::FutureExt;
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tracing::debug;

use super::disconnect::Disconnect;
use super::event::SessionEvent;
use super::handle::{SessionHandle, SessionInbox, Signal};
use super::link::Link;
use super::liveness::Liveness;
use super::operations::InFlight;
use super::submitted::{SubmittedRequest, Unsent};
use crate::clock::{BootInstant, Clock};
use crate::request_error::RequestError;
use crate::transport::answer::Answer;
use crate::transport::servers::any_unavailable;
use crate::transport::socket::WebSocketConnection;

const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The most operations sent in one write, and replies read in one go.
const MAX_BURST: usize = 512;

/// Operations get a task if their reply takes longer than one or two of these.
const SOON: Duration = Duration::from_millis(10);

/// A message to send, with the id of its operation.
struct OutgoingMessage {
    message: Message,
    id: Option<u64>,
    _unsent: Option<Unsent>,
}

/// The state of one open socket.
pub(super) struct SessionConnection<'a> {
    session: &'a SessionHandle,
    /// The number of the socket.
    number: u64,
    link: Arc<Link>,
    outbox: VecDeque<OutgoingMessage>,
    liveness: Liveness,
    /// Whether there is another server to fail over to.
    has_other_servers: bool,
}

impl<'a> SessionConnection<'a> {
    pub(super) fn new(
        session: &'a SessionHandle,
        socket: WebSocketConnection,
        number: u64,
        has_other_servers: bool,
    ) -> Self {
        let link = Arc::new(Link::new(socket, session.clock().clone()));
        Self {
            session,
            number,
            link,
            outbox: VecDeque::new(),
            liveness: Liveness::new(session.clock().now(), session.has_http()),
            has_other_servers,
        }
    }

    /// Sends operations and receives replies until the socket ends. Operations in
    /// flight fail then. `on_silence` is called when the server falls silent.
    pub(super) async fn run(
        mut self,
        inbox: &mut SessionInbox,
        notify: &mut impl FnMut(SessionEvent),
        on_silence: impl Fn(),
    ) -> Disconnect {
        self.session.set_link(Some(Arc::clone(&self.link)));
        self.run_until_disconnect(inbox, notify, on_silence).await
    }

    async fn run_until_disconnect(
        &mut self,
        inbox: &mut SessionInbox,
        notify: &mut impl FnMut(SessionEvent),
        on_silence: impl Fn(),
    ) -> Disconnect {
        let clock = self.session.clock().clone();
        let link = Arc::clone(&self.link);
        let mut slow_timer = interval(SOON);
        slow_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut submitted = Vec::with_capacity(MAX_BURST);
        let mut writing = false;
        let mut ping_timer = interval(PING_INTERVAL);
        ping_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let have_no_task = link.operations().have_no_task();
            let step = tokio::select! {
                written = write_all(&link, &mut self.outbox, &clock), if writing => {
                    writing = false;
                    written.map_err(|_| Disconnect::Broken)
                }
                count = inbox.requests.recv_many(&mut submitted, MAX_BURST), if !writing => {
                    if count == 0 {
                        return Disconnect::ClientDropped;
                    }
                    self.enqueue(&mut submitted);
                    Ok(())
                }
                message = poll_fn(|cx| link.poll_next(cx)) => {
                    let mut next = Some(message);
                    let mut received = Ok(());
                    let mut count = 0;
                    while let Some(message) = next {
                        received = self.receive(message, notify);
                        count += 1;
                        let more = received.is_ok() && count < MAX_BURST;
                        next = if more { poll_fn(|cx| link.poll_next(cx)).now_or_never() } else { None };
                    }
                    link.replied(count);
                    received
                }
                _ = slow_timer.tick(), if have_no_task => {
                    link.operations().slow();
                    Ok(())
                }
                () = link.attention() => {
                    writing = true;
                    Ok(())
                }
                Some(signal) = inbox.signals.recv() => {
                    match signal {
                        Signal::Abandoned => link.operations().all_slow(),
                        Signal::Ping => self.ping(),
                        Signal::TimedOut { sent_at } => {
                            if self.liveness.timed_out(sent_at) {
                                self.session.set_silent(true);
                                on_silence();
                            }
                        }
                    }
                    Ok(())
                }
                () = sleep_until(&clock, self.liveness.dead_at()) => {
                    // If this process was stopped, an answer may be waiting to be read.
                    match poll_fn(|cx| link.poll_next(cx)).now_or_never() {
                        Some(message) => self.receive(message, notify),
                        None => Err(Disconnect::Unresponsive),
                    }
                }
                _ = ping_timer.tick() => {
                    self.ping();
                    if self.liveness.ping_is_due() { Err(Disconnect::Unresponsive) } else { Ok(()) }
                }
            };
            if let Err(reason) = step {
                return reason;
            }
            writing |= !self.outbox.is_empty();
        }
    }

    /// Enqueues a ping, unless a blocked write holds up the outbox anyway.
    fn ping(&mut self) {
        if self.outbox.is_empty() {
            let content = self.liveness.ping(self.session.clock().now());
            self.outbox.push_back(OutgoingMessage {
                message: Message::Ping(content),
                id: None,
                _unsent: None,
            });
        }
    }

    /// Enqueues operations for one write.
    fn enqueue(&mut self, submitted: &mut Vec<SubmittedRequest>) {
        for SubmittedRequest { mut request, recipient, places, unsent } in submitted.drain(..) {
            let Some(recipient) = recipient.unless_gone() else { continue };
            request.id = self.link.next_id();
            match serde_json::to_string(&request) {
                Ok(text) => {
                    let operation = InFlight { recipient, sent_at: self.session.clock().now(), places };
                    self.link.operations().insert(request.id, operation);
                    let (message, id) = (Message::text(text), Some(request.id));
                    self.outbox.push_back(OutgoingMessage { message, id, _unsent: unsent });
                }
                Err(why) => recipient.complete(Err(RequestError::unencodable(&why))),
            }
        }
    }

    fn receive(
        &mut self,
        message: Option<Result<Message, WsError>>,
        notify: &mut impl FnMut(SessionEvent),
    ) -> Result<(), Disconnect> {
        let now = self.session.clock().now();
        if self.liveness.received(now) {
            self.session.set_silent(false);
        }
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Pong(content))) => {
                if let Some(round_trip) = self.liveness.ponged(&content, now) {
                    self.session.set_round_trip(round_trip);
                }
                return Ok(());
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(match frame.map(|frame| u16::from(frame.code)) {
                    Some(close::UNAUTHENTICATED) => Disconnect::Unauthenticated,
                    code => Disconnect::Closed(code),
                });
            }
            Some(Ok(_)) => return Ok(()),
            Some(Err(_)) | None => return Err(Disconnect::Broken),
        };
        match serde_json::from_str(&text) {
            Ok(SessionMessage::LeaseEnded(ended)) => notify(SessionEvent::LeaseEnded(ended)),
            Ok(SessionMessage::ReleaseRequested(notice)) => notify(SessionEvent::ReleaseRequested(notice)),
            Ok(SessionMessage::Reply { id: Some(id), body: SessionBody::Queued(queued) }) => {
                debug!(position = queued.position, queue_len = queued.queue_len, "acquire queued");
                self.link.operations().queued(id, queued);
            }
            Ok(SessionMessage::Reply { id: Some(id), body }) => return self.complete(id, body),
            Ok(SessionMessage::Reply { id: None, body }) => debug!(?body, "reply without an id received"),
            Ok(SessionMessage::Unknown) => debug!("unknown session message ignored"),
            Err(why) => self.fail_undecodable(&text, &why),
        }
        Ok(())
    }

    /// Delivers the reply to an operation.
    fn complete(&mut self, id: u64, body: SessionBody) -> Result<(), Disconnect> {
        let fail_over = self.has_other_servers && is_unavailable(&body);
        // The server is about to close the socket with 4401.
        let unauthenticated = matches!(&body, SessionBody::Problem(problem) if problem.status == 401);
        let operation = self.link.operations().remove(id);
        if let Some(InFlight { recipient, sent_at, .. }) = operation {
            let result = match body {
                SessionBody::Problem(problem) => Err(RequestError::from_session_problem(problem)),
                body => Ok(Answer { body, sent_at, socket: Some(self.number) }),
            };
            recipient.complete(result);
        }
        match (unauthenticated, fail_over) {
            (true, _) => Err(Disconnect::Unauthenticated),
            (_, true) => Err(Disconnect::Unavailable),
            _ => Ok(()),
        }
    }

    /// Fails the operation whose reply could not be decoded. No other reply to it
    /// will arrive.
    fn fail_undecodable(&mut self, text: &str, why: &serde_json::Error) {
        #[derive(Deserialize)]
        struct MessageId {
            id: Option<u64>,
        }
        debug!(%why, "session message could not be decoded");
        let message = serde_json::from_str(text).ok();
        let Some(id) = message.and_then(|MessageId { id }| id) else { return };
        let operation = self.link.operations().remove(id);
        if let Some(InFlight { recipient, .. }) = operation {
            recipient.complete(Err(RequestError::unexpected_reply(format!("invalid JSON: {why}"))));
        }
    }
}

/// Also when the client thread ends by a panic: nobody would read the replies.
impl Drop for SessionConnection<'_> {
    fn drop(&mut self) {
        self.session.set_link(None);
        for operation in self.link.close() {
            operation.recipient.complete(Err(RequestError::ConnectionLost("the session ended".into())));
        }
    }
}

/// Writes the outbox and flushes. Records when each operation is handed to the
/// socket: a frame may wait for a blocked write, and its lease's term begins later.
///
/// # Cancel safety
///
/// If the future is dropped, no message is lost or written twice.
async fn write_all(
    link: &Link,
    outbox: &mut VecDeque<OutgoingMessage>,
    clock: &Clock,
) -> Result<(), WsError> {
    while !outbox.is_empty() {
        poll_fn(|cx| link.poll_ready(cx)).await?;
        if let Some(OutgoingMessage { message, id, _unsent }) = outbox.pop_front() {
            if let Some(id) = id {
                link.operations().sent(id, clock.now());
            }
            link.start_send(message)?;
        }
    }
    poll_fn(|cx| link.poll_flush(cx)).await
}

async fn sleep_until(clock: &Clock, until: Option<BootInstant>) {
    match until {
        Some(until) => clock.sleep_until(until).await,
        None => pending().await,
    }
}

/// Whether the server could not perform the operation, or part of it, for lack of
/// its database.
fn is_unavailable(body: &SessionBody) -> bool {
    match body {
        SessionBody::Problem(problem) => problem.code == ProblemCode::Unavailable,
        SessionBody::Results(results) => any_unavailable(results),
        _ => false,
    }
}
