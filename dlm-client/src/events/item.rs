//! The items of an event stream.

use dlm_protocol::{Event, Renewal, ResourceName};

use crate::error::Error;

/// An item of an event stream; see [`Client::events`](crate::Client::events).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventItem {
    /// An event.
    Event(Box<Event>),
    /// The stream has caught up with the event log. Later items are live.
    ///
    /// It comes again after each reconnect, once the stream has caught up again: what is to be done
    /// only once needs a flag.
    Synced,
    /// A lease was renewed. Only with
    /// [`renewals(true)`](crate::Events::renewals), and only while the stream is
    /// connected: renewals are not in the event log.
    Renewed(Renewal),
    /// Events were missed: the event log no longer reaches back to the cursor, or
    /// the cursor belongs to another log. The stream continues from now.
    CursorLost,
}

/// Which events a stream selects.
#[derive(Debug, Clone, Default)]
pub(super) struct EventSelection {
    pub(super) prefix: String,
    pub(super) resource: Option<ResourceName>,
    pub(super) renewals: bool,
}

/// An item on its way from the reader to the stream, with the cursor to resume
/// after it. A bookmark has only a cursor.
pub(super) struct ReceivedItem {
    pub(super) item: Option<Result<EventItem, Error>>,
    pub(super) cursor: Option<String>,
}
