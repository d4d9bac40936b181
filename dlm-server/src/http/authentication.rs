//! Which requests have to be authenticated, and what those get that are not.

use dlm_protocol::ProblemCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::caller::{Access, Caller};
use super::response::Rejection;
use super::route::RouteMatch;
use super::ui;
use crate::auth::{Authentication, Authenticator, Unauthenticated};

/// What a client should send (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// Authenticates the caller of a request. Everything is refused to callers that are not
/// authenticated, but for `/livez`, `/readyz` and the files of the UI, which are the same
/// for everyone and can't carry a token. A listener for probes asks nobody.
pub(super) fn authenticate(
    authenticator: &Authenticator,
    found: &RouteMatch<'_>,
    path: &str,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Authentication, Rejection> {
    if caller.access == Access::Probes || is_public(found, path, headers) {
        return Ok(Authentication::anonymous());
    }
    authenticator.authenticate(authorization(headers), caller.certificate.as_deref()).map_err(rejection)
}

/// The values of all `Authorization` headers.
pub(super) fn authorization(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes)
}

fn is_public(found: &RouteMatch<'_>, path: &str, headers: &HeaderMap) -> bool {
    match found {
        RouteMatch::Route(route, _) => route.is_public(),
        RouteMatch::MethodNotAllowed(_) => false,
        RouteMatch::NotFound => ui::serves(path) || ui::is_address(path, headers),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of `map_err`")]
pub(super) fn rejection(why: Unauthenticated) -> Rejection {
    let mut rejection = Rejection::new(ProblemCode::Unauthenticated, 401, why.to_string());
    rejection.denied(why.audit_code(), why.principal().cloned());
    rejection.add_header(WWW_AUTHENTICATE, if why.sent_token() { INVALID_TOKEN } else { BEARER });
    rejection
}
