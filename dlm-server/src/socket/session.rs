//! The session: many concurrent operations over one WebSocket.
//!
//! All frames that have arrived are enqueued before anything is awaited, and all
//! replies that are ready are sent together. So a busy peer costs few system
//! calls for hundreds of operations.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{ProblemCode, RenewResult, SessionBody, SessionMessage};
use futures_util::{FutureExt, StreamExt};
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::frame::{self, SessionOperation};
use super::pending::PendingOperations;
use super::quota::{Permit, SessionQuota};
use super::{
    CloseReason, MAX_FRAME, PING_INTERVAL, PeerLiveness, Revocation, SendError, Socket, close, flush, write,
};
use crate::audit::{Origin, RequestRef};
use crate::auth::Principal;
use crate::lease_watchers::LeaseEndedSender;
use crate::metrics::SocketProtocol;
use crate::problem::{problem, renew_result};
use crate::service::{Error, Outcome, Service, SocketPlace};

/// A peer that has been silent for this long is dead.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum frames enqueued before replies are handled. Replies are sent at the
/// latest when twice as many are ready.
const MAX_FRAMES: usize = 512;
/// How many statuses of a session are read at a time.
const MAX_STATUSES: usize = 16;
/// Size of the replies that are serialized before they are sent. No frame is read
/// and no further reply taken until then.
const MAX_READY_BYTES: usize = 1024 * 1024;

type Pending = Pin<Box<dyn Future<Output = SessionReply> + Send>>;

/// The result of an operation.
struct SessionReply {
    id: u64,
    permit: Permit,
    result: Result<SessionBody, Error>,
}

/// The socket of one session.
pub(crate) struct SessionSocket {
    pub(crate) service: Service,
    pub(crate) principal: Principal,
    /// The address of the client.
    pub(crate) address: IpAddr,
    /// Free again when the socket is closed.
    pub(crate) place: SocketPlace,
    pub(crate) revoked: Revocation,
}

impl Socket for SessionSocket {
    fn protocol(&self) -> SocketProtocol {
        SocketProtocol::Session
    }

    async fn run(self, mut stream: HyperWebsocketStream, stop: CancellationToken) {
        let (lease_ended, ended) = mpsc::unbounded_channel();
        let session = Session {
            service: self.service.for_session(),
            principal: self.principal,
            address: self.address,
            lease_ended,
            pending: PendingOperations::new(),
            quota: SessionQuota::default(),
            statuses: Arc::new(Semaphore::new(MAX_STATUSES)),
            ready: VecDeque::new(),
            ready_bytes: 0,
            id: Uuid::now_v7().to_string().into(),
        };
        let reason = session.serve(&mut stream, ended, self.revoked, &stop).await;
        Box::pin(close(&mut stream, reason)).await;
        drop(stream);
        drop(self.place);
    }
}

struct Session {
    service: Service,
    principal: Principal,
    address: IpAddr,
    lease_ended: LeaseEndedSender,
    pending: PendingOperations<Pending>,
    quota: SessionQuota,
    /// Permits to read a status, and to keep it until it is serialized.
    statuses: Arc<Semaphore>,
    /// Serialized messages to send, and their size.
    ready: VecDeque<String>,
    ready_bytes: usize,
    /// Identifies the session in request ids.
    id: Arc<str>,
}

impl Session {
    /// Serves the session until its socket has to be closed.
    async fn serve(
        mut self,
        stream: &mut HyperWebsocketStream,
        mut ended: mpsc::UnboundedReceiver<dlm_protocol::LeaseEnded>,
        mut revoked: Revocation,
        stop: &CancellationToken,
    ) -> CloseReason {
        let mut peer = PeerLiveness::new(LIVENESS_TIMEOUT);
        let mut tick = interval(PING_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Frames before the timeout: they may have arrived while replies
                // were sent. Replies are handled below in any case.
                biased;
                () = stop.cancelled() => return CloseReason::GoingAway,
                reason = &mut revoked => return reason,
                _ = tick.tick() => {
                    if ping(stream).await.is_err() {
                        return CloseReason::PeerLeft;
                    }
                }
                Some(lease) = ended.recv() => self.push(&SessionMessage::LeaseEnded(lease)),
                frame = stream.next(), if !self.quota.is_full() => {
                    peer.active();
                    let mut next = Some(frame);
                    let mut frames = 0;
                    while let Some(frame) = next {
                        if let Err(reason) = self.handle(frame) {
                            return reason;
                        }
                        frames += 1;
                        let go_on = frames < MAX_FRAMES && self.has_room() && !self.quota.is_full();
                        next = if go_on { stream.next().now_or_never() } else { None };
                    }
                }
                Some(reply) = self.pending.next() => {
                    if self.quota.is_full() {
                        // Nothing was read from the peer meanwhile.
                        peer.active();
                    }
                    self.complete(reply);
                }
                () = peer.timed_out() => return CloseReason::PeerLeft,
            }
            while self.has_room()
                && let Some(Some(reply)) = self.pending.next().now_or_never()
            {
                self.complete(reply);
            }
            if self.send_ready(stream).await.is_err() {
                return CloseReason::PeerLeft;
            }
        }
    }

    /// Sends all messages that are ready.
    async fn send_ready(&mut self, stream: &mut HyperWebsocketStream) -> Result<(), SendError> {
        if self.ready.is_empty() {
            return Ok(());
        }
        while let Some(text) = self.ready.pop_front() {
            self.ready_bytes -= text.len();
            write(stream, Message::Text(text.into())).await?;
        }
        flush(stream).await
    }

    /// Whether more replies may be taken before those that are ready are sent.
    fn has_room(&self) -> bool {
        self.ready.len() < 2 * MAX_FRAMES && self.ready_bytes < MAX_READY_BYTES
    }

    /// Queues a message. Only its text is kept, which is smaller.
    fn push(&mut self, message: &SessionMessage) {
        match serde_json::to_string(message) {
            Ok(text) => {
                self.ready_bytes += text.len();
                self.ready.push_back(text);
            }
            Err(error) => tracing::error!(%error, "reply could not be serialized"),
        }
    }

    /// Handles a frame. The operation is enqueued when this returns, so frames on
    /// one resource are executed in the order received.
    fn handle(&mut self, frame: Option<Result<Message, WsError>>) -> Result<(), CloseReason> {
        let text = match frame {
            Some(Ok(Message::Text(text))) if text.len() > MAX_FRAME => {
                return Err(CloseReason::MessageTooBig);
            }
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                let why = Error::Invalid { what: "a frame must be text".into() };
                self.reject(None, why);
                return Ok(());
            }
            Some(Ok(Message::Close(_))) => return Err(CloseReason::PeerClosed),
            None => return Err(CloseReason::PeerLeft),
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => return Err(error.into()),
        };
        match frame::decode(&text) {
            Ok((id, operation)) => match self.quota.acquire(&operation, text.len()) {
                Ok(permit) => {
                    let executing = self.execute(id, permit, operation);
                    // It is enqueued by beginning it.
                    if let Some(reply) = self.pending.begin(executing) {
                        self.complete(reply);
                    }
                }
                Err(exceeded) => {
                    let exceeded = self.service.quota_refused(&self.principal, exceeded);
                    let (verb, resource) = operation.subject();
                    self.service_for(id).record_denied(&self.principal, verb, resource, &exceeded);
                    self.reject(Some(id), exceeded);
                }
            },
            Err(error) => self.reject(error.id, error.why),
        }
        Ok(())
    }

    fn execute(&self, id: u64, permit: Permit, operation: SessionOperation) -> Pending {
        let (service, principal) = (self.service_for(id), self.principal.clone());
        let lease_ended = self.lease_ended.clone();
        let recorded = service.audit().is_on().then(|| {
            let (verb, resource) = operation.subject();
            (service.clone(), principal.clone(), verb, resource.cloned())
        });
        let reply = move |result: Result<SessionBody, Error>| {
            if let (Err(error), Some((service, principal, verb, resource))) = (&result, &recorded) {
                service.record_denied(principal, verb, resource.as_ref(), error);
            }
            SessionReply { id, permit, result }
        };
        match operation {
            SessionOperation::Acquire { resource, key, request } => Box::pin(async move {
                let lease = service.acquire_throughout(&principal, resource, key, request).await;
                let lease = lease.inspect(|lease| service.watch(lease, &lease_ended));
                reply(lease.map(|lease| SessionBody::Lease(Box::new(lease))))
            }),
            SessionOperation::Status { resource } => {
                let turn = Arc::clone(&self.statuses).acquire_owned();
                Box::pin(async move {
                    let status = async {
                        let settled = service.settled(&principal, resource.clone());
                        settled.await?;
                        let _turn = turn.await.map_err(|_| Error::Internal)?;
                        let call = {
                            let service = service.clone();
                            async move { service.settled_status(&principal, resource).await }
                        };
                        service.in_task(call).await
                    };
                    reply(status.await.and_then(body))
                })
            }
            SessionOperation::Plain(operation) => Box::pin(async move {
                let outcome = service.call(&principal, operation).await;
                match &outcome {
                    Ok(Outcome::Lease(lease)) => service.watch(lease, &lease_ended),
                    Ok(Outcome::Renewed(results)) => {
                        results.iter().flatten().for_each(|lease| service.watch(lease, &lease_ended));
                    }
                    _ => {}
                }
                reply(outcome.and_then(body))
            }),
        }
    }

    /// Queues the reply of an operation.
    fn complete(&mut self, reply: SessionReply) {
        self.quota.release(reply.permit);
        match reply.result {
            Ok(mut body) => {
                if let SessionBody::Results(results) = &mut body {
                    for result in results {
                        if let RenewResult::Problem(problem) = result {
                            problem.request_id = self.request_id(Some(reply.id)).to_string();
                        }
                    }
                }
                self.push(&SessionMessage::Reply { id: Some(reply.id), body });
            }
            Err(why) => self.reject(Some(reply.id), why),
        }
    }

    /// The request id of an operation.
    fn request_id(&self, id: Option<u64>) -> RequestRef {
        RequestRef::Frame { session: Arc::clone(&self.id), id }
    }

    /// The service for the operation of a frame.
    fn service_for(&self, id: u64) -> Service {
        self.service.for_request(Origin { address: self.address, request: self.request_id(Some(id)) })
    }

    fn reject(&mut self, id: Option<u64>, why: Error) {
        let mut problem = problem(why);
        if problem.code == ProblemCode::InternalError {
            tracing::warn!(session = &*self.id, id, "session operation failed");
        }
        problem.request_id = self.request_id(id).to_string();
        self.push(&SessionMessage::Reply { id, body: SessionBody::Problem(Box::new(problem)) });
    }
}

async fn ping(stream: &mut HyperWebsocketStream) -> Result<(), SendError> {
    write(stream, Message::Ping(Bytes::new())).await?;
    flush(stream).await
}

/// The member of a reply that holds an outcome.
fn body(outcome: Outcome) -> Result<SessionBody, Error> {
    Ok(match outcome {
        Outcome::Lease(lease) => SessionBody::Lease(lease),
        Outcome::Cancelled(cancelled) => SessionBody::Cancel(cancelled),
        Outcome::Renewed(results) => SessionBody::Results(results.into_iter().map(renew_result).collect()),
        Outcome::Released(released) => SessionBody::Released(released),
        Outcome::Checked(checked) => SessionBody::Check(checked),
        Outcome::Status(status) => SessionBody::Status(status),
        Outcome::Queued(_)
        | Outcome::ForceReleased(_)
        | Outcome::Locks(_)
        | Outcome::Events(_)
        | Outcome::WaitGraph(_)
        | Outcome::Overview(_) => {
            return Err(Error::Internal);
        }
    })
}
