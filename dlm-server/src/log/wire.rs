//! Engine values and stored events in wire terms.

use dlm_engine::{Micros, Mode};
use dlm_protocol::{Event, FencingToken, Owner, ResourceName, Timestamp, Ttl};

use crate::store::{LoggedEvent, StoreError};

pub(crate) const fn mode(mode: Mode) -> dlm_protocol::Mode {
    match mode {
        Mode::Exclusive => dlm_protocol::Mode::Exclusive,
        Mode::Shared => dlm_protocol::Mode::Shared,
    }
}

pub(crate) const fn time(at: Micros) -> Timestamp {
    Timestamp::from_micros(at.0)
}

/// The public id of a waiter. It gives no power over the wait.
pub(crate) fn waiter_id(ticket: u64) -> String {
    format!("w{ticket}")
}

pub(crate) fn ttl(ttl_ms: u64) -> Result<Ttl, StoreError> {
    Ttl::from_millis(ttl_ms).map_err(|_| damaged("TTL"))
}

pub(crate) fn resource_name(name: &str) -> Result<ResourceName, StoreError> {
    ResourceName::try_from(name).map_err(|_| damaged("resource name"))
}

pub(crate) fn owner(owner: &str) -> Result<Owner, StoreError> {
    Owner::try_from(owner).map_err(|_| damaged("owner"))
}

/// A stored value breaks a bound that was checked when it came in: the database
/// was changed by something other than this server.
pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a stored {what} is invalid"))
}

/// A stored event in wire terms.
pub(super) fn wire_event(event: &LoggedEvent<'_>, cursor: String) -> Result<Event, StoreError> {
    Ok(Event {
        cursor,
        kind: event.kind,
        resource: resource_name(&event.resource)?,
        mode: mode(if event.shared { Mode::Shared } else { Mode::Exclusive }),
        fencing_token: event.token.map(FencingToken::new),
        current_token: FencingToken::new(event.current_token),
        version: event.version,
        owner: owner(&event.owner)?,
        waiter_id: event.ticket.map(waiter_id),
        waited_ms: event.waited_ms,
        ttl_ms: event.ttl_ms.map(ttl).transpose()?,
        expires_at: event.expires_at.map(|at| time(Micros(at))),
        queue_len: event.queue_len,
        at: time(Micros(event.at)),
        reason: event.reason.as_ref().map(ToString::to_string),
        principal: event.principal.as_ref().map(ToString::to_string),
        by: event.by.as_ref().map(ToString::to_string),
    })
}
