//! The OpenAPI 3.1 description of the API, generated from the routes and the wire
//! types.
//!
//! - `routes`: the descriptions of the routes

mod routes;

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
        wire::SessionBody,
        wire::SessionOp,
        wire::SessionQueued,
        wire::SessionRequest,
        wire::StateFilter,
        wire::Timestamp,
        wire::Ttl,
        wire::Wait,
        wire::Waiter,
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
    let mut responses = Map::new();
    for (status, text, schema) in description.responses {
        responses.insert((*status).into(), response(text, schema));
    }
    responses.insert("default".into(), response("A problem", "Problem"));
    let mut operation = json!({
        "operationId": route.name(), "summary": description.summary, "parameters": parameters, "responses": responses,
    });
    if let Some(body) = description.body {
        operation["requestBody"] = json!({
            "required": route != Route::Acquire,
            "content": {"application/json": {"schema": schema(body)}},
        });
    }
    operation
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn response(description: &str, name: &str) -> Value {
    let media = match name {
        "" => return json!({"description": description}),
        "Problem" => "application/problem+json",
        _ => "application/json",
    };
    json!({"description": description, "content": {media: {"schema": schema(name)}}})
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
