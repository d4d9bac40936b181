//! The session: many concurrent operations over one WebSocket.
//!
//! All frames that have arrived are enqueued before anything is awaited, and all
//! replies that are ready are sent together. So a busy peer costs few system
//! calls for hundreds of operations.

mod link;
mod operations;
mod sending;
mod shared;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_protocol::SessionMessage;
use futures_util::{FutureExt, StreamExt};
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::frame::{self, SessionOperation};
use super::pending::PendingOperations;
use super::{CloseReason, MAX_FRAME, PING_INTERVAL, PeerLiveness, Revocation, Socket, close};
use crate::auth::Principal;
use crate::clock::since_boot;
use crate::lease_watchers::LeaseNotice;
use crate::metrics::SocketProtocol;
use crate::service::{Error, Operation, Outcome, Service, SocketPlace, Started};
use crate::writer::{OperationResult, ReplyTo, ResultSink, SessionReply};
use link::Link;
use operations::{Admitted, InFlight, Operations};
use shared::{Shared, text};

/// A peer that has been silent for this long is dead.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum frames enqueued before replies are handled. Replies are sent at the
/// latest when twice as many are ready.
const MAX_FRAMES: usize = 512;
/// How many statuses of a session are read at a time.
const MAX_STATUSES: usize = 16;
/// Operations whose result takes longer than this, or twice as long, get a future, which watches
/// whether the writer responds.
const SOON: Duration = Duration::from_secs(1);
/// A waiter is told its place in the queue this often at most, as the contract says.
const PLACES_INTERVAL: Duration = Duration::from_secs(1);

fn notice_message(notice: LeaseNotice) -> SessionMessage {
    match notice {
        LeaseNotice::Ended(ended) => SessionMessage::LeaseEnded(ended),
        LeaseNotice::ReleaseRequested(notice) => SessionMessage::ReleaseRequested(notice),
    }
}

type Pending = Pin<Box<dyn Future<Output = (Admitted, Result<Outcome, Error>)> + Send>>;

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

    async fn run(self, stream: HyperWebsocketStream, stop: CancellationToken) {
        let (notices, noticed) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            service: self.service.for_session(),
            principal: self.principal,
            address: self.address,
            id: Uuid::now_v7().to_string().into(),
            notices,
            link: Link::new(stream),
            operations: Mutex::new(Operations::default()),
            results: Mutex::default(),
            places: Mutex::default(),
            arrived: Notify::new(),
        });
        let session = Session {
            shared: Arc::clone(&shared),
            pending: PendingOperations::new(),
            statuses: Arc::new(Semaphore::new(MAX_STATUSES)),
            results: VecDeque::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
        };
        let reason = session.serve(noticed, self.revoked, &stop).await;
        // What is still in flight has lost its caller.
        let in_flight = shared.operations().take_all();
        drop(in_flight);
        if let Some(mut stream) = shared.link.take() {
            Box::pin(close(&mut stream, reason)).await;
        }
        drop(self.place);
    }
}

struct Session {
    shared: Arc<Shared>,
    /// The operations that are futures.
    pending: PendingOperations<Pending>,
    /// Permits to read a status, and to keep it until it is serialized.
    statuses: Arc<Semaphore>,
    /// Results that were taken and not handled, by the number of their operation.
    results: VecDeque<(u64, Option<OperationResult>)>,
    /// Serialized messages to send, and their size.
    ready: VecDeque<String>,
    ready_bytes: usize,
}

impl Session {
    /// Serves the session until its socket has to be closed.
    async fn serve(
        mut self,
        mut noticed: mpsc::UnboundedReceiver<LeaseNotice>,
        mut revoked: Revocation,
        stop: &CancellationToken,
    ) -> CloseReason {
        let shared = Arc::clone(&self.shared);
        let mut frames = &shared.link;
        let mut peer = PeerLiveness::new(LIVENESS_TIMEOUT);
        let mut tick = interval(PING_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut soon = interval(SOON);
        soon.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut places = interval(PLACES_INTERVAL);
        places.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_places = shared.has_places();
            let (quota_is_full, may_become_slow) = {
                let operations = shared.operations();
                (operations.quota.is_full(), operations.may_become_slow())
            };
            tokio::select! {
                // Frames before the timeout: they may have arrived while replies
                // were sent. Replies are handled below in any case.
                biased;
                () = stop.cancelled() => return CloseReason::GoingAway,
                reason = &mut revoked => return reason,
                _ = tick.tick() => {
                    if self.ping().await.is_err() {
                        return CloseReason::PeerLeft;
                    }
                }
                Some(notice) = noticed.recv() => self.push(text(&notice_message(notice))),
                frame = frames.next(), if !quota_is_full => {
                    peer.active();
                    let mut next = Some(frame);
                    let mut count = 0;
                    while let Some(frame) = next {
                        if let Err(reason) = self.handle(frame) {
                            return reason;
                        }
                        count += 1;
                        let go_on =
                            count < MAX_FRAMES && self.has_room() && !shared.operations().quota.is_full();
                        next = if go_on { frames.next().now_or_never() } else { None };
                    }
                }
                () = std::future::ready(()), if !self.results.is_empty() => {}
                () = shared.arrived.notified() => {
                    if quota_is_full {
                        // Nothing was read from the peer meanwhile.
                        peer.active();
                    }
                }
                Some((admitted, outcome)) = self.pending.next() => {
                    if quota_is_full {
                        peer.active();
                    }
                    self.complete(&admitted, outcome);
                }
                _ = soon.tick(), if may_become_slow => self.watch_slow(),
                _ = places.tick(), if has_places => self.push_places(),
                () = peer.timed_out() => return CloseReason::PeerLeft,
            }
            self.results.extend(shared.take_results());
            while self.has_room()
                && let Some((number, result)) = self.results.pop_front()
            {
                self.push(shared.answer(number, result));
            }
            while self.has_room()
                && let Some(Some((admitted, outcome))) = self.pending.next().now_or_never()
            {
                self.complete(&admitted, outcome);
            }
            if self.send_ready().await.is_err() {
                return CloseReason::PeerLeft;
            }
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
            Ok((id, operation)) => self.admit(id, operation, text.len()),
            Err(error) => self.reject(error.id, error.why),
        }
        Ok(())
    }

    /// Executes an operation whose frame has this size, if the quota of the session allows it.
    fn admit(&mut self, id: u64, operation: SessionOperation, size: usize) {
        let shared = Arc::clone(&self.shared);
        let (verb, resource) = operation.subject();
        let permit = shared.operations().quota.acquire(&operation, size);
        let permit = match permit {
            Ok(permit) => permit,
            Err(exceeded) => {
                let exceeded = shared.service.quota_refused(&shared.principal, exceeded);
                shared.service_for(id).record_denied(&shared.principal, verb, resource, &exceeded);
                return self.reject(Some(id), exceeded);
            }
        };
        let recorded = shared.service.audit().is_on().then(|| (verb, resource.cloned()));
        let admitted = Admitted { id, permit, recorded };
        let service = shared.service_for(id);
        match operation {
            SessionOperation::Acquire { resource, key, request } => self.begin(admitted, |reply| {
                service.begin_acquire(&shared.principal, resource, key, &request, reply)
            }),
            SessionOperation::Plain(Operation::Release { resource, request }) => {
                self.begin(admitted, |reply| {
                    service.begin_release(&shared.principal, resource, &request, reply)
                });
            }
            SessionOperation::Status { resource } => {
                let turn = Arc::clone(&self.statuses).acquire_owned();
                self.run(admitted, async move {
                    service.settled(&shared.principal, resource.clone()).await?;
                    let _turn = turn.await.map_err(|_| Error::Internal)?;
                    let reading = {
                        let service = service.clone();
                        async move { service.settled_status(&shared.principal, resource).await }
                    };
                    service.in_task(reading).await
                });
            }
            SessionOperation::Plain(operation) => {
                self.run(admitted, async move { service.call(&shared.principal, operation).await });
            }
        }
    }

    /// Enqueues an operation whose result is handled without a future.
    fn begin(&mut self, admitted: Admitted, start: impl FnOnce(ReplyTo) -> Result<Started, Error>) {
        let shared = Arc::clone(&self.shared);
        // Locked until it is inserted, so that a writer does not handle its result before.
        let mut operations = shared.operations();
        let number = operations.next_number();
        let sink: Arc<dyn ResultSink> = Arc::clone(&self.shared) as _;
        match start(ReplyTo::Session(SessionReply::new(sink, number))) {
            Ok(started) => operations.insert(number, InFlight { admitted, started }),
            Err(error) => {
                drop(operations);
                self.complete(&admitted, Err(error));
            }
        }
    }

    /// Executes an operation as a future. It is enqueued when this returns.
    fn run(
        &mut self,
        admitted: Admitted,
        operation: impl Future<Output = Result<Outcome, Error>> + Send + 'static,
    ) {
        let running: Pending = Box::pin(async move { (admitted, operation.await) });
        if let Some((admitted, outcome)) = self.pending.begin(running) {
            self.complete(&admitted, outcome);
        }
    }

    /// Gives futures to the operations that take long.
    fn watch_slow(&mut self) {
        let slow = self.shared.operations().take_slow(since_boot().saturating_sub(SOON));
        for (InFlight { admitted, mut started }, result) in slow {
            self.run(admitted, async move { started.wait(result).await });
        }
    }

    /// Queues the reply of an operation.
    fn complete(&mut self, admitted: &Admitted, outcome: Result<Outcome, Error>) {
        self.shared.operations().quota.release(admitted.permit);
        self.push(self.shared.reply(admitted, outcome));
    }

    fn reject(&mut self, id: Option<u64>, why: Error) {
        self.push(self.shared.rejection(id, why));
    }
}
