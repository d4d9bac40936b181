//! The OpenAPI 3.1 description of the API, generated from the routes and the wire
//! types.
//!
//! - `routes`: the descriptions of the routes
//! - `schemas`: the schemas of the wire types
//! - `responses`: what operations are answered with
//! - `security`: how a caller authenticates

mod responses;
mod routes;
mod schemas;
mod security;

use dlm_protocol as wire;
use serde_json::{Map, Value, json};

use super::route::{ROUTES, Route};
use responses::{problems, response};
use routes::{RouteDescription, describe};

/// The OpenAPI 3.1 description of the API, as JSON text.
#[must_use]
pub fn document() -> String {
    let mut document = schemas::document();
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
        "MIN_WITHIN_MS": limits::MIN_WITHIN_MS,
        "MAX_WITHIN_MS": limits::MAX_WITHIN_MS,
        "MAX_HOLDERS_SHOWN": limits::MAX_HOLDERS_SHOWN,
        "MAX_WAITERS_SHOWN": limits::MAX_WAITERS_SHOWN,
        "DEFAULT_PAGE": limits::DEFAULT_PAGE,
        "MAX_PAGE": limits::MAX_PAGE,
        "MAX_HOLD_MS": limits::MAX_HOLD_MS,
        "AWAY_GRACE_MS": limits::AWAY_GRACE_MS,
        "OVERVIEW_SECONDS": limits::OVERVIEW_SECONDS,
        "LONG_WAIT_MS": limits::LONG_WAIT_MS,
        "MAX_HOLD_STATISTICS": limits::MAX_HOLD_STATISTICS,
    })
}

fn operation(path: &str, route: Route, description: &RouteDescription) -> Value {
    let mut parameters = Vec::new();
    if path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "schema": schema("ResourceName"),
            "description": "The resource name as one percent-encoded segment",
        }));
    }
    if path.contains("{owner}") {
        parameters.push(json!({
            "name": "owner", "in": "path", "required": true, "schema": schema("Owner"),
            "description": "The owner as one percent-encoded segment, which may be empty",
        }));
    }
    if path.contains("{principal}") {
        parameters.push(json!({
            "name": "principal", "in": "path", "required": true, "schema": {"type": "string"},
            "description": "The name of the principal as one percent-encoded segment",
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
            "batch_ms" => {
                json!({"type": "integer", "minimum": 0, "maximum": wire::limits::MAX_BATCH_MS, "default": 0})
            }
            "from" | "to" | "at" => schema("Timestamp"),
            "resource" if route == Route::HoldStatistics => json!({
                "type": "array", "items": schema("ResourceName"), "minItems": 1,
                "maxItems": wire::limits::MAX_HOLD_STATISTICS,
            }),
            "newest" | "renewals" | "wait_graph" | "longest_waits_first" => {
                json!({"type": "boolean", "default": false})
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_the_event_stream_have_a_type_tag() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let schemas = &document["components"]["schemas"];
        for (name, tag) in [
            ("Event", "event"),
            ("Renewal", "renewed"),
            ("LiveWaitGraph", "wait_graph"),
            ("EventMark", "synced"),
        ] {
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
            ("Within", "minimum", "MIN_WITHIN_MS"),
            ("Within", "maximum", "MAX_WITHIN_MS"),
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
