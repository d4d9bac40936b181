//! Calls whose first request is submitted without a task.

use std::time::Duration;

use dlm_protocol::{LeaseId, Released, ResourceName, SessionRequest};

use super::answer::Answer;
use super::call::{AcquireCall, Acquired, Call, CallReply, from_session};
use super::route::Transport;
use super::session::{Continuation, PendingReply, SessionHandle, SessionResult};
use crate::place::PlaceSender;
use crate::request_error::RequestError;

/// A call that the session can carry.
pub(crate) struct PreparedCall<'a> {
    session: &'a SessionHandle,
    request: SessionRequest,
    places: Option<PlaceSender>,
}

/// The reply to the first request of a call, for the task that goes on with the call.
#[derive(Debug)]
pub(crate) enum FirstReply {
    Received(SessionResult),
    Pending(PendingReply),
}

impl PreparedCall<'_> {
    /// Submits the request.
    pub(crate) fn submit(self, continuation: Box<dyn Continuation>) {
        self.session.submit(self.request, self.places, continuation);
    }
}

impl Transport {
    /// Prepares an acquire; `None` if it can not use the session now.
    pub(crate) fn prepare_acquire(&self, acquire: &AcquireCall<'_>) -> Option<PreparedCall<'_>> {
        self.prepare(&Call::Acquire(*acquire))
    }

    /// Prepares a release; `None` if it can not use the session now.
    pub(crate) fn prepare_release(
        &self,
        resource: &ResourceName,
        lease_id: &LeaseId,
    ) -> Option<PreparedCall<'_>> {
        self.prepare(&Call::Release { resource, lease_id })
    }

    /// Goes on with an acquire whose first request was submitted.
    pub(crate) async fn resume_acquire(
        &self,
        first: FirstReply,
        acquire: &AcquireCall<'_>,
        timeout: Duration,
    ) -> Result<Answer<Acquired>, RequestError> {
        self.resume(first, &Call::Acquire(*acquire), timeout).await
    }

    /// Goes on with a release whose first request was submitted.
    pub(crate) async fn resume_release(
        &self,
        first: FirstReply,
        resource: &ResourceName,
        lease_id: &LeaseId,
        timeout: Duration,
    ) -> Result<Released, RequestError> {
        Ok(self.resume(first, &Call::Release { resource, lease_id }, timeout).await?.body)
    }

    /// Makes the calls whose callers have given up go on at once.
    pub(crate) fn notice_abandoned(&self) {
        if let Some(session) = self.session() {
            session.notice_abandoned();
        }
    }

    fn prepare(&self, call: &Call<'_>) -> Option<PreparedCall<'_>> {
        let session = self.session_that_is_up()?;
        Some(PreparedCall { session, request: call.session_request()?, places: call.places().cloned() })
    }

    async fn resume<R: CallReply>(
        &self,
        first: FirstReply,
        call: &Call<'_>,
        timeout: Duration,
    ) -> Result<Answer<R>, RequestError> {
        let reply = match (first, self.session()) {
            (FirstReply::Received(reply), _) => reply,
            (FirstReply::Pending(reply), Some(session)) => {
                session.wait_for(reply, call.session_wait() + timeout).await
            }
            (FirstReply::Pending(_), None) => Err(RequestError::Connect("there is no session".into())),
        };
        self.with_valid_token(reply.and_then(from_session), call, timeout).await
    }
}
