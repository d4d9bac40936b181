//! Handles one request, from its route to its response.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{ProblemCode, Quota};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{HeaderMap, Method, Request};

use super::authentication::authenticate;
use super::caller::{Access, Caller};
use super::hosts::Hosts;
use super::peer::{KeylessWaiter, Peer};
use super::places::Full;
use super::proxies::TrustedProxies;
use super::query::Query;
use super::request;
use super::request_id::{REQUEST_ID, request_id};
use super::request_line::RequestLine;
use super::response::{self, HttpResponse, Rejection};
use super::route::{Route, RouteMatch, Routes};
use super::upgrade::{self, SocketAccess};
use super::{body, openapi, tickets, ui};
use crate::audit::{Origin, RequestRef};
use crate::auth::{Authentication, Authenticator, Principal};
use crate::clock::since_boot;
use crate::metrics::Metrics;
use crate::service::{Error, Operation, Outcome, Service};
use crate::socket::Sockets;

/// When a client may retry that found all places taken.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(5);
/// How long a readiness probe waits for the store. A writer needs two seconds to find
/// out that it can't reconnect, and why.
const READY_WITHIN: Duration = Duration::from_secs(3);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Handles requests. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    metrics: Arc<Metrics>,
    hosts: Hosts,
    proxies: TrustedProxies,
    routes: Routes,
    sockets: Sockets,
    openapi: String,
    authenticator: Authenticator,
}

impl App {
    pub(crate) fn new(
        service: Service,
        authenticator: Authenticator,
        hosts: Hosts,
        proxies: TrustedProxies,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            service,
            sockets: Sockets::new(Arc::clone(&metrics))?,
            metrics,
            hosts,
            proxies,
            routes: Routes::new(),
            openapi: openapi::document(),
            authenticator,
        })))
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    /// The proxies in front of the server.
    pub(super) fn proxies(&self) -> &TrustedProxies {
        &self.0.proxies
    }

    pub(super) fn sockets(&self) -> &Sockets {
        &self.0.sockets
    }

    /// Handles a request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that the caller hung up. An operation that was
    /// handed to a writer completes anyway.
    pub(super) async fn handle(self, request: Request<Incoming>, caller: &Caller) -> HttpResponse {
        let started = since_boot();
        let is_head = request.method() == Method::HEAD;
        let request_id = request_id(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes));
        let source = self.0.proxies.source(caller, request.headers());
        let _in_flight = InFlight::new(&self.0.metrics);
        let id = request_id.to_str().unwrap_or("");
        let origin = Origin { address: source.address, request: RequestRef::Http(id.into()) };
        let line = self.0.service.audit().is_on().then(|| RequestLine::of(&request));
        let mut principal = None;
        let handle = async {
            match self.0.hosts.check(&request, source.scheme) {
                Ok(()) => self.route(request, &origin, caller, &mut principal).await,
                Err(rejection) => ("none", Err(rejection)),
            }
        };
        let (operation, result) = AssertUnwindSafe(handle).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("request handler panicked");
            ("none", Err(Error::Internal.into()))
        });
        let seconds = (since_boot().saturating_sub(started)).as_secs_f64();
        let status = result.as_ref().map_or_else(Rejection::status, |response| response.status().as_u16());
        if let (Err(rejection), Some(line)) = (&result, line) {
            line.record_denied(
                &self.0.routes,
                self.0.service.audit(),
                principal.as_ref(),
                &origin,
                rejection,
            );
        }
        if status >= 500 {
            let client = source.address;
            tracing::warn!(request_id = id, %client, operation, status, seconds, "request failed");
        } else {
            let (client, certificate) = (source.address, caller.certificate_names());
            tracing::debug!(request_id = id, %client, certificate, operation, status, seconds, "request answered");
        }
        self.0.metrics.request_answered(operation, status, seconds);
        let mut response = result.unwrap_or_else(|rejection| rejection.into_response(id));
        response.headers_mut().insert(REQUEST_ID, request_id);
        if is_head { response::without_body(response) } else { response }
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        origin: &Origin,
        caller: &Caller,
        principal: &mut Option<Principal>,
    ) -> (&'static str, Result<HttpResponse, Rejection>) {
        let path = request.uri().path().to_owned();
        let found = self.0.routes.find(request.method(), &path);
        let rejection = match caller.access {
            Access::Refused(_) if found.is_probe() => None,
            // No quota keeps a lease from being renewed or released.
            Access::Refused(Full::Address) if found.keeps_or_ends_a_lease() => None,
            Access::Refused(why) => Some(refused(why).into()),
            Access::Probes if found.is_probe() => None,
            Access::Probes => {
                Some(Rejection::new(ProblemCode::NotFound, 404, "this address serves only probes"))
            }
            Access::Everything => None,
        };
        if let Some(rejection) = rejection {
            body::discard(request.into_body()).await;
            return ("none", Err(rejection));
        }
        let Inner { sockets, service, authenticator, .. } = &*self.0;
        let headers = request.headers();
        let authentication = match &found {
            RouteMatch::Route(route, _)
                if upgrade::is_socket(*route, &request)
                    && let Some(ticket) = tickets::offered(headers) =>
            {
                tickets::redeem(service, authenticator, *route, headers, ticket, caller).await
            }
            _ => authenticate(authenticator, &found, &path, headers, caller),
        };
        let authentication = match authentication {
            Ok(authentication) => authentication,
            Err(rejection) => {
                body::discard(request.into_body()).await;
                return (found.name(), Err(rejection));
            }
        };
        *principal = Some(authentication.principal().clone());
        match found {
            RouteMatch::Route(route, _) if upgrade::is_socket(route, &request) => {
                let address = origin.address;
                let access = SocketAccess { service, authenticator, authentication, address };
                (route.name(), upgrade::handle(route, request, sockets, access).await)
            }
            RouteMatch::Route(route, name) => {
                (route.name(), self.dispatch(route, name, request, origin, caller, &authentication).await)
            }
            RouteMatch::MethodNotAllowed(allow) => ("none", Err(Rejection::method_not_allowed(allow))),
            RouteMatch::NotFound => ("ui", ui::handle(request.method(), &path, request.headers())),
        }
    }

    async fn dispatch(
        &self,
        route: Route,
        name: Option<&str>,
        request: Request<Incoming>,
        origin: &Origin,
        caller: &Caller,
        authentication: &Authentication,
    ) -> Result<HttpResponse, Rejection> {
        let inner = &*self.0;
        let principal = authentication.principal();
        let (parts, body) = request.into_parts();
        if matches!(route, Route::Tickets | Route::WhoAmI | Route::OpenApi | Route::Metrics)
            && caller.access != Access::Probes
            && let Err(error) = inner.service.take_request(principal)
        {
            body::discard(body).await;
            return Err(error.into());
        }
        if route == Route::Tickets {
            return tickets::issue(&inner.service, authentication, &parts, body).await;
        }
        if let Some(operation) = request::operation(route, name, &parts, body).await? {
            let service = inner.service.for_request(origin.clone());
            let outcome = execute(&service, principal, operation, caller.peer.as_ref()).await?;
            return Ok(response::outcome(outcome, &origin.request.to_string()));
        }
        match route {
            Route::Livez => {
                inner.service.alive()?;
                Ok(response::text("text/plain; charset=utf-8", "ok\n"))
            }
            Route::Readyz => {
                let slow =
                    || Error::Unavailable { why: "the store is slow", retry_after: Duration::from_secs(1) };
                let ready = tokio::time::timeout(READY_WITHIN, inner.service.ready()).await;
                ready.unwrap_or_else(|_| Err(slow()))?;
                Ok(response::text("text/plain; charset=utf-8", "ready\n"))
            }
            Route::Metrics => {
                // Who can reach the listener for probes needs no credential.
                if caller.access != Access::Probes {
                    inner.service.check_observes_all(principal)?;
                }
                Ok(match wants_open_metrics(&parts.headers) {
                    true => response::text(OPEN_METRICS, inner.metrics.open_metrics()),
                    false => response::text("text/plain; version=0.0.4; charset=utf-8", inner.metrics.text()),
                })
            }
            Route::WhoAmI => {
                Query::parse(parts.uri.query(), &[])?;
                Ok(response::who_am_i(&inner.authenticator.policy(), authentication))
            }
            Route::OpenApi => Ok(response::text("application/json", inner.openapi.clone())),
            _ => Err(Rejection::new(ProblemCode::InternalError, 500, "this route has no handler")),
        }
    }

    /// Removes a waiter whose caller does not know its key.
    pub(super) fn abandon(&self, waiter: &KeylessWaiter) {
        self.0.service.abandon(&waiter.principal, &waiter.resource, &waiter.key);
    }
}

async fn execute(
    service: &Service,
    principal: &Principal,
    operation: Operation,
    peer: Option<&Peer>,
) -> Result<Outcome, Error> {
    let Some(peer) = peer else { return service.call(principal, operation).await };
    let keyless = match &operation {
        Operation::Acquire { resource, key: None, .. } => Some(resource.clone()),
        _ => None,
    };
    let outcome = service.call_until(principal, operation, peer.done_sending()).await?;
    if let (Some(resource), Outcome::Queued(queued)) = (keyless, &outcome)
        && peer.done_sending().is_cancelled()
    {
        let (principal, key) = (principal.clone(), queued.idempotency_key.clone());
        peer.may_return(KeylessWaiter { principal, resource, key });
    }
    Ok(outcome)
}

/// The error of a request on a connection without a regular place.
fn refused(why: Full) -> Error {
    match why {
        Full::Server => {
            Error::Unavailable { why: "too many connections are open", retry_after: RETRY_WHEN_FULL }
        }
        Full::Address => Error::QuotaExceeded {
            what: "too many connections from this address are open",
            quota: Quota::Connections,
            retry_after: RETRY_WHEN_FULL,
        },
    }
}

/// Counts a request as in flight until it is dropped.
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
