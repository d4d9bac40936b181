//! Tickets: each can be taken once, at any replica, until it expires.

use diesel::prelude::*;
use dlm_engine::Micros;

use super::StoreError;
use super::queries::Queries;
use super::schema::tickets;

/// How many tickets of one principal may be open.
const MAX_OPEN: i64 = 1000;

/// A ticket to be stored.
#[derive(Debug)]
pub(crate) struct NewTicket {
    /// The digest of its secret.
    pub(crate) digest: String,
    /// The name of the principal that asked for it.
    pub(crate) principal: String,
    /// What it stands for.
    pub(crate) content: String,
}

/// A ticket as it is stored.
#[derive(Queryable, Insertable, Selectable)]
#[diesel(table_name = tickets)]
pub(super) struct TicketRow {
    digest: String,
    principal: String,
    content: String,
    /// In microseconds of the deciding clock.
    expires_at: i64,
}

/// Stores a ticket that is valid for so many milliseconds. Returns when it expires;
/// `None` if the principal has too many.
pub(super) fn add(
    connection: &mut impl Queries,
    ticket: NewTicket,
    valid_ms: u64,
    now: Micros,
) -> Result<Option<Micros>, StoreError> {
    connection.delete_expired_tickets(now.0)?;
    if connection.count_tickets(&ticket.principal)? >= MAX_OPEN {
        return Ok(None);
    }
    let expires_at = now.plus_ms(valid_ms);
    let NewTicket { digest, principal, content } = ticket;
    connection.insert_ticket(&TicketRow { digest, principal, content, expires_at: expires_at.0 })?;
    Ok(Some(expires_at))
}

/// Removes a ticket and returns its content, unless it has expired.
pub(super) fn take(
    connection: &mut impl Queries,
    digest: &str,
    now: Micros,
) -> Result<Option<String>, StoreError> {
    let ticket = connection.take_ticket(digest)?.filter(|ticket| now.0 < ticket.expires_at);
    Ok(ticket.map(|ticket| ticket.content))
}
