use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp, Ttl};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An acquire joined the queue.
    Queued,
    /// A lease began.
    Granted,
    /// Its holder ended it.
    Released,
    /// Its time ran out.
    Expired,
    /// An operator ended it.
    ForceReleased,
    /// A waiter left the queue or lost its place.
    Cancelled,
    /// A waiter's time ran out.
    WaitTimedOut,
    /// Something that this version does not know. It is read, never sent.
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

    /// The word on the wire.
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
            .description(Some("What happened."))
            .enum_values(Some(Self::SENT.map(Self::as_str)))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for EventKind {}

/// One change of one resource, as the event log holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "event")]
pub struct Event {
    /// Resume after this one.
    pub cursor: String,
    /// What happened.
    pub kind: EventKind,
    /// To which resource.
    pub resource: ResourceName,
    /// Mode of the lease or waiter concerned.
    pub mode: Mode,
    /// Token of the lease concerned; null for a waiter's events.
    pub fencing_token: Option<FencingToken>,
    /// The resource's counter after the event.
    pub current_token: FencingToken,
    /// One more with every event of the resource.
    pub version: u64,
    /// Who asked.
    pub owner: Owner,
    /// In a waiter's events, and in the grant that ended its wait.
    pub waiter_id: Option<String>,
    /// In the grant that ended a wait: how long the wait took, in milliseconds.
    #[serde(default)]
    pub waited_ms: Option<u64>,
    /// In grants: the lease's TTL.
    pub ttl_ms: Option<Ttl>,
    /// In grants: when the lease ends unless it is renewed.
    pub expires_at: Option<Timestamp>,
    /// How many wait after the event.
    pub queue_len: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The operator's reason, or `away` for a waiter that lost its place.
    pub reason: Option<String>,
}

/// A page of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// The events, in the order of the log.
    pub events: Vec<Event>,
    /// `after` of the next page.
    pub cursor: String,
}

/// The WebSocket subprotocol of `GET /v1/events`.
pub const EVENTS_PROTOCOL: &str = "dlm.events.v1";

/// Close codes of the WebSockets.
pub mod close {
    /// The server goes away: connect again, to this one or another.
    pub const GOING_AWAY: u16 = 1012;
    /// The cursor is not one of this event log.
    pub const INVALID_CURSOR: u16 = 4400;
    /// The cursor is older than the event log.
    pub const CURSOR_EXPIRED: u16 = 4410;
    /// The reader was too slow for its buffer; it can resume.
    pub const TOO_SLOW: u16 = 4429;
}

/// What the event stream sends.
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
    /// Something happened.
    Event(Box<Event>),
    /// What follows happens from now on.
    Synced {
        /// Resume from here.
        cursor: String,
    },
    /// Nothing that was asked for happened up to here.
    Bookmark {
        /// Resume from here.
        cursor: String,
    },
    /// A lease began a new term. Only sent when asked for, and not in the log.
    Renewed(Renewal),
}

/// A new term of a lease, told live alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename = "renewed")]
pub struct Renewal {
    /// What is locked.
    pub resource: ResourceName,
    /// Which lease.
    pub fencing_token: FencingToken,
    /// When it ends unless it is renewed again.
    pub expires_at: Timestamp,
}

impl Serialize for EventMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Mark<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            cursor: &'a str,
        }
        match self {
            Self::Event(event) => event.serialize(serializer),
            Self::Renewed(renewal) => renewal.serialize(serializer),
            Self::Synced { cursor } => Mark { kind: "synced", cursor }.serialize(serializer),
            Self::Bookmark { cursor } => Mark { kind: "bookmark", cursor }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_newer_server_is_still_read() {
        assert_eq!(serde_json::from_str::<EventKind>(r#""not_yet_known""#).unwrap(), EventKind::Other);
    }

    #[test]
    fn a_message_of_the_stream_is_read_back() {
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
