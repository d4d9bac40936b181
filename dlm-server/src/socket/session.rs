//! The session: many operations at once over one connection.
//!
//! All frames that have come are handed in before anything is waited for, and
//! all answers that are ready are written and sent together: one busy peer pays
//! for hundreds of operations with a few system calls.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use dlm_protocol::{ProblemCode, RenewResult, SessionBody, SessionMessage, close as code};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::frame::{self, Asked};
use super::room::{Room, Share};
use super::{MAX_FRAME, PING, Peer, Socket, Unsent, close, flush, write};
use crate::lease_watchers::LeaseEndedSender;
use crate::metrics::SocketProtocol;
use crate::problem::problem;
use crate::service::{Error, Outcome, Principal, Service};

/// A peer that gave no sign of life for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Most frames that are handed in before answers are looked at, and most answers
/// that are written before they are sent.
const MOST_FRAMES: usize = 512;

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What became of an operation.
struct Answer {
    id: u64,
    share: Share,
    result: Result<SessionBody, Error>,
}

/// One session.
pub(crate) struct SessionSocket {
    pub(crate) service: Service,
    pub(crate) principal: Principal,
}

/// Why a session ends.
enum End {
    GoingAway,
    TooLarge,
    PeerLeft,
}

impl From<Unsent> for End {
    fn from(_: Unsent) -> Self {
        Self::PeerLeft
    }
}

impl Socket for SessionSocket {
    fn protocol(&self) -> SocketProtocol {
        SocketProtocol::Session
    }

    async fn run(self, mut stream: HyperWebsocketStream, stop: CancellationToken) {
        let (told, ended) = mpsc::unbounded_channel();
        let session = Session {
            service: self.service,
            principal: self.principal,
            told,
            pending: FuturesUnordered::new(),
            room: Room::default(),
            ready: VecDeque::new(),
            id: Uuid::now_v7().to_string(),
        };
        match session.serve(&mut stream, ended, &stop).await {
            End::PeerLeft => {}
            End::GoingAway => close(stream, code::GOING_AWAY, "the server goes away").await,
            End::TooLarge => close(stream, 1009, "a frame must be at most 1 MiB").await,
        }
    }
}

struct Session {
    service: Service,
    principal: Principal,
    told: LeaseEndedSender,
    pending: FuturesUnordered<Pending>,
    room: Room,
    /// Answers that are to be sent.
    ready: VecDeque<SessionMessage>,
    /// Names the session in problems.
    id: String,
}

impl Session {
    async fn serve(
        mut self,
        stream: &mut HyperWebsocketStream,
        mut ended: mpsc::UnboundedReceiver<dlm_protocol::LeaseEnded>,
        stop: &CancellationToken,
    ) -> End {
        let mut peer = Peer::new();
        let mut tick = interval(PING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Frames come before the silence: they may have waited while
                // answers were sent. Answers have their turn below.
                biased;
                () = stop.cancelled() => return End::GoingAway,
                _ = tick.tick() => {
                    if let Err(unsent) = write(stream, Message::Ping(Bytes::new())).await {
                        return unsent.into();
                    }
                    if let Err(unsent) = flush(stream).await {
                        return unsent.into();
                    }
                }
                Some(lease) = ended.recv() => self.ready.push_back(SessionMessage::LeaseEnded(lease)),
                frame = stream.next() => {
                    peer.heard();
                    let mut next = Some(frame);
                    let mut frames = 0;
                    while let Some(frame) = next {
                        if let Err(end) = self.take(frame) {
                            return end;
                        }
                        frames += 1;
                        next = if frames < MOST_FRAMES { stream.next().now_or_never() } else { None };
                    }
                }
                Some(answer) = self.pending.next() => self.answered(answer),
                () = peer.silent(SILENCE) => return End::PeerLeft,
            }
            while self.ready.len() < 2 * MOST_FRAMES
                && let Some(Some(answer)) = self.pending.next().now_or_never()
            {
                self.answered(answer);
            }
            if let Err(unsent) = self.send(stream).await {
                return unsent.into();
            }
        }
    }

    /// Sends all answers that are ready.
    async fn send(&mut self, stream: &mut HyperWebsocketStream) -> Result<(), Unsent> {
        if self.ready.is_empty() {
            return Ok(());
        }
        while let Some(message) = self.ready.pop_front() {
            match serde_json::to_string(&message) {
                Ok(text) => write(stream, Message::Text(text.into())).await?,
                Err(error) => tracing::error!(%error, "an answer can't be written"),
            }
        }
        flush(stream).await
    }

    /// Hands in what a frame asks. The operation is on its way when this
    /// returns, so that frames on one resource are done in their order.
    fn take(&mut self, frame: Option<Result<Message, WsError>>) -> Result<(), End> {
        let text = match frame {
            Some(Ok(Message::Text(text))) if text.len() > MAX_FRAME => return Err(End::TooLarge),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                let why = Error::Invalid { what: "a frame must be text".into() };
                self.refuse(None, why);
                return Ok(());
            }
            Some(Ok(Message::Close(_))) | None => return Err(End::PeerLeft),
            Some(Ok(_)) => return Ok(()),
            Some(Err(WsError::Capacity(CapacityError::MessageTooLong { .. }))) => return Err(End::TooLarge),
            Some(Err(_)) => return Err(End::PeerLeft),
        };
        match frame::read(&text) {
            Ok((id, asked)) => match self.room.take(&asked) {
                Ok(share) => {
                    let mut operation = self.operation(id, share, asked);
                    match (&mut operation).now_or_never() {
                        Some(answer) => self.answered(answer),
                        None => self.pending.push(operation),
                    }
                }
                Err(full) => self.refuse(Some(id), full),
            },
            Err(unread) => self.refuse(unread.id, unread.why),
        }
        Ok(())
    }

    fn operation(&self, id: u64, share: Share, asked: Asked) -> Pending {
        let (service, principal) = (self.service.clone(), self.principal.clone());
        let answer = move |result| Answer { id, share, result };
        match asked {
            Asked::Acquire { resource, key, request } => {
                let told = self.told.clone();
                Box::pin(async move {
                    let lease = service.acquire_throughout(&principal, resource, key, request).await;
                    let lease = lease.inspect(|lease| service.watch(lease, &told));
                    answer(lease.map(|lease| SessionBody::Lease(Box::new(lease))))
                })
            }
            Asked::Status { resource } => Box::pin(async move {
                // Everything before it on the resource shows.
                let status = async {
                    service.settled(&resource).await?;
                    service.call(&principal, crate::service::Operation::Status { resource }).await
                };
                answer(status.await.and_then(body))
            }),
            Asked::Operation(operation) => {
                let told = self.told.clone();
                Box::pin(async move {
                    let outcome = service.call(&principal, operation).await;
                    match &outcome {
                        Ok(Outcome::Lease(lease)) => service.watch(lease, &told),
                        Ok(Outcome::Renewed(results)) => {
                            results.iter().flatten().for_each(|lease| service.watch(lease, &told));
                        }
                        _ => {}
                    }
                    answer(outcome.and_then(body))
                })
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.room.give_back(answer.share);
        match answer.result {
            Ok(mut body) => {
                if let SessionBody::Results(results) = &mut body {
                    for result in results {
                        if let RenewResult::Problem(problem) = result {
                            problem.request_id = self.request_id(Some(answer.id));
                        }
                    }
                }
                self.ready.push_back(SessionMessage::Reply { id: Some(answer.id), body });
            }
            Err(why) => self.refuse(Some(answer.id), why),
        }
    }

    /// Names an operation in problems.
    fn request_id(&self, id: Option<u64>) -> String {
        match id {
            Some(id) => format!("{}/{id}", self.id),
            None => self.id.clone(),
        }
    }

    fn refuse(&mut self, id: Option<u64>, why: Error) {
        let mut problem = problem(why);
        if problem.code == ProblemCode::InternalError {
            tracing::warn!(session = self.id, id, "an operation of a session failed");
        }
        problem.request_id = self.request_id(id);
        self.ready.push_back(SessionMessage::Reply { id, body: SessionBody::Problem(Box::new(problem)) });
    }
}

/// An outcome as the member of its reply.
fn body(outcome: Outcome) -> Result<SessionBody, Error> {
    Ok(match outcome {
        Outcome::Lease(lease) => SessionBody::Lease(lease),
        Outcome::Cancelled(cancelled) => SessionBody::Cancel(cancelled),
        Outcome::Renewed(results) => {
            SessionBody::Results(results.into_iter().map(crate::problem::renew_result).collect())
        }
        Outcome::Released(released) => SessionBody::Released(released),
        Outcome::Checked(checked) => SessionBody::Check(checked),
        Outcome::Status(status) => SessionBody::Status(status),
        Outcome::Queued(_)
        | Outcome::ForceReleased(_)
        | Outcome::Locks(_)
        | Outcome::Events(_)
        | Outcome::Overview(_) => {
            return Err(Error::Internal);
        }
    })
}
