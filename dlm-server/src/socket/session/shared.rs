//! What the task of a session shares with the writers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dlm_protocol::{ProblemCode, RenewResult, SessionBody, SessionMessage, SessionQueued};
use hyper_tungstenite::HyperWebsocketStream;
use tokio::sync::Notify;

use super::link::Link;
use super::operations::{Admitted, InFlight, Operations, Recipient};
use crate::audit::{Origin, RequestRef};
use crate::auth::Principal;
use crate::lease_watchers::LeaseNoticeSender;
use crate::problem::{problem, renew_result};
use crate::service::{Error, Outcome, Service};
use crate::writer::{FEW, OperationResult, ResultSink};

/// What the task of a session shares with the writers.
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) principal: Principal,
    /// The address of the client.
    pub(super) address: IpAddr,
    /// Identifies the session in request ids.
    pub(super) id: Arc<str>,
    pub(super) notices: LeaseNoticeSender,
    pub(super) link: Link<HyperWebsocketStream>,
    /// Locked before the inbox of a writer.
    pub(super) operations: Mutex<Operations>,
    /// Results that have not been handled, by the number of their operation.
    pub(super) results: Mutex<Vec<(u64, Option<OperationResult>)>>,
    /// Places in the queue that the peer was not told, by the number of their operation.
    pub(super) places: Mutex<BTreeMap<u64, SessionQueued>>,
    /// There are results or places for the task.
    pub(super) arrived: Notify,
}

impl Shared {
    pub(super) fn operations(&self) -> MutexGuard<'_, Operations> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the results that have arrived.
    pub(super) fn take_results(&self) -> Vec<(u64, Option<OperationResult>)> {
        std::mem::take(&mut *self.results())
    }

    /// Whether the peer has to be told places.
    pub(super) fn has_places(&self) -> bool {
        !self.places().is_empty()
    }

    /// The message with one of the places that the peer has to be told; `None` if there are no
    /// more. The task must have reserved writing, so that no reply leaves before.
    pub(super) fn next_place(&self) -> Option<String> {
        loop {
            let (number, place) = self.places().pop_first()?;
            // It may have its result meanwhile.
            let waiting = self.operations().frame_id(number);
            if let Some(id) = waiting {
                return text(&SessionMessage::Reply { id: Some(id), body: SessionBody::Queued(place) });
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<u64, SessionQueued>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message that a result makes; `None` if a future gets the result.
    pub(super) fn answer(&self, number: u64, result: Option<OperationResult>) -> Option<String> {
        let recipient = self.operations().recipient(number)?;
        match recipient {
            Recipient::Operation(InFlight { admitted, mut started }) => {
                self.reply(&admitted, started.finish(result))
            }
            Recipient::Future(sender) => {
                if let Some(result) = result {
                    // The future may have given up.
                    sender.send(result).ok();
                }
                None
            }
        }
    }

    /// The message with the reply to an operation. The session watches the leases in it.
    pub(super) fn reply(&self, admitted: &Admitted, outcome: Result<Outcome, Error>) -> Option<String> {
        match &outcome {
            Ok(Outcome::Lease(lease)) => self.service.watch(lease, &self.notices),
            Ok(Outcome::Renewed(results)) => {
                results.iter().flatten().for_each(|lease| self.service.watch(lease, &self.notices));
            }
            Ok(_) => {}
            Err(error) => {
                if let Some((verb, resource)) = &admitted.recorded {
                    let service = self.service_for(admitted.id);
                    service.record_denied(&self.principal, verb, resource.as_ref(), error);
                }
            }
        }
        let id = Some(admitted.id);
        match outcome.and_then(body) {
            Ok(mut body) => {
                if let SessionBody::Results(results) = &mut body {
                    for result in results {
                        if let RenewResult::Problem(problem) = result {
                            problem.request_id = self.request_id(id).to_string();
                        }
                    }
                }
                text(&SessionMessage::Reply { id, body })
            }
            Err(why) => self.rejection(id, why),
        }
    }

    /// The message with the problem of an operation, or of a frame without an id.
    pub(super) fn rejection(&self, id: Option<u64>, why: Error) -> Option<String> {
        let mut problem = problem(why);
        if problem.code == ProblemCode::InternalError {
            tracing::warn!(session = &*self.id, id, "session operation failed");
        }
        problem.request_id = self.request_id(id).to_string();
        text(&SessionMessage::Reply { id, body: SessionBody::Problem(Box::new(problem)) })
    }

    /// The service for the operation of a frame.
    pub(super) fn service_for(&self, id: u64) -> Service {
        self.service.for_request(Origin { address: self.address, request: self.request_id(Some(id)) })
    }

    /// The request id of an operation.
    fn request_id(&self, id: Option<u64>) -> RequestRef {
        RequestRef::Frame { session: Arc::clone(&self.id), id }
    }

    /// Answers the peer in the thread that has the results. Returns whether nothing is left to
    /// the task.
    fn answer_now(&self) -> bool {
        if self.operations().quota.is_full() || self.results().len() > FEW {
            return false;
        }
        self.link.try_send(|| {
            let results = self.take_results();
            results.into_iter().filter_map(|(number, result)| self.answer(number, result)).collect::<Vec<_>>()
        })
    }

    fn results(&self) -> MutexGuard<'_, Vec<(u64, Option<OperationResult>)>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResultSink for Shared {
    fn put(&self, number: u64, result: Option<OperationResult>) -> bool {
        let mut results = self.results();
        results.push((number, result));
        results.len() == 1
    }

    fn place(&self, number: u64, place: SessionQueued) {
        let first = {
            let mut places = self.places();
            places.insert(number, place);
            places.len() == 1
        };
        if first {
            self.arrived.notify_one();
        }
    }

    fn notify(&self, few: bool) {
        if !(few && self.answer_now()) {
            self.arrived.notify_one();
        }
    }
}

/// The text of a message, which is smaller than the message.
pub(super) fn text(message: &SessionMessage) -> Option<String> {
    serde_json::to_string(message)
        .inspect_err(|error| tracing::error!(%error, "reply could not be serialized"))
        .ok()
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
        | Outcome::ReleaseRequested(_)
        | Outcome::Locks(_)
        | Outcome::Events(_)
        | Outcome::WaitGraph(_)
        | Outcome::Explanation(_)
        | Outcome::HoldStatistics(_)
        | Outcome::Owners(_)
        | Outcome::Owner(_)
        | Outcome::Principal(_)
        | Outcome::State(_)
        | Outcome::Overview(_) => {
            return Err(Error::Internal);
        }
    })
}
