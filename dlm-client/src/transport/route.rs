//! The choice of server and transport for each operation.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{
    Cancelled, CheckRequest, Checked, ForceReleaseRequest, ForceReleased, IdempotencyKey, Lease, LeaseId,
    LockStatus, Released, RenewManyRequest, RenewRequest, Renewed, RequestReleaseRequest, RequestedRelease,
    ResourceName,
};
use reqwest::header::AUTHORIZATION;

use super::address::ServerAddress;
use super::answer::Answer;
use super::call::{AcquireCall, Acquired, Call, CallReply, from_session};
use super::http::{HttpClient, RequestTime};
use super::kind::TransportKind;
use super::options::TransportOptions;
use super::servers::ServerList;
use super::session::{self, SessionEvent, SessionHandle};
use crate::clock::Clock;
use crate::credentials::Credential;
use crate::error::Error;
use crate::request_error::RequestError;

/// How long a request that reports its place waits for the session of a new client.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// The client's connections to its servers.
#[derive(Debug)]
pub(crate) struct Transport {
    servers: ServerList,
    kind: TransportKind,
    session: Option<SessionHandle>,
    clock: Clock,
}

impl Transport {
    /// Prepares to connect to any of the servers.
    pub(crate) fn new(addresses: Vec<ServerAddress>, options: TransportOptions) -> Result<Self, Error> {
        let servers = ServerList::new(addresses, &options)?;
        let TransportOptions { kind, clock, .. } = options;
        let session = match kind {
            TransportKind::Http => None,
            TransportKind::Auto => Some(SessionHandle::new(clock.clone(), true)),
            TransportKind::Session => Some(SessionHandle::new(clock.clone(), false)),
        };
        Ok(Self { servers, kind, session, clock })
    }

    pub(crate) fn servers(&self) -> &ServerList {
        &self.servers
    }

    /// Identifies the service within this process.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.servers.name()
    }

    /// How long a round trip over the session took lately; zero if that is not known.
    pub(crate) fn round_trip(&self) -> Duration {
        self.session.as_ref().map(SessionHandle::round_trip).unwrap_or_default()
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

    /// Waits for a token if the client needs one, and for the session if it may not fall
    /// back to HTTP.
    pub(crate) async fn wait_until_usable(&self, timeout: Duration) -> Result<(), RequestError> {
        self.servers.authenticator().credential(timeout).await?;
        match (&self.session, self.kind) {
            (Some(session), TransportKind::Session) => session.wait_until_up(timeout).await,
            _ => Ok(()),
        }
    }

    /// Checks that one of the servers reports that it is ready, trying each once.
    pub(crate) async fn ready(&self, timeout: Duration) -> Result<(), RequestError> {
        self.call(Call::Ready, timeout).await
    }

    /// Sends an acquire. `timeout` is the time it may take beyond its wait.
    pub(crate) async fn acquire(
        &self,
        acquire: &AcquireCall<'_>,
        timeout: Duration,
    ) -> Result<Answer<Acquired>, RequestError> {
        self.call_stamped(Call::Acquire(*acquire), timeout).await
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
    ) -> Result<Answer<Lease>, RequestError> {
        self.call_stamped(Call::Renew { resource, request }, timeout).await
    }

    pub(crate) async fn renew_many(
        &self,
        request: &RenewManyRequest,
        timeout: Duration,
    ) -> Result<Answer<Renewed>, RequestError> {
        self.call_stamped(Call::RenewMany { request }, timeout).await
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

    /// Asks the holder of a lease to let go of it.
    pub(crate) async fn request_release(
        &self,
        resource: &ResourceName,
        request: &RequestReleaseRequest,
        timeout: Duration,
    ) -> Result<RequestedRelease, RequestError> {
        self.call(Call::RequestRelease { resource, request }, timeout).await
    }

    /// Sends a call whose reply does not depend on when it was sent.
    pub(super) async fn call<R: CallReply>(
        &self,
        call: Call<'_>,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        Ok(self.call_stamped(call, timeout).await?.body)
    }

    /// Sends a call: over the session if the call has a session form and the session
    /// is usable, otherwise over HTTP.
    async fn call_stamped<R: CallReply>(
        &self,
        call: Call<'_>,
        timeout: Duration,
    ) -> Result<Answer<R>, RequestError> {
        match self.call_over_session(&call, timeout).await {
            Some(reply) => self.with_valid_token(reply, &call, timeout).await,
            None => self.call_over_http(&call, timeout).await,
        }
    }

    /// The reply of the session to a call, or of its repeat if the session was refused.
    pub(super) async fn with_valid_token<R: CallReply>(
        &self,
        reply: Result<Answer<R>, RequestError>,
        call: &Call<'_>,
        timeout: Duration,
    ) -> Result<Answer<R>, RequestError> {
        match reply {
            Err(error) if error.is_unauthenticated() && self.has_token_provider() => {
                // The token expired, and the session ends. The repeat gets another one.
                match self.call_over_session(call, timeout).await {
                    Some(reply) => reply,
                    None => self.call_over_http(call, timeout).await,
                }
            }
            reply => reply,
        }
    }

    /// Sends a call over the session; `None` if it has to use HTTP.
    async fn call_over_session<R: CallReply>(
        &self,
        call: &Call<'_>,
        timeout: Duration,
    ) -> Option<Result<Answer<R>, RequestError>> {
        call.session_op()?;
        if let (Some(_), Some(session)) = (call.places(), &self.session) {
            // Over HTTP it would learn its place every 20 s only.
            session.wait_until_tried(timeout.min(FIRST_ATTEMPT)).await;
        }
        let session = match self.usable_session(timeout).await {
            Ok(session) => session?,
            Err(error) => return Some(Err(error)),
        };
        let request = call.session_request()?;
        let reply = session.request(request, call.places().cloned(), call.session_wait() + timeout).await;
        Some(reply.and_then(from_session))
    }

    /// Sends a call over HTTP, to each server in turn until one of them can perform
    /// it. Each gets an equal share of the remaining time, so that a server that does
    /// not respond costs a part of the call's time and not all of it.
    async fn call_over_http<R: CallReply>(
        &self,
        call: &Call<'_>,
        timeout: Duration,
    ) -> Result<Answer<R>, RequestError> {
        let mut remaining = timeout;
        let mut may_have_been_delivered = false;
        let mut untried = u32::try_from(self.servers.count()).unwrap_or(u32::MAX);
        loop {
            let time = RequestTime { wait: call.http_wait(), timeout: remaining / untried };
            let started_at = self.clock.now();
            let (index, server) = self.servers.current();
            let reply = self.exchange::<R>(server, call, time).await;
            let warrants_failover = match &reply {
                Ok(answer) => answer.body.warrants_failover(),
                Err(error) => error.warrants_failover(),
            };
            if warrants_failover {
                self.servers.fail_over(index);
            }
            untried -= 1;
            let elapsed = self.clock.now().duration_since(started_at);
            remaining = remaining.saturating_sub(elapsed.min(time.timeout));
            if !warrants_failover || untried == 0 || remaining.is_zero() {
                return reply.map_err(|error| error.after_attempt(may_have_been_delivered));
            }
            may_have_been_delivered |= !matches!(&reply, Err(error) if !error.may_have_been_delivered());
        }
    }

    /// Sends a call to one server. If the server refuses the token, it is sent once more
    /// with another one.
    async fn exchange<R: CallReply>(
        &self,
        server: &HttpClient,
        call: &Call<'_>,
        time: RequestTime,
    ) -> Result<Answer<R>, RequestError> {
        let authenticator = self.servers.authenticator();
        let started_at = self.clock.now();
        let remaining = || {
            let elapsed = self.clock.now().duration_since(started_at);
            RequestTime { timeout: time.timeout.saturating_sub(elapsed.saturating_sub(time.wait)), ..time }
        };
        let credential =
            if call.is_authenticated() { authenticator.credential(time.timeout).await? } else { None };
        let reply = send(server, call, credential.as_ref(), remaining()).await;
        if let Err(error) = &reply
            && error.is_unauthenticated()
            && let Some(refused) = &credential
            && let Some(other) = authenticator.replacement(refused, remaining().timeout).await
        {
            return send(server, call, Some(&other), remaining()).await;
        }
        reply
    }

    pub(super) fn session(&self) -> Option<&SessionHandle> {
        self.session.as_ref()
    }

    pub(super) fn session_that_is_up(&self) -> Option<&SessionHandle> {
        self.session().filter(|session| session.socket().is_some())
    }

    fn has_token_provider(&self) -> bool {
        self.servers.authenticator().has_provider()
    }

    /// The session if it is up, or once it is up if there is no fallback to HTTP.
    async fn usable_session(&self, timeout: Duration) -> Result<Option<&SessionHandle>, RequestError> {
        match (self.session_that_is_up(), &self.session, self.kind) {
            (Some(session), ..) => Ok(Some(session)),
            (None, Some(session), TransportKind::Session) => {
                session.wait_until_up(timeout).await.map(|()| Some(session))
            }
            _ => Ok(None),
        }
    }
}

async fn send<R: CallReply>(
    server: &HttpClient,
    call: &Call<'_>,
    credential: Option<&Credential>,
    time: RequestTime,
) -> Result<Answer<R>, RequestError> {
    let mut request = call.http_request(server.address())?;
    if let Some(credential) = credential {
        request.headers_mut().insert(AUTHORIZATION, credential.header().clone());
    }
    let (response, sent_at) = server.send(request, call.pool(), time).await?;
    R::from_http(&response).map(|body| Answer { body, sent_at, socket: None })
}
