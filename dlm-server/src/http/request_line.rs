//! The method, path and query of a request, for the audit log.

use std::borrow::Cow;

use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

use super::response::Rejection;
use super::route::{RouteMatch, Routes};
use crate::audit::{Audit, Origin};
use crate::auth::Principal;

/// The method, path and query of a request, which may be invalid.
#[derive(Debug)]
pub(super) struct RequestLine {
    method: Method,
    path: String,
    query: String,
}

impl RequestLine {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method().clone(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or("").to_owned(),
        }
    }

    /// Records that the request was rejected, if it was denied. `principal` is who the caller
    /// has proved to be.
    pub(super) fn record_denied(
        &self,
        routes: &Routes,
        audit: &Audit,
        principal: Option<&Principal>,
        origin: &Origin,
        rejection: &Rejection,
    ) {
        let Some((denial, claimed)) = rejection.denial() else { return };
        let found = routes.find(&self.method, &self.path);
        let in_path = match &found {
            RouteMatch::Route(route, name) if route.is_on_resource() => {
                name.map(|name| percent_decode_str(name).decode_utf8_lossy())
            }
            _ => None,
        };
        let resource = in_path.or_else(|| self.resource_of_query());
        let principal = principal.or(claimed).map(|principal| &**principal.name());
        denial.record(audit, principal, Some(origin), found.name(), resource.as_deref());
    }

    /// The resource that a query for events names.
    fn resource_of_query(&self) -> Option<Cow<'_, str>> {
        let value = self.query.split('&').find_map(|pair| pair.strip_prefix("resource="))?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_of_a_query_is_decoded() {
        let line = |uri: &str| RequestLine::of(&Request::get(uri).body(()).expect("a request"));
        let resource = |uri: &str| line(uri).resource_of_query().map(Cow::into_owned);
        assert_eq!(resource("/v1/events?after=x&resource=a%2Fb+c").as_deref(), Some("a/b c"));
        assert_eq!(resource("/v1/events?prefix=a"), None);
        assert_eq!(resource("/v1/events"), None);
    }
}
