//! The HTTP client of one server.

use std::time::Duration;

use dlm_protocol::IdempotencyKey;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;
use tokio::sync::Mutex;

use super::address::ServerAddress;
use super::pool::{ConnectionPool, PooledClient};
use super::response::HttpResponse;
use super::tls::{TlsConfig, TlsOptions};
use crate::clock::{BootInstant, Clock};
use crate::error::Error;
use crate::request_error::RequestError;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// While an acquire waits, its server is probed this often.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a probe waits for an answer. With two probes, and the interval before
/// them, a dead server is noticed within the ten seconds for which it keeps the
/// waiter's place.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
const PROBES: u32 = 2;

/// Sends HTTP requests to one server.
#[derive(Debug)]
pub(crate) struct HttpClient {
    address: ServerAddress,
    clock: Clock,
    pool: ConnectionPool,
    /// Renewals use separate connections, so that a client whose waiting acquires
    /// use up all other connections still keeps the locks it holds.
    renewal_pool: ConnectionPool,
    probe_pool: ConnectionPool,
    /// When the last probe ended, and whether it was answered. All waits share it.
    last_probe: Mutex<Option<(BootInstant, bool)>>,
}

/// Which connections a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    General,
    Renewals,
}

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTime {
    /// How long the server holds the request before it replies.
    pub(super) wait: Duration,
    /// The time beyond that.
    pub(super) timeout: Duration,
}

impl HttpClient {
    /// Prepares to connect. The first request opens the first connection.
    /// `headers` are sent with every request.
    pub(crate) fn new(
        address: ServerAddress,
        tls: &TlsOptions,
        headers: &HeaderMap,
        clock: Clock,
    ) -> Result<Self, Error> {
        let tls = tls.config(&address).map_err(|why| Error::setup("could not set up TLS", why))?;
        let pool = || ConnectionPool::new(&address, tls.clone(), headers.clone());
        Ok(Self {
            pool: pool()?,
            renewal_pool: pool()?,
            probe_pool: pool()?,
            last_probe: Mutex::new(None),
            address,
            clock,
        })
    }

    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    pub(crate) fn tls(&self) -> &TlsConfig {
        self.pool.tls()
    }

    /// The headers that are sent with every request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.pool.headers()
    }

    /// Sends a request and receives the whole response. Returns it with the instant
    /// before it was sent.
    pub(super) async fn send(
        &self,
        request: Request,
        pool: PoolKind,
        time: RequestTime,
    ) -> Result<(HttpResponse<impl AsRef<[u8]> + use<>>, BootInstant), RequestError> {
        let pool = match pool {
            PoolKind::General => &self.pool,
            PoolKind::Renewals => &self.renewal_pool,
        };
        let sent_at = self.clock.now();
        let pooled = pool.client();
        let response = tokio::select! {
            response = exchange(&pooled, request, time.wait + time.timeout) => response,
            () = self.until_unresponsive(), if !time.wait.is_zero() => {
                pool.replace(&pooled);
                Err(RequestError::ConnectionLost("the server stopped responding".into()))
            }
        };
        let response = response.map_err(|error| match error {
            RequestError::TimedOut(_) => {
                pool.replace(&pooled);
                error
            }
            RequestError::Connect(cause) => RequestError::Connect(self.address.connect_failed(cause)),
            error => error,
        });
        Ok((response?, sent_at))
    }

    /// Waits until the server does not answer probes any more. A connection on which
    /// an acquire waits shows nothing of that by itself.
    async fn until_unresponsive(&self) {
        loop {
            self.clock.sleep(PROBE_INTERVAL).await;
            if !self.responds().await {
                return;
            }
        }
    }

    async fn responds(&self) -> bool {
        let mut last = self.last_probe.lock().await;
        if let Some((at, responded)) = *last
            && self.clock.now().duration_since(at) < PROBE_INTERVAL / 2
        {
            return responded;
        }
        let mut responded = false;
        for _ in 0..PROBES {
            responded = self.probe().await;
            if responded {
                break;
            }
        }
        *last = Some((self.clock.now(), responded));
        responded
    }

    /// Whether anything answers: a proxy may answer in the server's place.
    async fn probe(&self) -> bool {
        let pooled = self.probe_pool.client();
        let request = get(self.address.url("/livez"));
        let answered = tokio::select! {
            response = exchange(&pooled, request, PROBE_TIMEOUT) => response.is_ok(),
            () = self.clock.sleep(PROBE_TIMEOUT) => false,
        };
        if !answered {
            // The next probe opens a new connection.
            self.probe_pool.replace(&pooled);
        }
        answered
    }
}

async fn exchange(
    pooled: &PooledClient,
    mut request: Request,
    timeout: Duration,
) -> Result<HttpResponse<impl AsRef<[u8]> + use<>>, RequestError> {
    *request.timeout_mut() = Some(timeout);
    let response = async {
        let mut response = pooled.client.execute(request).await?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(HttpResponse { status, headers, body: response.bytes().await? })
    };
    response.await.map_err(|error| RequestError::from_http(error, timeout))
}

/// A `GET` request.
pub(super) fn get(url: Url) -> Request {
    Request::new(Method::GET, url)
}

/// A `POST` request with a JSON body.
pub(super) fn post(url: Url, body: &impl Serialize) -> Result<Request, RequestError> {
    let mut request = post_empty(url);
    let json = serde_json::to_vec(body).map_err(|why| RequestError::unencodable(&why))?;
    *request.body_mut() = Some(json.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// A `POST` request without a body.
pub(super) fn post_empty(url: Url) -> Request {
    Request::new(Method::POST, url)
}

/// Adds the idempotency key to a request.
pub(super) fn with_key(mut request: Request, key: &IdempotencyKey) -> Result<Request, RequestError> {
    let value = HeaderValue::from_str(key.as_str()).map_err(|why| RequestError::unencodable(&why))?;
    request.headers_mut().insert(&IDEMPOTENCY_KEY, value);
    Ok(request)
}
