//! The OpenAPI 3.1 description of the API, generated from the routes and the wire
//! types.
//!
//! - `routes`: the descriptions of the routes
//! - `security`: how a caller authenticates

mod routes;
mod security;

use dlm_protocol as wire;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::route::{ROUTES, Route};
use routes::{RouteDescription, describe};

/// The schemas of the wire types. The paths come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "dlm", description = "A distributed lock manager", license(name = "MIT OR Apache-2.0")),
    components(schemas(
        wire::AccessRule,
        wire::AcquireRequest,
        wire::CancelOutcome,
        wire::Cancelled,
        wire::CheckRequest,
        wire::Checked,
        wire::EndReason,
        wire::Event,
        wire::EventKind,
        wire::EventPage,
        wire::ContendedLock,
        wire::ExpiredLease,
        wire::LongWait,
        wire::Overview,
        wire::OverviewSecond,
        wire::FencingToken,
        wire::ForceReleaseRequest,
        wire::ForceReleased,
        wire::Holder,
        wire::IdempotencyKey,
        wire::Lease,
        wire::LeaseEnded,
        wire::LeaseId,
        wire::LockPage,
        wire::LockState,
        wire::LockStatus,
        wire::Metadata,
        wire::Mode,
        wire::Owner,
        wire::Problem,
        wire::ProblemCode,
        wire::Queued,
        wire::Quota,
        wire::Reason,
        wire::ReleaseRequest,
        wire::Released,
        wire::Renewal,
        wire::RenewItem,
        wire::RenewManyRequest,
        wire::RenewRequest,
        wire::RenewResult,
        wire::Renewed,
        wire::ResourceName,
        wire::Role,
        wire::SessionBody,
        wire::SessionOp,
        wire::SessionQueued,
        wire::SessionRequest,
        wire::StateFilter,
        wire::Ticket,
        wire::TicketPurpose,
        wire::TicketRequest,
        wire::Timestamp,
        wire::Ttl,
        wire::Wait,
        wire::Waiter,
        wire::WhoAmI,
    ))
)]
struct Schemas;

/// The OpenAPI 3.1 description of the API, as JSON text.
#[must_use]
pub fn document() -> String {
    let mut document = serde_json::to_value(Schemas::openapi()).unwrap_or_else(|error| {
        tracing::error!(%error, "OpenAPI schemas could not be serialized");
        json!({})
    });
    let mut paths = Map::new();
    for (method, path, route) in &ROUTES {
        let description = describe(*route);
        let operations = paths.entry(*path).or_insert_with(|| json!({}));
        operations[method.as_str().to_ascii_lowercase()] = operation(path, *route, &description);
    }
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["paths"] = Value::Object(paths);
    document["x-limits"] = limits();
    document["components"]["securitySchemes"] = security::schemes();
    complete(&mut document["components"]["schemas"]);
    document.to_string()
}

/// The bounds of the contract by name. Most are in bytes, which `maxLength`
/// (characters) can't express, so they are published as an extension too.
fn limits() -> Value {
    use wire::limits;
    json!({
        "MAX_NAME_BYTES": limits::MAX_NAME_BYTES,
        "MAX_KEY_BYTES": limits::MAX_KEY_BYTES,
        "MIN_TTL_MS": limits::MIN_TTL_MS,
        "MAX_TTL_MS": limits::MAX_TTL_MS,
        "DEFAULT_TTL_MS": limits::DEFAULT_TTL_MS,
        "MAX_WAIT_MS": limits::MAX_WAIT_MS,
        "MAX_OWNER_BYTES": limits::MAX_OWNER_BYTES,
        "MAX_METADATA_BYTES": limits::MAX_METADATA_BYTES,
        "MAX_REASON_BYTES": limits::MAX_REASON_BYTES,
        "MAX_HOLDERS_SHOWN": limits::MAX_HOLDERS_SHOWN,
        "MAX_WAITERS_SHOWN": limits::MAX_WAITERS_SHOWN,
        "DEFAULT_PAGE": limits::DEFAULT_PAGE,
        "MAX_PAGE": limits::MAX_PAGE,
        "MAX_HOLD_MS": limits::MAX_HOLD_MS,
        "AWAY_GRACE_MS": limits::AWAY_GRACE_MS,
        "OVERVIEW_SECONDS": limits::OVERVIEW_SECONDS,
        "LONG_WAIT_MS": limits::LONG_WAIT_MS,
    })
}

/// Adds what the derived schemas lack: the `type` tag of the messages of the event
/// stream, and that all fields of an acquire are optional.
fn complete(schemas: &mut Value) {
    for (name, tag) in [("Event", "event"), ("Renewal", "renewed")] {
        schemas[name]["properties"]["type"] = json!({"type": "string", "enum": [tag]});
        if let Some(required) = schemas[name]["required"].as_array_mut() {
            required.insert(0, json!("type"));
        }
    }
    schemas["EventMark"] = json!({
        "type": "object",
        "description": "A position in the event stream to resume from.",
        "required": ["type", "cursor"],
        "properties": {
            "type": {"type": "string", "enum": ["synced", "bookmark"]},
            "cursor": {"type": "string"},
        },
    });
    if let Some(acquire) = schemas["AcquireRequest"].as_object_mut() {
        acquire.remove("required");
    }
    // `maxLength` counts characters, the server counts bytes.
    for schema in schemas.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(max) = schema["maxLength"].as_u64() else { continue };
        let described = schema["description"].as_str().unwrap_or_default();
        schema["description"] = json!(
            format!("{described}\n\nThe maximum is {max} bytes of UTF-8, not characters.").trim_start()
        );
    }
}

fn operation(path: &str, route: Route, description: &RouteDescription) -> Value {
    let mut parameters = Vec::new();
    if path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "schema": schema("ResourceName"),
            "description": "The resource name as one percent-encoded segment",
        }));
    }
    if let Some(required) = description.key {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": required, "schema": schema("IdempotencyKey"),
        }));
    }
    for name in description.query {
        let schema = match *name {
            "limit" => json!({
                "type": "integer", "minimum": 1, "maximum": wire::limits::MAX_PAGE, "default": wire::limits::DEFAULT_PAGE,
            }),
            "seconds" => json!({
                "type": "integer", "minimum": 0, "maximum": wire::limits::OVERVIEW_SECONDS,
                "default": wire::limits::OVERVIEW_SECONDS,
            }),
            "newest" | "renewals" => json!({"type": "boolean", "default": false}),
            "state" => schema("StateFilter"),
            _ => json!({"type": "string"}),
        };
        parameters.push(json!({"name": name, "in": "query", "schema": schema}));
    }
    let takes_body = description.body.is_some() || route == Route::Cancel;
    let mut responses = Map::new();
    for (status, text, schema) in description.responses {
        responses.insert((*status).into(), response(status, text, schema));
    }
    for (status, text) in problems(route, takes_body) {
        responses.entry(status).or_insert_with(|| response(status, text, "Problem"));
    }
    let mut operation = json!({
        "operationId": route.name(), "summary": description.summary, "parameters": parameters, "responses": responses,
        "security": security::required(route),
    });
    if takes_body {
        let body = description.body.map_or_else(no_fields, schema);
        operation["requestBody"] = json!({
            "required": !matches!(route, Route::Acquire | Route::Cancel),
            "content": {"application/json": {"schema": body}},
        });
    }
    operation
}

/// The problems that any operation can be answered with.
fn problems(route: Route, takes_body: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
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
    let is_public = matches!(route, Route::Livez | Route::Readyz);
    let is_never_limited =
        is_public || matches!(route, Route::Renew | Route::RenewMany | Route::Release | Route::Cancel);
    let limits = move |(status, _): &(&str, &str)| *status != "429" || !is_never_limited;
    let of_callers = Some(unauthenticated).filter(|_| !is_public);
    of_bodies
        .into_iter()
        .filter(move |_| takes_body)
        .chain(of_all.into_iter().filter(limits))
        .chain(of_callers)
}

/// The body of an operation without fields.
fn no_fields() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "There are no fields. The body may also be absent or empty.",
    })
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn response(status: &str, description: &str, name: &str) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_the_event_stream_have_a_type_tag() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let schemas = &document["components"]["schemas"];
        for (name, tag) in [("Event", "event"), ("Renewal", "renewed"), ("EventMark", "synced")] {
            assert_eq!(schemas[name]["properties"]["type"]["enum"][0], tag);
            assert!(schemas[name]["required"].as_array().unwrap().contains(&json!("type")), "{name}");
        }
        assert!(schemas["AcquireRequest"]["properties"]["ttl_ms"].is_object());
        assert!(schemas["AcquireRequest"].get("required").is_none());
    }

    #[test]
    fn schema_bounds_match_the_published_limits() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let (schemas, limits) = (&document["components"]["schemas"], &document["x-limits"]);
        for (schema, bound, limit) in [
            ("Ttl", "minimum", "MIN_TTL_MS"),
            ("Ttl", "maximum", "MAX_TTL_MS"),
            ("Wait", "maximum", "MAX_WAIT_MS"),
            ("ResourceName", "maxLength", "MAX_NAME_BYTES"),
            ("IdempotencyKey", "maxLength", "MAX_KEY_BYTES"),
            ("Owner", "maxLength", "MAX_OWNER_BYTES"),
            ("Reason", "maxLength", "MAX_REASON_BYTES"),
        ] {
            assert!(limits[limit].is_u64(), "{limit}");
            assert_eq!(schemas[schema][bound].as_u64(), limits[limit].as_u64(), "{schema}.{bound}");
        }
    }

    #[test]
    fn responses_have_their_headers_and_bounds_their_unit() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        for (method, path, _) in &ROUTES {
            let operation = &document["paths"][path][method.as_str().to_ascii_lowercase()];
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["headers"]["x-request-id"].is_object(), "{path} {status}");
                assert_eq!(
                    response["headers"]["Retry-After"].is_object(),
                    matches!(status.as_str(), "429" | "503"),
                    "{path} {status}"
                );
            }
            assert!(operation["responses"].get("default").is_none(), "{path}: every status is listed");
        }
        let cancel = &document["paths"]["/v1/locks/{name}/cancel"]["post"]["requestBody"];
        assert_eq!(cancel["required"], false);
        assert_eq!(cancel["content"]["application/json"]["schema"]["additionalProperties"], false);
        for name in ["ResourceName", "IdempotencyKey", "Owner", "Reason"] {
            let description = document["components"]["schemas"][name]["description"].as_str().unwrap();
            assert!(description.contains("bytes of UTF-8, not characters"), "{name}: {description}");
        }
    }

    #[test]
    fn every_route_is_described_and_every_referenced_schema_exists() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (method, path, route) in &ROUTES {
            let operation = &document["paths"][path][method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["operationId"], route.name(), "{method} {path}");
        }
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "no schema {name}");
        }
    }
}
