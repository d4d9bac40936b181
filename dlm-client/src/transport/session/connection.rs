//! One session socket, from its opening to its end.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::time::Duration;

use dlm_protocol::{ProblemCode, SessionBody, SessionMessage};
use futures_util::stream::SplitSink;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tracing::debug;

use super::disconnect::Disconnect;
use super::event::SessionEvent;
use super::handle::{LivenessCheck, SessionInbox, SubmittedRequest};
use crate::clock::BootInstant;
use crate::request_error::RequestError;
use crate::transport::servers::any_unavailable;
use crate::transport::socket::WebSocketConnection;

const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The server is dead after this many consecutive pings without an answer. Pings
/// are counted rather than time: if this process was stopped, the answers are
/// waiting to be read.
const MAX_UNANSWERED_PINGS: u32 = 6;
/// The most operations sent in one write, and replies read in one go.
const MAX_BURST: usize = 512;

type ReplySender = oneshot::Sender<Result<SessionBody, RequestError>>;

/// The state of one open socket.
pub(super) struct SessionConnection {
    next_id: u64,
    /// Operations in flight, by id.
    in_flight: HashMap<u64, ReplySender>,
    outbox: VecDeque<Message>,
    last_received: BootInstant,
    unanswered_pings: u32,
    /// Whether there is another server to fail over to.
    has_other_servers: bool,
}

impl SessionConnection {
    pub(super) fn new(has_other_servers: bool) -> Self {
        Self {
            next_id: 0,
            in_flight: HashMap::new(),
            outbox: VecDeque::new(),
            last_received: BootInstant::now(),
            unanswered_pings: 0,
            has_other_servers,
        }
    }

    /// Sends operations and receives replies until the socket ends. Operations in
    /// flight fail then.
    pub(super) async fn run(
        mut self,
        socket: WebSocketConnection,
        inbox: &mut SessionInbox,
        notify: &mut impl FnMut(SessionEvent),
    ) -> Disconnect {
        let reason = self.run_until_disconnect(socket, inbox, notify).await;
        for (_, reply) in self.in_flight.drain() {
            // The receiver may have given up.
            let _ = reply.send(Err(RequestError::ConnectionLost("the session ended".into())));
        }
        reason
    }

    async fn run_until_disconnect(
        &mut self,
        socket: WebSocketConnection,
        inbox: &mut SessionInbox,
        notify: &mut impl FnMut(SessionEvent),
    ) -> Disconnect {
        // Split, so that reading continues while a write is blocked.
        let (mut sink, mut stream) = socket.split();
        let mut submitted = Vec::with_capacity(MAX_BURST);
        let mut writing = false;
        let mut ping_timer = interval(PING_INTERVAL);
        ping_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                written = write_all(&mut sink, &mut self.outbox), if writing => {
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
                message = stream.next() => {
                    let mut next = Some(message);
                    let mut received = Ok(());
                    let mut count = 0;
                    while let Some(message) = next {
                        received = self.receive(message, notify);
                        count += 1;
                        let more = received.is_ok() && count < MAX_BURST;
                        next = if more { stream.next().now_or_never() } else { None };
                    }
                    received
                }
                Some(check) = inbox.liveness_checks.recv() => match check {
                    LivenessCheck::Ping => {
                        self.ping();
                        Ok(())
                    }
                    LivenessCheck::TimedOut { sent_at } if self.last_received < sent_at => {
                        Err(Disconnect::Unresponsive)
                    }
                    LivenessCheck::TimedOut { .. } => Ok(()),
                },
                _ = ping_timer.tick() => {
                    self.unanswered_pings += 1;
                    self.ping();
                    if self.unanswered_pings > MAX_UNANSWERED_PINGS {
                        Err(Disconnect::Unresponsive)
                    } else {
                        Ok(())
                    }
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
            self.outbox.push_back(Message::Ping(Bytes::new()));
        }
    }

    /// Enqueues operations for one write.
    fn enqueue(&mut self, submitted: &mut Vec<SubmittedRequest>) {
        for SubmittedRequest { mut request, reply } in submitted.drain(..) {
            if reply.is_closed() {
                continue;
            }
            self.next_id += 1;
            request.id = self.next_id;
            match serde_json::to_string(&request) {
                Ok(text) => {
                    self.in_flight.insert(self.next_id, reply);
                    self.outbox.push_back(Message::text(text));
                }
                Err(why) => {
                    // The receiver may have given up.
                    let _ = reply.send(Err(RequestError::unencodable(&why)));
                }
            }
        }
    }

    fn receive(
        &mut self,
        message: Option<Result<Message, WsError>>,
        notify: &mut impl FnMut(SessionEvent),
    ) -> Result<(), Disconnect> {
        self.last_received = BootInstant::now();
        self.unanswered_pings = 0;
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => {
                return Err(Disconnect::Closed(frame.map(|frame| u16::from(frame.code))));
            }
            Some(Ok(_)) => return Ok(()),
            Some(Err(_)) | None => return Err(Disconnect::Broken),
        };
        match serde_json::from_str(&text) {
            Ok(SessionMessage::LeaseEnded(ended)) => notify(SessionEvent::LeaseEnded(ended)),
            Ok(SessionMessage::Reply { id: Some(_), body: SessionBody::Queued(queued) }) => {
                debug!(position = queued.position, queue_len = queued.queue_len, "acquire queued");
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
        if let Some(reply) = self.in_flight.remove(&id) {
            let result = match body {
                SessionBody::Problem(problem) => Err(RequestError::from_session_problem(problem)),
                body => Ok(body),
            };
            // The receiver may have given up.
            let _ = reply.send(result);
        }
        if fail_over { Err(Disconnect::Unavailable) } else { Ok(()) }
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
        if let Some(reply) = self.in_flight.remove(&id) {
            // The receiver may have given up.
            let _ = reply.send(Err(RequestError::unexpected_reply(format!("invalid JSON: {why}"))));
        }
    }
}

/// Writes the outbox and flushes.
///
/// # Cancel safety
///
/// If the future is dropped, no message is lost or written twice.
async fn write_all(
    sink: &mut SplitSink<WebSocketConnection, Message>,
    outbox: &mut VecDeque<Message>,
) -> Result<(), WsError> {
    while !outbox.is_empty() {
        poll_fn(|cx| sink.poll_ready_unpin(cx)).await?;
        if let Some(message) = outbox.pop_front() {
            sink.start_send_unpin(message)?;
        }
    }
    sink.flush().await
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
