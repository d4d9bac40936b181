//! The HTTP client of one server.

use std::time::Duration;

use dlm_protocol::IdempotencyKey;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use rustls::ClientConfig;
use serde::Serialize;

use super::address::ServerAddress;
use super::pool::ConnectionPool;
use super::response::HttpResponse;
use crate::error::Error;
use crate::request_error::RequestError;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends HTTP requests to one server.
#[derive(Debug)]
pub(crate) struct HttpClient {
    address: ServerAddress,
    pool: ConnectionPool,
    /// Renewals use separate connections, so that a client whose waiting acquires
    /// use up all other connections still keeps the locks it holds.
    renewal_pool: ConnectionPool,
}

/// Which connections a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    General,
    Renewals,
}

impl HttpClient {
    /// Prepares to connect. The first request opens the first connection.
    pub(crate) fn new(address: ServerAddress) -> Result<Self, Error> {
        let pool = ConnectionPool::new(address.is_tls())?;
        Ok(Self { renewal_pool: pool.separate()?, pool, address })
    }

    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    pub(crate) fn tls(&self) -> &ClientConfig {
        self.pool.tls()
    }

    /// Sends a request and receives the whole response.
    pub(super) async fn send(
        &self,
        mut request: Request,
        pool: PoolKind,
        timeout: Duration,
    ) -> Result<HttpResponse<impl AsRef<[u8]> + use<>>, RequestError> {
        let pool = match pool {
            PoolKind::General => &self.pool,
            PoolKind::Renewals => &self.renewal_pool,
        };
        *request.timeout_mut() = Some(timeout);
        let pooled = pool.client();
        let response = async {
            let mut response = pooled.client.execute(request).await?;
            let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
            Ok(HttpResponse { status, headers, body: response.bytes().await? })
        };
        response.await.map_err(|error| {
            let error = RequestError::from_http(error, timeout);
            if matches!(error, RequestError::TimedOut(_)) {
                pool.replace(&pooled);
            }
            error
        })
    }
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
