//! Tickets, for callers that can't send headers with an upgrade.

use dlm_protocol::{TICKET_PROTOCOL_PREFIX, Ticket, TicketPurpose, Timestamp};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::request::Parts;

use super::caller::Caller;
use super::response::{self, HttpResponse, Rejection};
use super::route::Route;
use super::{authentication, request};
use crate::auth::{Authentication, Authenticator, TicketContent};
use crate::service::{Error, Service};

/// Makes a ticket that stands for the credentials of the caller.
pub(super) async fn issue(
    service: &Service,
    caller: &Authentication,
    parts: &Parts,
    body: Incoming,
) -> Result<HttpResponse, Rejection> {
    let purpose = request::ticket(parts, body).await?.purpose;
    let content = TicketContent { purpose, caller: caller.clone() };
    let content = serde_json::to_string(&content).map_err(|_| Error::Internal)?;
    let (ticket, expires_at) = service.add_ticket(caller.principal(), content).await?;
    let expires_at = Timestamp::from_micros(expires_at.0);
    Ok(response::ticket(&Ticket { ticket, expires_at }))
}

/// The ticket among the subprotocols that an upgrade offers.
pub(super) fn offered(headers: &HeaderMap) -> Option<&str> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers
        .flat_map(|value| value.split(','))
        .find_map(|offer| offer.trim().strip_prefix(TICKET_PROTOCOL_PREFIX))
}

/// Authenticates the caller of an upgrade by its ticket, which is used up.
pub(super) async fn redeem(
    service: &Service,
    authenticator: &Authenticator,
    route: Route,
    headers: &HeaderMap,
    ticket: &str,
    caller: &Caller,
) -> Result<Authentication, Rejection> {
    let purpose = if route == Route::Session { TicketPurpose::Session } else { TicketPurpose::Events };
    let content = service.take_ticket(ticket).await?;
    let authorization = authentication::authorization(headers);
    authenticator
        .authenticate_by_ticket(content.as_deref(), purpose, authorization, caller.certificate.as_deref())
        .map_err(authentication::rejection)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn ticket_is_found_among_the_subprotocols() {
        let mut headers = HeaderMap::new();
        assert_eq!(offered(&headers), None);
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("dlm.events.v1"));
        assert_eq!(offered(&headers), None);
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("a, dlm.ticket.x-_ ,b"));
        assert_eq!(offered(&headers), Some("x-_"));
    }
}
