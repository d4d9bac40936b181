//! The operations over HTTP, one request each.

use std::time::Duration;

use dlm_protocol::limits::MAX_HOLD_MS;
use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventPage, ForceReleaseRequest, ForceReleased,
    IdempotencyKey, Lease, LeaseId, LockPage, LockStatus, Queued, ReleaseRequest, Released, RenewManyRequest,
    RenewRequest, Renewed, ResourceName,
};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use rustls::ClientConfig;
use serde::Serialize;

use super::address::Address;
use super::answer::Answer;
use super::failure::Failure;
use super::pool::Pool;
use crate::error::Error;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A server that is spoken to over HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    address: Address,
    pool: Pool,
    /// Renewals have connections of their own: a client that waits for so many
    /// locks that it can open no more still keeps those it has.
    renewals: Pool,
}

/// The answer to an acquire that was not refused.
#[derive(Debug)]
pub(crate) enum Acquired {
    Granted(Box<Lease>),
    Queued(Box<Queued>),
}

impl Http {
    /// Gets ready to connect; connects with the first request.
    pub(crate) fn new(address: Address) -> Result<Self, Error> {
        let pool = Pool::new(address.is_tls())?;
        Ok(Self { renewals: pool.another()?, pool, address })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn tls(&self) -> &ClientConfig {
        self.pool.tls()
    }

    pub(crate) async fn acquire(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        request: &AcquireRequest,
        timeout: Duration,
    ) -> Result<Acquired, Failure> {
        let mut http = post(self.address.of(resource, "acquire"), request)?;
        http.headers_mut().insert(&IDEMPOTENCY_KEY, header(key)?);
        // The server holds a request for so long at most.
        let held = Duration::from(request.wait_ms).min(Duration::from_millis(MAX_HOLD_MS));
        let timeout = held + timeout;
        let answer = send(&self.pool, http, timeout).await?;
        match answer.status {
            StatusCode::OK => answer.json().map(Acquired::Granted),
            StatusCode::ACCEPTED => answer.json().map(Acquired::Queued),
            _ => Err(answer.failure()),
        }
    }

    pub(crate) async fn cancel(
        &self,
        resource: &ResourceName,
        key: &IdempotencyKey,
        timeout: Duration,
    ) -> Result<Cancelled, Failure> {
        let mut http = Request::new(Method::POST, self.address.of(resource, "cancel"));
        http.headers_mut().insert(&IDEMPOTENCY_KEY, header(key)?);
        send(&self.pool, http, timeout).await?.read()
    }

    pub(crate) async fn renew(
        &self,
        resource: &ResourceName,
        body: &RenewRequest,
        timeout: Duration,
    ) -> Result<Lease, Failure> {
        let http = post(self.address.of(resource, "renew"), body)?;
        send(&self.pool, http, timeout).await?.read()
    }

    pub(crate) async fn renew_many(
        &self,
        body: &RenewManyRequest,
        timeout: Duration,
    ) -> Result<Renewed, Failure> {
        let http = post(self.address.at("/v1/renew"), body)?;
        send(&self.renewals, http, timeout).await?.read()
    }

    pub(crate) async fn release(
        &self,
        resource: &ResourceName,
        lease_id: &LeaseId,
        timeout: Duration,
    ) -> Result<Released, Failure> {
        let body = ReleaseRequest { lease_id: lease_id.clone() };
        let http = post(self.address.of(resource, "release"), &body)?;
        send(&self.pool, http, timeout).await?.read()
    }

    pub(crate) async fn force_release(
        &self,
        resource: &ResourceName,
        body: &ForceReleaseRequest,
        timeout: Duration,
    ) -> Result<ForceReleased, Failure> {
        let http = post(self.address.of(resource, "force-release"), body)?;
        send(&self.pool, http, timeout).await?.read()
    }

    pub(crate) async fn check(
        &self,
        resource: &ResourceName,
        body: &CheckRequest,
        timeout: Duration,
    ) -> Result<Checked, Failure> {
        let http = post(self.address.of(resource, "check"), body)?;
        send(&self.pool, http, timeout).await?.read()
    }

    pub(crate) async fn status(
        &self,
        resource: &ResourceName,
        timeout: Duration,
    ) -> Result<LockStatus, Failure> {
        let http = Request::new(Method::GET, self.address.of(resource, ""));
        send(&self.pool, http, timeout).await?.read()
    }

    /// A page of the list.
    pub(crate) async fn list(&self, query: &str, timeout: Duration) -> Result<LockPage, Failure> {
        let mut url = self.address.at("/v1/locks");
        url.set_query(Some(query));
        let http = Request::new(Method::GET, url);
        send(&self.pool, http, timeout).await?.read()
    }

    /// A page of the event log.
    pub(crate) async fn events(&self, query: &str, timeout: Duration) -> Result<EventPage, Failure> {
        let mut url = self.address.at("/v1/events");
        url.set_query(Some(query));
        let http = Request::new(Method::GET, url);
        send(&self.pool, http, timeout).await?.read()
    }

    /// Asks whether the server is ready.
    pub(crate) async fn ready(&self, timeout: Duration) -> Result<(), Failure> {
        let http = Request::new(Method::GET, self.address.at("/readyz"));
        let answer = send(&self.pool, http, timeout).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.failure()) }
    }
}

async fn send(
    pool: &Pool,
    mut request: Request,
    timeout: Duration,
) -> Result<Answer<impl AsRef<[u8]> + use<>>, Failure> {
    *request.timeout_mut() = Some(timeout);
    let connections = pool.connections();
    let answer = async {
        let mut response = connections.client.execute(request).await?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Answer { status, headers, body: response.bytes().await? })
    };
    answer.await.map_err(|error| {
        let failure = Failure::of(error, timeout);
        if matches!(failure, Failure::TimedOut(_)) {
            pool.give_up(&connections);
        }
        failure
    })
}

fn post(url: Url, body: &impl Serialize) -> Result<Request, Failure> {
    let mut http = Request::new(Method::POST, url);
    let json = serde_json::to_vec(body).map_err(|why| Failure::unsendable(&why))?;
    *http.body_mut() = Some(json.into());
    http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(http)
}

fn header(key: &IdempotencyKey) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(key.as_str()).map_err(|why| Failure::unsendable(&why))
}
