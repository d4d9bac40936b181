//! Requests that become WebSockets.

use dlm_protocol::{EVENTS_PROTOCOL, ProblemCode, SESSION_PROTOCOL};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper_tungstenite::{is_upgrade_request, upgrade};

use super::query::Query;
use super::reply::{Refused, Reply};
use super::request;
use super::route::Route;
use crate::service::{Error, Principal, Service};
use crate::socket::{EventSocket, MAX_READ, SessionSocket, Socket, Sockets, config, offers};

/// A reader of events sends nothing but pongs.
const MAX_READER_FRAME: usize = 4096;

/// Whether this request asks for a socket.
pub(super) fn is_socket(route: Route, request: &Request<Incoming>) -> bool {
    route == Route::Session || (route == Route::Events && is_upgrade_request(request))
}

/// Answers a request for a socket, which is served from then on.
pub(super) async fn answer(
    route: Route,
    mut request: Request<Incoming>,
    sockets: &Sockets,
    service: &Service,
    principal: &Principal,
) -> Result<Reply, Refused> {
    if !is_upgrade_request(&request) {
        let mut refused = Refused::new(ProblemCode::UpgradeRequired, 426, "this address is a WebSocket");
        refused.add_header(UPGRADE, HeaderValue::from_static("websocket"));
        return Err(refused);
    }
    match route {
        Route::Session => {
            Query::parse(request.uri().query(), &[])?;
            let socket = SessionSocket { service: service.clone(), principal: principal.clone() };
            begin(&mut request, SESSION_PROTOCOL, MAX_READ, sockets, socket)
        }
        _ => {
            let asked = request::event_stream(request.uri().query())?;
            let subscription = service.subscribe(asked.after.as_deref(), asked.filter).await;
            // A bad cursor is told by the socket, so that there is one place
            // where those who follow look for it.
            if let Err(error @ (Error::Unavailable { .. } | Error::Internal)) = subscription {
                return Err(error.into());
            }
            let renewals = asked.renewals.then(|| service.subscribe_to_renewals());
            let socket = EventSocket { subscription, renewals, metrics: sockets.metrics() };
            begin(&mut request, EVENTS_PROTOCOL, MAX_READER_FRAME, sockets, socket)
        }
    }
}

fn begin(
    request: &mut Request<Incoming>,
    protocol: &'static str,
    max_message: usize,
    sockets: &Sockets,
    socket: impl Socket,
) -> Result<Reply, Refused> {
    // One that names no protocol gets the only one there is here; one that
    // names others does not mean this one.
    let named = request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL);
    let offered = offers(request.headers(), protocol);
    if named && !offered {
        return Err(Refused::invalid(format!("the subprotocol of this address is `{protocol}`")));
    }
    let full = Error::Unavailable {
        why: "too many sockets are open",
        retry_after: std::time::Duration::from_secs(1),
    };
    let place = sockets.place().ok_or(full)?;
    let (mut reply, socket_to_be) = upgrade(request, Some(config(max_message)))
        .map_err(|error| Refused::invalid(format!("the upgrade can't be read: {error}")))?;
    if offered {
        reply.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    sockets.serve(socket_to_be, place, socket);
    Ok(reply)
}
