//! The responses of an operation.

use serde_json::{Value, json};

use super::schema;
use crate::http::route::Route;

/// The problems that any operation can be answered with.
pub(super) fn problems(route: Route, takes_body: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_bodies = [
        ("408", "The body did not arrive in time"),
        ("413", "The body is too large"),
        ("415", "The body is not plain `application/json`"),
    ];
    let of_all = [
        ("400", "The request is malformed, or a value is out of range"),
        ("403", "The request comes from a page of another origin, or its caller lacks a right"),
        ("414", "The path and query are too long"),
        ("421", "The server does not accept requests for this host"),
        ("431", "The headers are too many or too long"),
        ("500", "The server failed to process the request"),
        ("429", "A quota of the caller or of its address is used up; repeat it after `Retry-After`"),
        ("503", "The server can't process the request now; repeat it after `Retry-After`"),
    ];
    let unauthenticated = ("401", "The credential is missing, unknown or expired");
    let is_never_limited = route.is_public()
        || matches!(route, Route::Renew | Route::RenewMany | Route::Release | Route::Cancel);
    let limits = move |(status, _): &(&str, &str)| *status != "429" || !is_never_limited;
    let of_callers = Some(unauthenticated).filter(|_| !route.is_public());
    of_bodies
        .into_iter()
        .filter(move |_| takes_body)
        .chain(of_all.into_iter().filter(limits))
        .chain(of_callers)
}

/// A response with a body of this schema, or of one of the kinds that have none.
pub(super) fn response(status: &str, description: &str, name: &str) -> Value {
    let mut response = json!({"description": description, "headers": headers(status)});
    match name {
        "" => {}
        "text" => response["content"] = json!({"text/plain": {"schema": {"type": "string"}}}),
        "metrics" => {
            let text = json!({"schema": {"type": "string"}});
            response["content"] = json!({"text/plain": text, "application/openmetrics-text": text});
        }
        "document" => response["content"] = json!({"application/json": {"schema": {"type": "object"}}}),
        "Problem" => response["content"] = json!({"application/problem+json": {"schema": schema(name)}}),
        _ => response["content"] = json!({"application/json": {"schema": schema(name)}}),
    }
    response
}

/// The headers of a response, besides those of HTTP itself.
fn headers(status: &str) -> Value {
    let mut headers = json!({
        "x-request-id": {
            "required": true, "schema": {"type": "string"},
            "description": "The id of the request: that of the caller, if it sent 1 to 128 visible ASCII characters",
        },
    });
    if status == "401" {
        headers["WWW-Authenticate"] = json!({
            "required": true, "schema": {"type": "string"},
            "description": "`Bearer`, with `error` if a token was sent",
        });
    }
    if matches!(status, "429" | "503") {
        headers["Retry-After"] = json!({
            "required": true, "schema": {"type": "integer", "minimum": 1},
            "description": "Seconds until a repeat can succeed",
        });
    }
    headers
}
