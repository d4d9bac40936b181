//! The event log and its stream.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp, Ttl};

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
    #[cfg(feature = "openapi")]
    const SENT: [Self; 7] = [
        Self::Queued,
        Self::Granted,
        Self::Released,
        Self::Expired,
        Self::ForceReleased,
        Self::Cancelled,
        Self::WaitTimedOut,
    ];

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
impl utoipa::PartialSchema for EventKind {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("The kind of an event."))
            .enum_values(Some(Self::SENT.map(Self::as_str)))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for EventKind {}

/// One change of one resource, as recorded in the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "event")]
pub struct Event {
    /// Pass it as `after` to resume behind this event.
    pub cursor: String,
    /// The kind of event.
    pub kind: EventKind,
    /// The resource that changed.
    pub resource: ResourceName,
    /// The mode of the lease or waiter concerned.
    pub mode: Mode,
    /// The fencing token of the lease concerned; null in a waiter's events.
    pub fencing_token: Option<FencingToken>,
    /// The resource's token counter after the event.
    pub current_token: FencingToken,
    /// The resource's version after the event. Every event of the resource
    /// increments it by one.
    pub version: u64,
    /// The owner as given in the acquire.
    pub owner: Owner,
    /// The waiter, in its events and in the grant that ended its wait.
    pub waiter_id: Option<String>,
    /// In a grant that ended a wait: the length of the wait, in milliseconds.
    #[serde(default)]
    pub waited_ms: Option<u64>,
    /// In grants: the lease's TTL.
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
}

/// A page of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// The events in log order.
    pub events: Vec<Event>,
    /// Pass it as `after` to get the next page.
    pub cursor: String,
}

/// The WebSocket subprotocol of `GET /v1/events`.
pub const EVENTS_PROTOCOL: &str = "dlm.events.v1";

/// WebSocket close codes.
pub mod close {
    /// The server is shutting down. Reconnect, to this server or another.
    pub const GOING_AWAY: u16 = 1012;
    /// The cursor does not belong to this event log.
    pub const INVALID_CURSOR: u16 = 4400;
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
}

/// A renewal of a lease. Sent live only: it has no cursor and is not in the
/// event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "renewed")]
pub struct Renewal {
    /// The locked resource.
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
            Self::Synced { cursor } => CursorMessage { kind: "synced", cursor }.serialize(serializer),
            Self::Bookmark { cursor } => CursorMessage { kind: "bookmark", cursor }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_kind_of_a_newer_server_is_read_as_other() {
        assert_eq!(serde_json::from_str::<EventKind>(r#""not_yet_known""#).unwrap(), EventKind::Other);
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
        };
        for message in [
            EventMessage::Event(Box::new(event)),
            EventMessage::Synced { cursor: "c".into() },
            EventMessage::Bookmark { cursor: "c".into() },
            EventMessage::Renewed(renewal),
        ] {
            let text = serde_json::to_string(&message).unwrap();
            assert_eq!(text.matches("\"type\"").count(), 1, "{text}");
            assert_eq!(serde_json::from_str::<EventMessage>(&text).unwrap(), message);
        }
    }
}
