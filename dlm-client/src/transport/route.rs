//! Which server, and which of the two ways to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventPage, ForceReleaseRequest, ForceReleased,
    IdempotencyKey, Lease, LeaseId, LockPage, LockStatus, Metadata, Mode, Owner, Released, RenewManyRequest,
    RenewRequest, Renewed, ResourceName, SessionBody, SessionOp, SessionRequest, Ttl, Wait,
};

use super::address::Address;
use super::failure::{Failure, any_unavailable};
use super::http::{Acquired, Http};
use super::kind::TransportKind;
use super::session::Link;
use crate::error::Error;

/// The ways to the servers of one service.
#[derive(Debug)]
pub(crate) struct Transport {
    servers: Vec<Http>,
    /// The service's name in this process: all its servers.
    name: Arc<str>,
    current: AtomicUsize,
    kind: TransportKind,
    link: Option<Link>,
}

impl Transport {
    /// Gets ready to connect to any of these servers.
    pub(crate) fn new(addresses: Vec<Address>, kind: TransportKind) -> Result<Self, Error> {
        let names: Vec<&str> = addresses.iter().map(|address| &**address.as_shared()).collect();
        let name = names.join(",").into();
        let link = (kind != TransportKind::Http).then(Link::new);
        let servers = addresses.into_iter().map(Http::new).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(Error::invalid("a client needs the address of a server"));
        }
        Ok(Self { servers, name, current: AtomicUsize::new(0), kind, link })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// How many servers there are.
    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// The number of the session's socket, if one is up.
    pub(crate) fn socket(&self) -> Option<u64> {
        self.link.as_ref().and_then(Link::socket)
    }

    /// Waits for the session where there is no other way.
    pub(crate) async fn until_usable(&self, timeout: Duration) -> Result<(), Failure> {
        match (&self.link, self.kind) {
            (Some(link), TransportKind::Session) => link.until_up(timeout).await,
            _ => Ok(()),
        }
    }

    /// The server in use.
    pub(crate) fn server(&self) -> (usize, &Http) {
        let index = self.current.load(Ordering::Relaxed);
        (index, &self.servers[index])
    }

    /// The server with this number is of no use now: the next one is tried,
    /// unless somebody has moved on already.
    pub(crate) fn move_on(&self, from: usize) {
        let next = (from + 1) % self.servers.len();
        // Who lost the race has nothing to do.
        let _ = self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn http<T>(&self, ask: impl AsyncFnOnce(&Http) -> Result<T, Failure>) -> Result<T, Failure> {
        let (index, server) = self.server();
        let answer = ask(server).await;
        if answer.as_ref().is_err_and(Failure::is_of_the_server) {
            self.move_on(index);
        }
        answer
    }

    /// The session, if it is the way now.
    async fn session(&self, timeout: Duration) -> Result<Option<&Link>, Failure> {
        match (&self.link, self.kind) {
            (Some(link), _) if link.socket().is_some() => Ok(Some(link)),
            (Some(link), TransportKind::Session) => link.until_up(timeout).await.map(|()| Some(link)),
            _ => Ok(None),
        }
    }

    /// An acquire; `timeout` is what it may take beyond its wait.
    pub(crate) async fn acquire(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        request: &AcquireRequest,
        timeout: Duration,
    ) -> Result<Acquired, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.acquire(resource, key, request, timeout).await).await;
        };
        let AcquireRequest { mode, ttl_ms, wait_ms, owner, metadata } = request;
        let frame = SessionRequest {
            resource: Some(resource.clone()),
            idempotency_key: Some(key.clone()),
            mode: (*mode != Mode::default()).then_some(*mode),
            ttl_ms: (*ttl_ms != Ttl::default()).then_some(*ttl_ms),
            wait_ms: (*wait_ms != Wait::default()).then_some(*wait_ms),
            owner: (*owner != Owner::default()).then(|| owner.clone()),
            metadata: (*metadata != Metadata::default()).then(|| metadata.clone()),
            ..SessionRequest::new(0, SessionOp::Acquire)
        };
        match link.ask(frame, Duration::from(*wait_ms) + timeout).await? {
            SessionBody::Lease(lease) => Ok(Acquired::Granted(lease)),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn cancel(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        timeout: Duration,
    ) -> Result<Cancelled, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.cancel(resource, key, timeout).await).await;
        };
        let frame = SessionRequest {
            resource: Some(resource.clone()),
            idempotency_key: Some(key.clone()),
            ..SessionRequest::new(0, SessionOp::Cancel)
        };
        match link.ask(frame, timeout).await? {
            SessionBody::Cancel(cancelled) => Ok(cancelled),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn renew(
        &self,
        resource: &ResourceName,
        body: &RenewRequest,
        timeout: Duration,
    ) -> Result<Lease, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.renew(resource, body, timeout).await).await;
        };
        let frame = SessionRequest {
            resource: Some(resource.clone()),
            lease_id: Some(body.lease_id.clone()),
            ttl_ms: body.ttl_ms,
            ..SessionRequest::new(0, SessionOp::Renew)
        };
        match link.ask(frame, timeout).await? {
            SessionBody::Lease(lease) => Ok(*lease),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn renew_many(
        &self,
        body: RenewManyRequest,
        timeout: Duration,
    ) -> Result<Renewed, Failure> {
        let Some(link) = self.session(timeout).await? else {
            let (index, _) = self.server();
            let answer = self.http(async |http| http.renew_many(&body, timeout).await).await;
            if answer.as_ref().is_ok_and(|renewed| any_unavailable(&renewed.results)) {
                self.move_on(index);
            }
            return answer;
        };
        let frame = SessionRequest { leases: Some(body.leases), ..SessionRequest::new(0, SessionOp::Renew) };
        match link.ask(frame, timeout).await? {
            SessionBody::Results(results) => Ok(Renewed { results }),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn release(
        &self,
        resource: &ResourceName,
        lease_id: &LeaseId,
        timeout: Duration,
    ) -> Result<Released, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.release(resource, lease_id, timeout).await).await;
        };
        let frame = SessionRequest {
            resource: Some(resource.clone()),
            lease_id: Some(lease_id.clone()),
            ..SessionRequest::new(0, SessionOp::Release)
        };
        match link.ask(frame, timeout).await? {
            SessionBody::Released(released) => Ok(released),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn check(
        &self,
        resource: &ResourceName,
        body: &CheckRequest,
        timeout: Duration,
    ) -> Result<Checked, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.check(resource, body, timeout).await).await;
        };
        let frame = SessionRequest {
            resource: Some(resource.clone()),
            fencing_token: Some(body.fencing_token),
            ..SessionRequest::new(0, SessionOp::Check)
        };
        match link.ask(frame, timeout).await? {
            SessionBody::Check(checked) => Ok(checked),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn status(
        &self,
        resource: &ResourceName,
        timeout: Duration,
    ) -> Result<LockStatus, Failure> {
        let Some(link) = self.session(timeout).await? else {
            return self.http(async |http| http.status(resource, timeout).await).await;
        };
        let frame =
            SessionRequest { resource: Some(resource.clone()), ..SessionRequest::new(0, SessionOp::Status) };
        match link.ask(frame, timeout).await? {
            SessionBody::Status(status) => Ok(*status),
            body => Err(unexpected(&body)),
        }
    }

    pub(crate) async fn force_release(
        &self,
        resource: &ResourceName,
        body: &ForceReleaseRequest,
        timeout: Duration,
    ) -> Result<ForceReleased, Failure> {
        self.http(async |http| http.force_release(resource, body, timeout).await).await
    }

    /// A page of the list.
    pub(crate) async fn list(&self, query: &str, timeout: Duration) -> Result<LockPage, Failure> {
        self.http(async |http| http.list(query, timeout).await).await
    }

    /// A page of the event log.
    pub(crate) async fn events(&self, query: &str, timeout: Duration) -> Result<EventPage, Failure> {
        self.http(async |http| http.events(query, timeout).await).await
    }

    /// Asks whether any of the servers is ready.
    pub(crate) async fn ready(&self, timeout: Duration) -> Result<(), Failure> {
        let mut asked = self.http(async |http| http.ready(timeout).await).await;
        for _ in 1..self.servers.len() {
            if asked.is_ok() {
                break;
            }
            asked = self.http(async |http| http.ready(timeout).await).await;
        }
        asked
    }
}

/// An answer of another operation.
fn unexpected(body: &SessionBody) -> Failure {
    let what = format!("an answer of another operation: {:?}", std::mem::discriminant(body));
    Failure::Unexpected { status: 200, what, retry_after: None }
}
