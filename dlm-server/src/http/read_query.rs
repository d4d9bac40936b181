//! Decodes the queries of reads.

use std::time::Duration;

use dlm_protocol::limits::{DEFAULT_PAGE, MAX_BATCH_MS, MAX_HOLD_STATISTICS, MAX_PAGE, OVERVIEW_SECONDS};
use dlm_protocol::{EventKind, Owner, ProblemCode, ResourceName, StateFilter, Timestamp};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;

use super::percent;
use super::query::Query;
use super::response::Rejection;
use crate::auth::check_principal_name;
use crate::service::{EventFilter, EventsQuery, ListQuery, OwnerFilter, OwnersQuery, StateQuery};

/// The parameters of a page of locks.
pub(super) const LIST_QUERY: [&str; 5] = ["prefix", "contains", "state", "limit", "after"];

/// The parameters of a page of events.
pub(super) const EVENTS_QUERY: [&str; 11] =
    ["after", "prefix", "resource", "limit", "newest", "before", "kind", "owner", "principal", "from", "to"];

/// The parameters of a page of owners.
pub(super) const OWNERS_QUERY: [&str; 5] = ["contains", "prefix", "principal", "limit", "after"];

/// The parameters of a look at the past.
pub(super) const STATE_QUERY: [&str; 5] = ["at", "prefix", "owner", "longest_waits_first", "limit"];

/// Decodes an owner, one segment of the path, once. An empty one is that of acquires without one.
pub(super) fn owner(segment: Option<&str>) -> Result<Owner, Rejection> {
    let text = percent::decode(segment.unwrap_or(""))
        .map_err(|error| Rejection::invalid(format!("the owner in the path {error}")))?;
    checked_owner(&text)
}

fn checked_owner(text: &str) -> Result<Owner, Rejection> {
    Owner::try_from(text).map_err(|error| Rejection::invalid(error.to_string()))
}

/// Decodes the name of a principal, one segment of the path, once.
pub(super) fn principal(segment: Option<&str>) -> Result<String, Rejection> {
    let name = percent::decode(segment.unwrap_or(""))
        .map_err(|error| Rejection::invalid(format!("the principal in the path {error}")))?;
    check_principal_name(&name).map_err(|why| Rejection::invalid(format!("a principal {why}")))?;
    Ok(name.into_owned())
}

/// The owner, and its principal, that a query names.
pub(super) fn owner_of_query(mut query: Query) -> Result<Option<OwnerFilter>, Rejection> {
    let principal = query.take("principal");
    match query.take("owner") {
        Some(owner) => Ok(Some(OwnerFilter { owner: checked_owner(&owner)?, principal })),
        None if principal.is_some() => Err(Rejection::invalid("`principal` needs `owner`")),
        None => Ok(None),
    }
}

pub(super) fn owners(mut query: Query) -> Result<OwnersQuery, Rejection> {
    Ok(OwnersQuery {
        contains: query.take("contains").unwrap_or_default(),
        prefix: query.take("prefix").unwrap_or_default(),
        principal: query.take("principal"),
        limit: limit(&mut query)?,
        after: query.take("after"),
    })
}

/// The resources that a query names.
pub(super) fn resources(query: Option<&str>) -> Result<Vec<ResourceName>, Rejection> {
    let query = Query::parse_repeating(query, &["resource"], "resource")?;
    let names = query.all("resource").map(checked_name).collect::<Result<Vec<_>, _>>()?;
    match names.len() {
        1..=MAX_HOLD_STATISTICS => Ok(names),
        _ => Err(Rejection::invalid(format!("`resource` must be given 1 to {MAX_HOLD_STATISTICS} times"))),
    }
}

pub(super) fn state(mut query: Query) -> Result<StateQuery, Rejection> {
    Ok(StateQuery {
        at: instant(&mut query, "at")?,
        prefix: query.take("prefix").unwrap_or_default(),
        owner: query.take("owner").map(|owner| checked_owner(&owner)).transpose()?,
        longest_waits_first: flag(&mut query, "longest_waits_first")?,
        limit: limit(&mut query)?,
    })
}

pub(super) fn list(mut query: Query) -> Result<ListQuery, Rejection> {
    let state = match query.take("state").as_deref() {
        None | Some("held") => StateFilter::Held,
        Some("waiting") => StateFilter::Waiting,
        Some("all") => StateFilter::All,
        Some(_) => return Err(Rejection::invalid("`state` must be `held`, `waiting` or `all`")),
    };
    Ok(ListQuery {
        prefix: query.take("prefix").unwrap_or_default(),
        contains: query.take("contains").unwrap_or_default(),
        state,
        limit: limit(&mut query)?,
        after: query.take("after"),
    })
}

pub(super) fn events(mut query: Query) -> Result<EventsQuery, Rejection> {
    let newest = flag(&mut query, "newest")?;
    let after = query.take("after");
    if newest && after.is_some() {
        return Err(Rejection::invalid("`newest` and `after` can't be combined"));
    }
    let before = query.take("before");
    if before.is_some() && !newest {
        return Err(Rejection::invalid("`before` needs `newest=true`"));
    }
    Ok(EventsQuery {
        prefix: query.take("prefix").unwrap_or_default(),
        resource: resource_filter(&mut query)?,
        limit: limit(&mut query)?,
        after,
        newest,
        before,
        kinds: kinds(&mut query)?,
        owner: query.take("owner"),
        principal: query.take("principal"),
        from: instant(&mut query, "from")?,
        to: instant(&mut query, "to")?,
    })
}

/// Event kinds, separated by commas.
fn kinds(query: &mut Query) -> Result<Vec<EventKind>, Rejection> {
    let text = query.take("kind").unwrap_or_default();
    let names = text.split(',').filter(|name| !name.is_empty());
    names
        .map(|name| match EventKind::deserialize(value(name)) {
            Ok(kind) if kind != EventKind::Other => Ok(kind),
            _ => Err(Rejection::invalid(format!("`kind` has `{name}`, which is no kind of event"))),
        })
        .collect()
}

fn instant(query: &mut Query, name: &str) -> Result<Option<Timestamp>, Rejection> {
    let Some(text) = query.take(name) else { return Ok(None) };
    let invalid = |_| Rejection::invalid(format!("`{name}` must be an instant as `2026-01-01T00:00:00Z`"));
    Timestamp::deserialize(value(&text)).map(Some).map_err(invalid)
}

/// A text as a value that a type of the wire is deserialized from.
fn value(text: &str) -> StrDeserializer<'_, serde::de::value::Error> {
    text.into_deserializer()
}

fn flag(query: &mut Query, name: &str) -> Result<bool, Rejection> {
    match query.take(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Rejection::invalid(format!("`{name}` must be `true` or `false`"))),
    }
}

pub(super) fn seconds(mut query: Query) -> Result<usize, Rejection> {
    let Some(text) = query.take("seconds") else { return Ok(OVERVIEW_SECONDS) };
    match text.parse() {
        Ok(seconds) if seconds <= OVERVIEW_SECONDS => Ok(seconds),
        _ => Err(Rejection::invalid(format!("`seconds` must be 0 to {OVERVIEW_SECONDS}"))),
    }
}

/// The query of an event socket.
pub(super) struct EventStream {
    pub(super) after: Option<String>,
    pub(super) filter: EventFilter,
    pub(super) renewals: bool,
    pub(super) wait_graph: bool,
    /// How long events are collected for a frame.
    pub(super) batch: Option<Duration>,
}

/// Decodes the query of an event socket.
pub(super) fn event_stream(query: Option<&str>) -> Result<EventStream, Rejection> {
    let mut query =
        Query::parse(query, &["after", "prefix", "resource", "renewals", "wait_graph", "batch_ms"])?;
    let renewals = flag(&mut query, "renewals")?;
    let wait_graph = flag(&mut query, "wait_graph")?;
    let prefix = query.take("prefix").unwrap_or_default();
    let filter = EventFilter { prefix, resource: resource_filter(&mut query)? };
    let batch = batch(&mut query)?;
    Ok(EventStream { after: query.take("after"), filter, renewals, wait_graph, batch })
}

fn batch(query: &mut Query) -> Result<Option<Duration>, Rejection> {
    let Some(text) = query.take("batch_ms") else { return Ok(None) };
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(ms @ 1..=MAX_BATCH_MS) => Ok(Some(Duration::from_millis(ms))),
        _ => Err(Rejection::invalid(format!("`batch_ms` must be 0 to {MAX_BATCH_MS}"))),
    }
}

fn resource_filter(query: &mut Query) -> Result<Option<ResourceName>, Rejection> {
    query.take("resource").map(checked_name).transpose()
}

fn checked_name(name: String) -> Result<ResourceName, Rejection> {
    ResourceName::try_from(name)
        .map_err(|error| Rejection::new(ProblemCode::InvalidName, 400, error.to_string()))
}

pub(super) fn limit(query: &mut Query) -> Result<usize, Rejection> {
    let Some(text) = query.take("limit") else { return Ok(DEFAULT_PAGE) };
    match text.parse() {
        Ok(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        _ => Err(Rejection::invalid(format!("`limit` must be 1 to {MAX_PAGE}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_an_event_stream_are_percent_encoded() {
        for parameter in ["after", "prefix", "resource", "renewals", "wait_graph", "batch_ms"] {
            let rejection = event_stream(Some(&format!("{parameter}=%"))).err();
            assert_eq!(rejection.map(|rejection| rejection.status()), Some(400), "{parameter}");
        }
    }

    #[test]
    fn interval_of_a_batch_is_checked() {
        let batch = |text: &str| event_stream(Some(text)).map(|stream| stream.batch);
        assert_eq!(batch("").unwrap(), None);
        assert_eq!(batch("batch_ms=0").unwrap(), None);
        assert_eq!(batch("batch_ms=250").unwrap(), Some(Duration::from_millis(250)));
        for text in ["batch_ms=251", "batch_ms=-1", "batch_ms=", "batch_ms=true"] {
            assert!(batch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_of_events_are_checked() {
        let page = |text: &str| events(Query::parse(Some(text), &EVENTS_QUERY)?);
        let query = page(
            "kind=expired,force_released&owner=a&principal=p&from=2026-01-01T00:00:00Z&newest=true&before=c",
        );
        let query = query.unwrap();
        assert_eq!(query.kinds, [EventKind::Expired, EventKind::ForceReleased]);
        assert_eq!(query.from.unwrap().as_micros(), 1_767_225_600_000_000);
        assert_eq!((query.owner.as_deref(), query.principal.as_deref()), (Some("a"), Some("p")));
        assert_eq!(query.to, None);
        assert!(page("kind=").unwrap().kinds.is_empty());
        for text in ["kind=other", "kind=lost", "kind=expired,lost", "from=yesterday", "to=1", "before=c"] {
            assert!(page(text).is_err(), "{text}");
        }
    }
}
