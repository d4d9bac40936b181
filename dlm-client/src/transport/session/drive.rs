use std::collections::{HashMap, VecDeque};
use std::fmt;
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

use super::link::{Doubt, Outgoing, Queue};
use super::serve::News;
use crate::clock::Moment;
use crate::transport::failure::{Failure, any_unavailable};
use crate::transport::socket::Socket;

/// How often the server is asked for a sign of life.
const PING: Duration = Duration::from_secs(1);
/// A server that answered none of so many pings in turn is not there any more.
/// Pings and not time: where this process itself was stopped, the answers wait
/// to be read.
const UNANSWERED: u32 = 6;
/// Most operations that are sent together, and answers that are read together.
const TOGETHER: usize = 512;

type Reply = oneshot::Sender<Result<SessionBody, Failure>>;

/// Why a socket is over.
#[derive(Debug)]
pub(super) enum Over {
    Broken,
    Closed(Option<u16>),
    Silent,
    /// The server can't answer, and another may.
    Unavailable,
    /// Nobody asks for anything any more.
    ClientGone,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the connection broke"),
            Self::Closed(Some(code)) => write!(f, "the server closed it with {code}"),
            Self::Closed(None) => f.write_str("the server closed it"),
            Self::Silent => f.write_str("the server gave no sign of life"),
            Self::Unavailable => f.write_str("the server is not available"),
            Self::ClientGone => f.write_str("the client has ended"),
        }
    }
}

/// One socket while it lasts.
pub(super) struct Drive {
    next_id: u64,
    pending: HashMap<u64, Reply>,
    outbox: VecDeque<Message>,
    heard_at: Moment,
    pings: u32,
    /// Whether another server may do better where this one is not available.
    has_others: bool,
}

impl Drive {
    pub(super) fn new(has_others: bool) -> Self {
        Self {
            next_id: 0,
            pending: HashMap::new(),
            outbox: VecDeque::new(),
            heard_at: Moment::now(),
            pings: 0,
            has_others,
        }
    }

    /// Carries operations and answers until the socket is over. What is
    /// unanswered then has failed.
    pub(super) async fn run(
        mut self,
        socket: Socket,
        queue: &mut Queue,
        tell: &mut impl FnMut(News),
    ) -> Over {
        let over = self.carry(socket, queue, tell).await;
        for (_, reply) in self.pending.drain() {
            // Nobody reads it when the operation was given up.
            let _ = reply.send(Err(Failure::Broken("the session ended".into())));
        }
        over
    }

    async fn carry(&mut self, socket: Socket, queue: &mut Queue, tell: &mut impl FnMut(News)) -> Over {
        // Apart, so that what comes is read also while the server takes nothing.
        let (mut sink, mut stream) = socket.split();
        let mut asked = Vec::with_capacity(TOGETHER);
        let mut writing = false;
        let mut tick = interval(PING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let carried = tokio::select! {
                written = write(&mut sink, &mut self.outbox), if writing => {
                    writing = false;
                    written.map_err(|_| Over::Broken)
                }
                taken = queue.asked.recv_many(&mut asked, TOGETHER), if !writing => {
                    if taken == 0 {
                        return Over::ClientGone;
                    }
                    self.put(&mut asked);
                    Ok(())
                }
                message = stream.next() => {
                    let mut next = Some(message);
                    let mut over = Ok(());
                    let mut read = 0;
                    while let Some(message) = next {
                        over = self.take(message, tell);
                        read += 1;
                        next = if over.is_ok() && read < TOGETHER { stream.next().now_or_never() } else { None };
                    }
                    over
                }
                Some(doubt) = queue.doubts.recv() => match doubt {
                    Doubt::Late => {
                        self.ping();
                        Ok(())
                    }
                    Doubt::Since(sent) if self.heard_at < sent => Err(Over::Silent),
                    Doubt::Since(_) => Ok(()),
                },
                _ = tick.tick() => {
                    self.pings += 1;
                    self.ping();
                    if self.pings > UNANSWERED { Err(Over::Silent) } else { Ok(()) }
                }
            };
            if let Err(over) = carried {
                return over;
            }
            writing |= !self.outbox.is_empty();
        }
    }

    /// Asks for a sign of life, unless the server takes nothing anyway.
    fn ping(&mut self) {
        if self.outbox.is_empty() {
            self.outbox.push_back(Message::Ping(Bytes::new()));
        }
    }

    /// Has operations sent, together.
    fn put(&mut self, asked: &mut Vec<Outgoing>) {
        for Outgoing { mut request, reply } in asked.drain(..) {
            if reply.is_closed() {
                continue;
            }
            self.next_id += 1;
            request.id = self.next_id;
            match serde_json::to_string(&request) {
                Ok(text) => {
                    self.pending.insert(self.next_id, reply);
                    self.outbox.push_back(Message::text(text));
                }
                Err(why) => {
                    // Nobody reads it when the operation was given up.
                    let _ = reply.send(Err(Failure::unsendable(&why)));
                }
            }
        }
    }

    fn take(
        &mut self,
        message: Option<Result<Message, WsError>>,
        tell: &mut impl FnMut(News),
    ) -> Result<(), Over> {
        self.heard_at = Moment::now();
        self.pings = 0;
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => {
                return Err(Over::Closed(frame.map(|frame| u16::from(frame.code))));
            }
            Some(Ok(_)) => return Ok(()),
            Some(Err(_)) | None => return Err(Over::Broken),
        };
        match serde_json::from_str(&text) {
            Ok(SessionMessage::LeaseEnded(ended)) => tell(News::LeaseEnded(ended)),
            Ok(SessionMessage::Reply { id: Some(_), body: SessionBody::Queued(queued) }) => {
                debug!(position = queued.position, queue_len = queued.queue_len, "waiting");
            }
            Ok(SessionMessage::Reply { id: Some(id), body }) => {
                let elsewhere = self.has_others && is_unavailable(&body);
                if let Some(reply) = self.pending.remove(&id) {
                    let answer = match body {
                        SessionBody::Problem(problem) => Err(Failure::of_problem(problem)),
                        body => Ok(body),
                    };
                    // Nobody reads it when the operation was given up.
                    let _ = reply.send(answer);
                }
                if elsewhere {
                    return Err(Over::Unavailable);
                }
            }
            Ok(SessionMessage::Reply { id: None, body }) => debug!(?body, "an answer without an id"),
            Ok(SessionMessage::Unknown) => debug!("a message that only newer clients know"),
            Err(why) => self.unreadable(&text, &why),
        }
        Ok(())
    }

    /// Who asked is told: nothing else will come.
    fn unreadable(&mut self, text: &str, why: &serde_json::Error) {
        #[derive(Deserialize)]
        struct Numbered {
            id: Option<u64>,
        }
        debug!(%why, "a message of the session can't be read");
        let numbered = serde_json::from_str(text).ok();
        let Some(id) = numbered.and_then(|Numbered { id }| id) else { return };
        if let Some(reply) = self.pending.remove(&id) {
            let what = format!("and its answer can't be read: {why}");
            // Nobody reads it when the operation was given up.
            let _ = reply.send(Err(Failure::Unexpected { status: 200, what, retry_after: None }));
        }
    }
}

/// Writes what is in the outbox, together. Dropped, nothing is lost and nothing
/// written twice.
async fn write(sink: &mut SplitSink<Socket, Message>, outbox: &mut VecDeque<Message>) -> Result<(), WsError> {
    while !outbox.is_empty() {
        poll_fn(|cx| sink.poll_ready_unpin(cx)).await?;
        if let Some(message) = outbox.pop_front() {
            sink.start_send_unpin(message)?;
        }
    }
    sink.flush().await
}

/// Whether the server says that it can't answer now, at least in a part.
fn is_unavailable(body: &SessionBody) -> bool {
    match body {
        SessionBody::Problem(problem) => problem.code == ProblemCode::Unavailable,
        SessionBody::Results(results) => any_unavailable(results),
        _ => false,
    }
}
