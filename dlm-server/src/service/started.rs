//! Operations that were handed to a writer and whose results come later.
//!
//! A session has thousands of them in flight. A future for each would cost more than what
//! there is to do, so a session keeps a [`Started`] and finishes it once its result is there.

use std::time::Duration;

use dlm_engine::{Op, Reply};
use dlm_protocol::{AcquireRequest, FencingToken, IdempotencyKey, ReleaseRequest, Released, ResourceName};
use tokio::sync::oneshot;

use super::access::OnResource;
use super::acquire::{Acquired, StartedAcquire, reply, unexpected};
use super::mutate::by_lease;
use super::{Error, Outcome, Service};
use crate::auth::{Principal, Role};
use crate::clock::since_boot;
use crate::writer::{Admission, Caller, EnqueueError, OperationResult, ReplyTo};

/// An operation that was handed to a writer. If it is dropped before it has finished, its caller
/// has hung up.
pub(crate) enum Started {
    Acquire(Box<StartedAcquire>),
    Release(StartedRelease),
}

/// A release that was handed to a writer.
pub(crate) struct StartedRelease {
    on: OnResource,
    arrived: Duration,
}

impl Service {
    /// Enqueues an acquire for a caller that stays until the grant or the deadline. Its result
    /// goes to `reply`, and is never that it waits on.
    pub(crate) fn begin_acquire(
        &self,
        principal: &Principal,
        resource: ResourceName,
        key: Option<IdempotencyKey>,
        request: &AcquireRequest,
        reply: ReplyTo,
    ) -> Result<Started, Error> {
        let on = self.0.access.on_resource(principal, Role::Lock, resource)?;
        self.start_acquire(on, key, request, reply).map(|started| Started::Acquire(Box::new(started)))
    }

    /// Enqueues a release. Its result goes to `reply`.
    pub(crate) fn begin_release(
        &self,
        principal: &Principal,
        resource: ResourceName,
        request: &ReleaseRequest,
        reply: ReplyTo,
    ) -> Result<Started, Error> {
        let on = self.0.access.on_resource(principal, Role::Lock, resource)?;
        self.start_release(on, request, reply).map(Started::Release)
    }

    pub(super) fn start_release(
        &self,
        on: OnResource,
        request: &ReleaseRequest,
        reply: ReplyTo,
    ) -> Result<StartedRelease, Error> {
        let arrived = since_boot();
        let lease = on.lease(&self.0.ids, &request.lease_id)?;
        let op = Op::Release { key: lease.key, token: lease.token };
        let caller = Caller { request: on.next_request(), reply };
        on.enqueue(op, self.1.session, Admission::UNLIMITED, caller)?;
        Ok(StartedRelease { on, arrived })
    }
}

impl StartedRelease {
    /// Waits for the result, as long as the writer responds.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no result is lost.
    pub(super) async fn answer(
        &self,
        result: &mut oneshot::Receiver<OperationResult>,
    ) -> Result<OperationResult, EnqueueError> {
        self.on.answer(result, self.arrived, || None).await
    }

    /// Converts the result.
    pub(super) fn finish(&self, answer: Result<OperationResult, EnqueueError>) -> Result<Outcome, Error> {
        let answer = answer?;
        match reply(answer.outcome, answer.first_now).map_err(by_lease)? {
            Reply::Released(token) => {
                Ok(Outcome::Released(Released { released: true, fencing_token: FencingToken::new(token) }))
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

impl Started {
    /// When it was enqueued, since boot.
    pub(crate) fn arrived(&self) -> Duration {
        match self {
            Self::Acquire(acquire) => acquire.arrived(),
            Self::Release(release) => release.arrived,
        }
    }

    /// Converts the result; `None` if the writer has stopped.
    pub(crate) fn finish(&mut self, result: Option<OperationResult>) -> Result<Outcome, Error> {
        self.finish_with(result.ok_or(EnqueueError::Stopped))
    }

    /// Waits for the result, as long as the writer responds.
    ///
    /// # Errors
    ///
    /// If the operation is refused, or the writer does not respond.
    pub(crate) async fn wait(
        &mut self,
        mut result: oneshot::Receiver<OperationResult>,
    ) -> Result<Outcome, Error> {
        let answer = match self {
            Self::Acquire(acquire) => acquire.answer(&mut result).await,
            Self::Release(release) => release.answer(&mut result).await,
        };
        self.finish_with(answer)
    }

    fn finish_with(&mut self, answer: Result<OperationResult, EnqueueError>) -> Result<Outcome, Error> {
        match self {
            Self::Acquire(acquire) => match acquire.finish(answer)? {
                Acquired::Lease(lease) => Ok(Outcome::Lease(lease)),
                // Nobody has asked the writer for that.
                Acquired::StillQueued(_) => Err(Error::Internal),
            },
            Self::Release(release) => release.finish(answer),
        }
    }
}
