//! The event log and its stream.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::value::string_schema;
use crate::{FencingToken, LiveWaitGraph, Mode, Owner, ResourceName, Timestamp, Ttl, lenient};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An acquire was enqueued.
    Queued,
    /// A lease was granted.
    Granted,
    /// The holder released the lease.
    Released,
    /// The lease expired.
    Expired,
    /// An operator ended the lease.
    ForceReleased,
    /// A waiter left the queue, or lost its place because it was away.
    Cancelled,
    /// A wait reached its deadline.
    WaitTimedOut,
    /// A kind that this version does not know. It is deserialized, never sent.
    #[serde(other)]
    Other,
}

impl EventKind {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Granted => "granted",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::ForceReleased => "force_released",
            Self::Cancelled => "cancelled",
            Self::WaitTimedOut => "wait_timed_out",
            Self::Other => "other",
        }
    }
}

#[cfg(feature = "openapi")]
string_schema!(
    EventKind,
    "The kind of an event.",
    ["queued", "granted", "released", "expired", "force_released", "cancelled", "wait_timed_out"]
);

/// One change of one resource, as recorded in the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "event")]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Event {
    /// Pass it as `after` to resume behind this event.
    pub cursor: String,
    /// The kind of event.
    pub kind: EventKind,
    /// The resource that changed.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The mode of the lease or waiter concerned.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The fencing token of the lease concerned; null in a waiter's events.
    pub fencing_token: Option<FencingToken>,
    /// The resource's token counter after the event.
    pub current_token: FencingToken,
    /// The resource's version after the event. Every event of the resource
    /// increments it by one.
    pub version: u64,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The waiter, in its events and in the grant that ended its wait.
    pub waiter_id: Option<String>,
    /// In a grant that ended a wait: the length of the wait, in milliseconds.
    #[serde(default)]
    pub waited_ms: Option<u64>,
    /// In grants: the lease's TTL.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub ttl_ms: Option<Ttl>,
    /// In grants: when the lease expires unless it is renewed.
    pub expires_at: Option<Timestamp>,
    /// The length of the queue after the event.
    pub queue_len: u64,
    /// The instant of the event.
    pub at: Timestamp,
    /// The operator's reason for a force-release, or `away` for a waiter that
    /// lost its place.
    pub reason: Option<String>,
    /// In grants: the principal that holds the lease; absent if it was granted without
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// In force-releases: the principal of the operator; absent without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A page of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct EventPage {
    /// The events in log order.
    pub events: Vec<Event>,
    /// Pass it as `after` to get the next page.
    pub cursor: String,
    /// Of the newest events, if older ones may match: pass it as `before` to get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// With `start`: the instant of the earliest event that was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched_from: Option<Timestamp>,
}

/// The WebSocket subprotocol of `GET /v1/events`.
pub const EVENTS_PROTOCOL: &str = "dlm.events.v1";

/// WebSocket close codes.
pub mod close {
    /// The server is shutting down. Reconnect, to this server or another.
    pub const GOING_AWAY: u16 = 1012;
    /// The cursor does not belong to this event log.
    pub const INVALID_CURSOR: u16 = 4400;
    /// The credential has expired or was withdrawn.
    pub const UNAUTHENTICATED: u16 = 4401;
    /// A right that the socket needs was taken away.
    pub const FORBIDDEN: u16 = 4403;
    /// The cursor is older than the oldest event in the log.
    pub const CURSOR_EXPIRED: u16 = 4410;
    /// The subscriber was too slow. It can resume from its last cursor.
    pub const TOO_SLOW: u16 = 4429;
}

/// A message of the event stream.
///
/// ```
/// use dlm_protocol::EventMessage;
///
/// let message: EventMessage = serde_json::from_str(r#"{"type": "synced", "cursor": "abc"}"#)?;
/// assert_eq!(message, EventMessage::Synced { cursor: "abc".into() });
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventMessage {
    /// An event from the log.
    Event(Box<Event>),
    /// All stored events have been sent. Live events follow.
    Synced {
        /// Pass it as `after` to resume from here.
        cursor: String,
    },
    /// All matching events up to this cursor have been sent.
    Bookmark {
        /// Pass it as `after` to resume from here.
        cursor: String,
    },
    /// A lease was renewed. Sent only on request (`renewals=true`); not in the
    /// log.
    Renewed(Renewal),
    /// Who blocks whom has changed. Sent only on request (`wait_graph=true`), once a second at
    /// most; not in the log.
    WaitGraph(Box<LiveWaitGraph>),
    /// A message that this version does not know. It is deserialized, never sent.
    #[serde(other)]
    Unknown,
}

/// A renewal of a lease. Sent live only: it has no cursor and is not in the
/// event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "renewed")]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Renewal {
    /// The locked resource.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// When the lease expires unless it is renewed again.
    pub expires_at: Timestamp,
}

impl Serialize for EventMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct CursorMessage<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            cursor: &'a str,
        }
        match self {
            Self::Event(event) => event.serialize(serializer),
            Self::Renewed(renewal) => renewal.serialize(serializer),
            Self::WaitGraph(graph) => graph.serialize(serializer),
            Self::Synced { cursor } => CursorMessage { kind: "synced", cursor }.serialize(serializer),
            Self::Bookmark { cursor } => CursorMessage { kind: "bookmark", cursor }.serialize(serializer),
            Self::Unknown => CursorMessage { kind: "unknown", cursor: "" }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WaitGraph;

    #[test]
    fn event_kind_of_a_newer_server_is_read_as_other() {
        assert_eq!(serde_json::from_str::<EventKind>(r#""not_yet_known""#).unwrap(), EventKind::Other);
    }

    #[test]
    fn b70_event_of_a_newer_server_is_read() {
        let event = serde_json::json!({
            "type": "event", "cursor": "c", "kind": "not_yet_known", "resource": "n".repeat(1_000),
            "mode": "not_yet_known", "fencing_token": 1, "current_token": 1, "version": 1,
            "owner": "o".repeat(1_000), "waiter_id": null, "ttl_ms": 864_000_000_000_u64, "queue_len": 0,
            "at": "2026-01-01T00:00:00.000Z", "reason": "not_yet_known", "not_yet_known": {"of": "this"},
        });
        let EventMessage::Event(event) = serde_json::from_value(event).unwrap() else { panic!("an event") };
        assert_eq!((event.kind, event.mode), (EventKind::Other, Mode::Other));
        assert_eq!(event.ttl_ms.unwrap().as_millis(), 864_000_000_000);
        let message = r#"{"type": "not_yet_known", "cursor": {"of": "this"}}"#;
        assert_eq!(serde_json::from_str::<EventMessage>(message).unwrap(), EventMessage::Unknown);
    }

    #[test]
    fn stream_messages_round_trip() {
        let renewal = Renewal {
            resource: ResourceName::try_from("a").unwrap(),
            fencing_token: FencingToken::new(1),
            expires_at: Timestamp::from_micros(0),
        };
        let event = Event {
            cursor: "c".into(),
            kind: EventKind::Granted,
            resource: ResourceName::try_from("a").unwrap(),
            mode: Mode::Exclusive,
            fencing_token: Some(FencingToken::new(1)),
            current_token: FencingToken::new(1),
            version: 1,
            owner: Owner::default(),
            waiter_id: None,
            waited_ms: None,
            ttl_ms: None,
            expires_at: None,
            queue_len: 0,
            at: Timestamp::from_micros(0),
            reason: None,
            principal: Some("api".into()),
            by: None,
        };
        let at = Timestamp::from_micros(0);
        let wait_graph = WaitGraph { at, complete: true, locks: Vec::new(), possible_deadlocks: Vec::new() };
        for message in [
            EventMessage::Event(Box::new(event)),
            EventMessage::Synced { cursor: "c".into() },
            EventMessage::Bookmark { cursor: "c".into() },
            EventMessage::Renewed(renewal),
            EventMessage::WaitGraph(Box::new(LiveWaitGraph { wait_graph })),
        ] {
            let text = serde_json::to_string(&message).unwrap();
            assert_eq!(text.matches("\"type\"").count(), 1, "{text}");
            assert_eq!(serde_json::from_str::<EventMessage>(&text).unwrap(), message);
        }
    }
}
