use serde::{Deserialize, Serialize};

use crate::{FencingToken, Mode, Owner, ResourceName, Timestamp, Ttl};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
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
}

impl EventKind {
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
        }
    }
}

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
