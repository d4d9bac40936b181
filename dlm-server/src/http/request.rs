//! Decodes a request's path, query, headers and body into an operation.

use bytes::Bytes;
use dlm_protocol::limits::{MAX_BODY_BYTES, MAX_RENEW_BODY_BYTES, MAX_RENEWALS};
use dlm_protocol::{
    AcquireRequest, IdempotencyKey, ProblemCode, RenewManyRequest, ResourceName, TicketRequest,
};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;

use super::body;
use super::percent;
use super::query::Query;
use super::read_query;
use super::response::Rejection;
use super::route::Route;
use crate::service::{Operation, OwnerFilter};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Decodes the operation of a request; `None` for routes that are none.
pub(super) async fn operation(
    route: Route,
    name: Option<&str>,
    parts: &Parts,
    incoming: Incoming,
) -> Result<Option<Operation>, Rejection> {
    let resource = || resource(name);
    let headers = &parts.headers;
    let query = |known: &[&str]| Query::parse(parts.uri.query(), known);
    let operation = match route {
        Route::Status => {
            query(&[])?;
            Operation::Status { resource: resource()? }
        }
        Route::List => Operation::List(read_query::list(query(&read_query::LIST_QUERY)?)?),
        Route::Events => Operation::Events(read_query::events(query(&read_query::EVENTS_QUERY)?)?),
        Route::WaitGraph => Operation::WaitGraph { limit: read_query::limit(&mut query(&["limit"])?)? },
        Route::State => Operation::State(read_query::state(query(&read_query::STATE_QUERY)?)?),
        Route::Explain => {
            let owner = read_query::owner_of_query(query(&["owner", "principal"])?)?;
            Operation::Explain { resource: resource()?, owner }
        }
        Route::HoldStatistics => {
            Operation::HoldStatistics { resources: read_query::resources(parts.uri.query())? }
        }
        Route::Owners => Operation::Owners(read_query::owners(query(&read_query::OWNERS_QUERY)?)?),
        Route::Owner => {
            let principal = query(&["principal"])?.take("principal");
            Operation::Owner(OwnerFilter { owner: read_query::owner(name)?, principal })
        }
        Route::Principal => {
            query(&[])?;
            Operation::Principal { name: read_query::principal(name)? }
        }
        Route::Overview => Operation::Overview { seconds: read_query::seconds(query(&["seconds"])?)? },
        Route::RenewMany => {
            query(&[])?;
            let bytes = body::read(incoming, MAX_RENEW_BODY_BYTES).await?;
            let request: RenewManyRequest = body::parse(headers, &bytes)?;
            if request.leases.len() > MAX_RENEWALS {
                return Err(Rejection::invalid(format!("`leases` must hold at most {MAX_RENEWALS} leases")));
            }
            Operation::RenewMany { leases: request.leases }
        }
        Route::Session
        | Route::WhoAmI
        | Route::Tickets
        | Route::Livez
        | Route::Readyz
        | Route::Metrics
        | Route::OpenApi => return Ok(None),
        Route::Acquire
        | Route::Cancel
        | Route::Renew
        | Route::Release
        | Route::ForceRelease
        | Route::RequestRelease
        | Route::Check => {
            query(&[])?;
            let resource = resource()?;
            let bytes = body::read(incoming, MAX_BODY_BYTES).await?;
            of_resource(route, resource, headers, &bytes)?
        }
    };
    Ok(Some(operation))
}

/// Decodes a request for a ticket.
pub(super) async fn ticket(parts: &Parts, incoming: Incoming) -> Result<TicketRequest, Rejection> {
    Query::parse(parts.uri.query(), &[])?;
    let bytes = body::read(incoming, MAX_BODY_BYTES).await?;
    body::parse(&parts.headers, &bytes)
}

fn of_resource(
    route: Route,
    resource: ResourceName,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<Operation, Rejection> {
    // However it is framed: HTTP/2 may send an empty frame, HTTP/1 a last chunk.
    let without_body = bytes.is_empty();
    Ok(match route {
        Route::Acquire => {
            let request = if without_body { AcquireRequest::default() } else { body::parse(headers, bytes)? };
            Operation::Acquire { resource, key: key(headers)?, request }
        }
        Route::Cancel => {
            if !without_body {
                body::parse::<EmptyBody>(headers, bytes)?;
            }
            let missing = || Rejection::invalid("a cancel needs the `Idempotency-Key` header of its acquire");
            Operation::Cancel { resource, key: key(headers)?.ok_or_else(missing)? }
        }
        Route::Renew => Operation::Renew { resource, request: body::parse(headers, bytes)? },
        Route::Release => Operation::Release { resource, request: body::parse(headers, bytes)? },
        Route::ForceRelease => Operation::ForceRelease { resource, request: body::parse(headers, bytes)? },
        Route::RequestRelease => {
            Operation::RequestRelease { resource, request: body::parse(headers, bytes)? }
        }
        Route::Check => Operation::Check { resource, request: body::parse(headers, bytes)? },
        _ => return Err(Rejection::new(ProblemCode::InternalError, 500, "this route has no operation")),
    })
}

/// The body of an operation without fields.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

/// Decodes the resource name, one segment of the path, once.
pub(super) fn resource(segment: Option<&str>) -> Result<ResourceName, Rejection> {
    let invalid = |why: String| Rejection::new(ProblemCode::InvalidName, 400, why);
    let name = percent::decode(segment.unwrap_or(""))
        .map_err(|error| invalid(format!("the resource name in the path {error}")))?;
    ResourceName::try_from(name.as_ref()).map_err(|error| invalid(error.to_string()))
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Rejection> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::invalid("the header `Idempotency-Key` is given twice"));
    }
    let text = value.to_str().unwrap_or("");
    IdempotencyKey::try_from(text).map(Some).map_err(|error| Rejection::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_name_is_decoded_once() {
        for (segment, name) in [
            ("orders%2F42", "orders/42"),
            ("a%252Fb", "a%2Fb"),
            ("a+b", "a+b"),
            ("%F0%9F%94%92", "🔒"),
            ("%25", "%"),
        ] {
            assert_eq!(resource(Some(segment)).unwrap().as_str(), name);
        }
    }

    #[test]
    fn an_invalid_resource_name_is_rejected() {
        for segment in ["", "..", "%2e%2E", ".", "%", "%4", "%zz", "%ff", "a%00b", "a%0Ab"] {
            assert!(resource(Some(segment)).is_err(), "{segment}");
        }
    }
}
