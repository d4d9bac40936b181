use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use dlm_protocol::{SessionBody, SessionMessage};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tracing::debug;

use super::link::{Outgoing, Queue};
use super::serve::News;
use crate::clock::Moment;
use crate::transport::failure::Failure;
use crate::transport::socket::Socket;

/// How often the server is asked for a sign of life.
const PING: Duration = Duration::from_secs(3);
/// A server that gave none for so long is not there any more.
const SILENCE: Duration = Duration::from_secs(10);
/// Most operations that are sent together, and answers that are read together.
const TOGETHER: usize = 512;

type Reply = oneshot::Sender<Result<SessionBody, Failure>>;

/// Why a socket is over.
#[derive(Debug)]
pub(super) enum Over {
    Broken,
    Closed(Option<u16>),
    Silent,
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
            Self::ClientGone => f.write_str("the client has ended"),
        }
    }
}

/// One socket while it lasts.
pub(super) struct Drive {
    socket: Socket,
    next_id: u64,
    pending: HashMap<u64, Reply>,
    heard_at: Moment,
}

impl Drive {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, next_id: 0, pending: HashMap::new(), heard_at: Moment::now() }
    }

    /// Carries operations and answers until the socket is over. What is
    /// unanswered then has failed.
    pub(super) async fn run(mut self, queue: &mut Queue, tell: &mut impl FnMut(News)) -> Over {
        let over = self.carry(queue, tell).await;
        for (_, reply) in self.pending.drain() {
            // Nobody reads it when the operation was given up.
            let _ = reply.send(Err(Failure::Broken("the session ended".into())));
        }
        over
    }

    async fn carry(&mut self, queue: &mut Queue, tell: &mut impl FnMut(News)) -> Over {
        let mut asked = Vec::with_capacity(TOGETHER);
        let mut tick = interval(PING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let carried = tokio::select! {
                taken = queue.recv_many(&mut asked, TOGETHER) => {
                    if taken == 0 {
                        return Over::ClientGone;
                    }
                    self.send(&mut asked).await
                }
                message = self.socket.next() => {
                    let mut next = Some(message);
                    let mut over = Ok(());
                    let mut read = 0;
                    while let Some(message) = next {
                        over = self.take(message, tell);
                        read += 1;
                        next = if over.is_ok() && read < TOGETHER { self.socket.next().now_or_never() } else { None };
                    }
                    over
                }
                _ = tick.tick() => {
                    if Moment::now().since(self.heard_at) > SILENCE {
                        return Over::Silent;
                    }
                    match self.socket.feed(Message::Ping(Bytes::new())).await {
                        Ok(()) => self.flush().await,
                        Err(_) => Err(Over::Broken),
                    }
                }
            };
            if let Err(over) = carried {
                return over;
            }
        }
    }

    /// Sends operations, together.
    async fn send(&mut self, asked: &mut Vec<Outgoing>) -> Result<(), Over> {
        for Outgoing { mut request, reply } in asked.drain(..) {
            if reply.is_closed() {
                continue;
            }
            self.next_id += 1;
            request.id = self.next_id;
            let text = match serde_json::to_string(&request) {
                Ok(text) => text,
                Err(why) => {
                    // Nobody reads it when the operation was given up.
                    let _ = reply.send(Err(Failure::unsendable(&why)));
                    continue;
                }
            };
            self.pending.insert(self.next_id, reply);
            self.socket.feed(Message::text(text)).await.map_err(|_| Over::Broken)?;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        match tokio::time::timeout(SILENCE, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Over::Broken),
            Err(_) => Err(Over::Silent),
        }
    }

    fn take(
        &mut self,
        message: Option<Result<Message, WsError>>,
        tell: &mut impl FnMut(News),
    ) -> Result<(), Over> {
        self.heard_at = Moment::now();
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
                if let Some(reply) = self.pending.remove(&id) {
                    let answer = match body {
                        SessionBody::Problem(problem) => Err(Failure::of_problem(problem)),
                        body => Ok(body),
                    };
                    // Nobody reads it when the operation was given up.
                    let _ = reply.send(answer);
                }
            }
            // A newer server may say more than this client knows.
            Ok(SessionMessage::Reply { id: None, body }) => debug!(?body, "an answer without an id"),
            Err(why) => debug!(%why, "a message of the session can't be read"),
        }
        Ok(())
    }
}
