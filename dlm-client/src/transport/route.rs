//! The choice of server and transport for each operation.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventPage, ForceReleaseRequest, ForceReleased,
    IdempotencyKey, Lease, LeaseId, LockPage, LockStatus, Released, RenewManyRequest, RenewRequest, Renewed,
    ResourceName,
};

use super::address::ServerAddress;
use super::call::{Acquired, Call, CallReply};
use super::kind::TransportKind;
use super::servers::ServerList;
use super::session::{self, SessionEvent, SessionHandle};
use crate::error::Error;
use crate::request_error::RequestError;

/// The client's connections to its servers.
#[derive(Debug)]
pub(crate) struct Transport {
    servers: ServerList,
    kind: TransportKind,
    session: Option<SessionHandle>,
}

impl Transport {
    /// Prepares to connect to any of the servers.
    pub(crate) fn new(addresses: Vec<ServerAddress>, kind: TransportKind) -> Result<Self, Error> {
        let session = (kind != TransportKind::Http).then(SessionHandle::new);
        Ok(Self { servers: ServerList::new(addresses)?, kind, session })
    }

    pub(crate) fn servers(&self) -> &ServerList {
        &self.servers
    }

    /// Identifies the service within this process.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.servers.name()
    }

    /// The number of the session's current socket, if one is up.
    pub(crate) fn socket(&self) -> Option<u64> {
        self.session.as_ref().and_then(SessionHandle::socket)
    }

    /// Keeps the session connected until the client is dropped. Returns at once
    /// if the client uses HTTP only.
    pub(crate) async fn run_session(&self, notify: impl FnMut(SessionEvent)) {
        if let Some(session) = &self.session {
            session::run(&self.servers, session, notify).await;
        }
    }

    /// Waits for the session if the client may not fall back to HTTP.
    pub(crate) async fn wait_until_usable(&self, timeout: Duration) -> Result<(), RequestError> {
        match (&self.session, self.kind) {
            (Some(session), TransportKind::Session) => session.wait_until_up(timeout).await,
            _ => Ok(()),
        }
    }

    /// Waits until one of the servers reports that it is ready, trying each once.
    pub(crate) async fn ready(&self, timeout: Duration) -> Result<(), RequestError> {
        let mut ready = self.call(Call::Ready, timeout).await;
        for _ in 1..self.servers.count() {
            if ready.is_ok() {
                break;
            }
            ready = self.call(Call::Ready, timeout).await;
        }
        ready
    }

    /// Sends an acquire. `timeout` is the time it may take beyond its wait.
    pub(crate) async fn acquire(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        request: &AcquireRequest,
        timeout: Duration,
    ) -> Result<Acquired, RequestError> {
        self.call(Call::Acquire { resource, key, request }, timeout).await
    }

    pub(crate) async fn cancel(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        timeout: Duration,
    ) -> Result<Cancelled, RequestError> {
        self.call(Call::Cancel { resource, key }, timeout).await
    }

    pub(crate) async fn renew(
        &self,
        resource: &ResourceName,
        request: &RenewRequest,
        timeout: Duration,
    ) -> Result<Lease, RequestError> {
        self.call(Call::Renew { resource, request }, timeout).await
    }

    pub(crate) async fn renew_many(
        &self,
        request: &RenewManyRequest,
        timeout: Duration,
    ) -> Result<Renewed, RequestError> {
        self.call(Call::RenewMany { request }, timeout).await
    }

    pub(crate) async fn release(
        &self,
        resource: &ResourceName,
        lease_id: &LeaseId,
        timeout: Duration,
    ) -> Result<Released, RequestError> {
        self.call(Call::Release { resource, lease_id }, timeout).await
    }

    pub(crate) async fn check(
        &self,
        resource: &ResourceName,
        request: &CheckRequest,
        timeout: Duration,
    ) -> Result<Checked, RequestError> {
        self.call(Call::Check { resource, request }, timeout).await
    }

    pub(crate) async fn status(
        &self,
        resource: &ResourceName,
        timeout: Duration,
    ) -> Result<LockStatus, RequestError> {
        self.call(Call::Status { resource }, timeout).await
    }

    pub(crate) async fn force_release(
        &self,
        resource: &ResourceName,
        request: &ForceReleaseRequest,
        timeout: Duration,
    ) -> Result<ForceReleased, RequestError> {
        self.call(Call::ForceRelease { resource, request }, timeout).await
    }

    /// Fetches a page of the list of locks.
    pub(crate) async fn locks(&self, query: &str, timeout: Duration) -> Result<LockPage, RequestError> {
        self.call(Call::ListLocks { query }, timeout).await
    }

    /// Fetches a page of the event log.
    pub(crate) async fn events(&self, query: &str, timeout: Duration) -> Result<EventPage, RequestError> {
        self.call(Call::ListEvents { query }, timeout).await
    }

    /// Sends one attempt of a call: over the session if the call has a session
    /// form and the session is usable, otherwise over HTTP to the current server.
    async fn call<R: CallReply>(&self, call: Call<'_>, timeout: Duration) -> Result<R, RequestError> {
        if call.session_op().is_some()
            && let Some(session) = self.usable_session(timeout).await?
            && let Some(request) = call.session_request()
        {
            let body = session.request(request, call.session_wait() + timeout).await?;
            return R::from_session(body).ok_or_else(|| {
                RequestError::unexpected_reply("the reply belongs to another operation".into())
            });
        }
        let (index, server) = self.servers.current();
        let request = call.http_request(server.address())?;
        let response = server.send(request, call.pool(), call.http_wait() + timeout).await;
        let reply = response.and_then(|response| R::from_http(&response));
        let warrants_failover = match &reply {
            Ok(reply) => reply.warrants_failover(),
            Err(error) => error.warrants_failover(),
        };
        if warrants_failover {
            self.servers.fail_over(index);
        }
        reply
    }

    /// The session if it is up, or once it is up if there is no fallback to HTTP.
    async fn usable_session(&self, timeout: Duration) -> Result<Option<&SessionHandle>, RequestError> {
        match (&self.session, self.kind) {
            (Some(session), _) if session.socket().is_some() => Ok(Some(session)),
            (Some(session), TransportKind::Session) => {
                session.wait_until_up(timeout).await.map(|()| Some(session))
            }
            _ => Ok(None),
        }
    }
}
