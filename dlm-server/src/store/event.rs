//! The events of a batch as they are stored: one row of the log per batch.

use std::borrow::Cow;
use std::collections::HashMap;

use dlm_engine::{Event, EventKind, Micros, Mode};
use serde::{Deserialize, Serialize};

use super::sqlite::decode_events;
use super::{LogRow, Name, ResourceWrite, StoreError};

/// One event of the log. Its cursor is not stored: it follows from the row's
/// position and the event's index.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoggedEvent<'a> {
    pub(crate) kind: dlm_protocol::EventKind,
    #[serde(borrow)]
    pub(crate) resource: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shared: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<u64>,
    pub(crate) current_token: u64,
    pub(crate) version: u64,
    #[serde(borrow)]
    pub(crate) owner: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waited_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    pub(crate) queue_len: u64,
    pub(crate) at: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// In grants; absent for the anonymous principal.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Cow<'a, str>>,
    /// On Postgres, in the first event of a batch on each resource:
    /// [`ResourceWrite::last_events`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) earlier: Option<i64>,
}

impl<'a> LoggedEvent<'a> {
    pub(crate) fn new(resource: &'a str, event: &'a Event) -> Self {
        Self {
            kind: event_kind(event.kind),
            resource: Cow::Borrowed(resource),
            shared: event.mode == Mode::Shared,
            token: event.token,
            current_token: event.current_token,
            version: event.version,
            owner: Cow::Borrowed(&event.owner),
            ticket: event.ticket,
            waited_ms: event.waited_ms,
            ttl_ms: event.ttl_ms,
            expires_at: event.expires_at.map(|at| at.0),
            queue_len: event.queue_len,
            at: event.at.0,
            reason: event.reason.as_deref().map(Cow::Borrowed),
            principal: event.principal.as_deref().filter(|name| !name.is_empty()).map(Cow::Borrowed),
            by: event.by.as_deref().map(Cow::Borrowed),
            earlier: None,
        }
    }
}

impl LoggedEvent<'_> {
    /// About how many bytes of JSON the event takes on the wire.
    pub(crate) fn wire_bytes(&self) -> usize {
        const FIELDS: usize = 384;
        let reason = self.reason.as_deref().map_or(0, json_bytes);
        // At most one of them, and a name needs no escapes but of these two.
        let principal = self.principal.as_deref().or(self.by.as_deref()).map_or(0, json_bytes);
        FIELDS + json_bytes(&self.resource) + json_bytes(&self.owner) + reason + principal
    }
}

/// How many bytes a text without control characters takes as JSON.
fn json_bytes(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// Each event of a batch as JSON.
pub(super) fn to_json(
    events: &[(Name, Event)],
    writes: &[ResourceWrite<'_>],
) -> Result<Vec<String>, StoreError> {
    let mut earlier: HashMap<&str, i64> =
        writes.iter().map(|write| (&**write.name, write.last_events)).collect();
    let to_json = |(name, event): &(Name, Event)| {
        let earlier = earlier.remove(&**name);
        serde_json::to_string(&LoggedEvent { earlier, ..LoggedEvent::new(name, event) })
    };
    events
        .iter()
        .map(to_json)
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Rejected(error.to_string()))
}

/// The events of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowEvents {
    /// A JSON array.
    Json(String),
    /// The encoding of SQLite's journal, and the instant of the batch.
    Encoded { at: Micros, data: Vec<u8> },
}

impl RowEvents {
    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Encoded { data, .. } => data.len(),
        }
    }
}

impl LogRow {
    /// Decodes the events of a row.
    pub(crate) fn decode(&self) -> Result<Vec<LoggedEvent<'_>>, StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError::Corrupt(format!("log row {} can't be decoded: {error}", self.position))
        };
        match &self.events {
            RowEvents::Json(text) => serde_json::from_str(text).map_err(|error| failed(&error)),
            RowEvents::Encoded { at, data } => decode_events(*at, data).map_err(|error| failed(&error)),
        }
    }
}

/// An event kind of the engine in wire terms.
pub(crate) const fn event_kind(kind: EventKind) -> dlm_protocol::EventKind {
    match kind {
        EventKind::Queued => dlm_protocol::EventKind::Queued,
        EventKind::Granted => dlm_protocol::EventKind::Granted,
        EventKind::Released => dlm_protocol::EventKind::Released,
        EventKind::Expired => dlm_protocol::EventKind::Expired,
        EventKind::ForceReleased => dlm_protocol::EventKind::ForceReleased,
        EventKind::Cancelled => dlm_protocol::EventKind::Cancelled,
        EventKind::WaitTimedOut => dlm_protocol::EventKind::WaitTimedOut,
    }
}
