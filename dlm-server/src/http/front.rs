//! One request, from its route to its response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::ProblemCode;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request};
use uuid::Uuid;

use super::hosts::Hosts;
use super::reply::{self, Refused, Reply};
use super::request;
use super::route::{Found, Route, Routes};
use super::{openapi, ui, upgrade};
use crate::clock::since_boot;
use crate::metrics::Metrics;
use crate::service::{Error, Principal, Service};
use crate::socket::Sockets;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers requests.
#[derive(Clone, Debug)]
pub(crate) struct Front(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    metrics: Arc<Metrics>,
    hosts: Hosts,
    routes: Routes,
    sockets: Sockets,
    openapi: String,
    principal: Principal,
}

impl Front {
    pub(crate) fn new(service: Service, hosts: Hosts, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            service,
            sockets: Sockets::new(Arc::clone(&metrics)),
            metrics,
            hosts,
            routes: Routes::new(),
            openapi: openapi::document(),
            principal: Principal::anonymous(),
        }))
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn sockets(&self) -> &Sockets {
        &self.0.sockets
    }

    /// Answers a request. Dropping the future says that the caller hung up:
    /// what was handed to the writer is done all the same.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Reply {
        let started = since_boot();
        let request_id = request_id(request.headers());
        let _in_flight = InFlight::new(&self.0.metrics);
        let answer = async {
            match self.0.hosts.check(&request) {
                Ok(()) => self.route(request, &request_id).await,
                Err(refused) => ("none", Err(refused)),
            }
        };
        let (operation, answered) = AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a request ended in a panic");
            ("none", Err(Error::Internal.into()))
        });
        let seconds = (since_boot().saturating_sub(started)).as_secs_f64();
        let status = answered.as_ref().map_or_else(Refused::status, |reply| reply.status().as_u16());
        let id = request_id.to_str().unwrap_or("");
        if status >= 500 {
            tracing::warn!(request_id = id, operation, status, seconds, "a request failed");
        } else {
            tracing::debug!(request_id = id, operation, status, seconds, "answered");
        }
        self.0.metrics.request_answered(operation, status, seconds);
        let mut reply = answered.unwrap_or_else(|refused| refused.into_reply(id));
        reply.headers_mut().insert(REQUEST_ID, request_id);
        reply
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        request_id: &HeaderValue,
    ) -> (&'static str, Result<Reply, Refused>) {
        let path = request.uri().path().to_owned();
        match self.0.routes.find(request.method(), &path) {
            Found::Route(route, _) if upgrade::is_socket(route, &request) => {
                let Inner { sockets, service, principal, .. } = &*self.0;
                (route.name(), upgrade::answer(route, request, sockets, service, principal).await)
            }
            Found::Route(route, name) => {
                let (parts, body) = request.into_parts();
                (route.name(), self.dispatch(route, name, &parts, body, request_id).await)
            }
            Found::OtherMethods(allow) => ("none", Err(Refused::method_not_allowed(allow))),
            Found::Nothing => ("ui", ui::answer(request.method(), &path, request.headers())),
        }
    }

    async fn dispatch(
        &self,
        route: Route,
        name: Option<&str>,
        parts: &Parts,
        body: Incoming,
        request_id: &HeaderValue,
    ) -> Result<Reply, Refused> {
        let inner = &*self.0;
        if let Some(operation) = request::operation(route, name, parts, body).await? {
            let outcome = inner.service.call(&inner.principal, operation).await?;
            return Ok(reply::outcome(outcome, request_id.to_str().unwrap_or("")));
        }
        match route {
            Route::Livez => Ok(reply::text("text/plain; charset=utf-8", "ok\n")),
            Route::Readyz => {
                // A store that does not answer is not ready either.
                let slow =
                    || Error::Unavailable { why: "the store is slow", retry_after: Duration::from_secs(1) };
                let ready = tokio::time::timeout(Duration::from_secs(2), inner.service.ready()).await;
                ready.unwrap_or_else(|_| Err(slow()))?;
                Ok(reply::text("text/plain; charset=utf-8", "ready\n"))
            }
            Route::Metrics => Ok(match wants_open_metrics(&parts.headers) {
                true => reply::text(OPEN_METRICS, inner.metrics.open_metrics()),
                false => reply::text("text/plain; version=0.0.4; charset=utf-8", inner.metrics.text()),
            }),
            Route::OpenApi => Ok(reply::text("application/json", inner.openapi.clone())),
            _ => Err(Refused::new(ProblemCode::InternalError, 500, "this address has no answer")),
        }
    }
}

/// Counts a request as long as it is not answered, also when it is dropped.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.request_started();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let range = range.trim().to_ascii_lowercase();
        range.split(';').next().is_some_and(|media| media.trim() == "application/openmetrics-text")
    })
}

/// The caller's id of the request if it is a sane one, else one of our own.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=LONGEST_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::try_from(Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    })
}
