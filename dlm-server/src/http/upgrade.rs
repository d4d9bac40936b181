//! Requests that become WebSockets.

use std::net::IpAddr;

use dlm_protocol::{EVENTS_PROTOCOL, ProblemCode, SESSION_PROTOCOL};
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use hyper_tungstenite::{is_upgrade_request, upgrade};

use super::query::Query;
use super::read_query;
use super::reply_body::ReplyBody;
use super::response::{HttpResponse, Rejection};
use super::route::Route;
use crate::auth::{Authentication, Authenticator, Revoked};
use crate::metrics::SocketProtocol;
use crate::service::{Error, Service, Subscription};
use crate::socket::{
    CloseReason, EventSocket, Revocation, SessionSocket, Socket, Sockets, offers, session_config,
    subscriber_config,
};

/// What an upgrade needs to give a socket its rights, and to take them away.
pub(super) struct SocketAccess<'a> {
    pub(super) service: &'a Service,
    pub(super) authenticator: &'a Authenticator,
    pub(super) authentication: Authentication,
    /// The address of the client.
    pub(super) address: IpAddr,
}

impl SocketAccess<'_> {
    /// Completes when the socket has to be closed.
    fn revoked(self, right_lost: impl Future<Output = ()> + Send + 'static) -> Revocation {
        let revoked = self.authenticator.revoked(self.authentication, right_lost);
        Box::pin(revoked.map(|revoked| match revoked {
            Revoked::Credential => CloseReason::Unauthenticated,
            Revoked::Right => CloseReason::Forbidden,
        }))
    }
}

/// Whether this is a request for a WebSocket.
pub(super) fn is_socket(route: Route, request: &Request<Incoming>) -> bool {
    route == Route::Session || (route == Route::Events && is_upgrade_request(request))
}

/// Handles a request for a WebSocket, which is served in its own task from then
/// on.
pub(super) async fn handle(
    route: Route,
    mut request: Request<Incoming>,
    sockets: &Sockets,
    access: SocketAccess<'_>,
) -> Result<HttpResponse, Rejection> {
    if !is_upgrade_request(&request) {
        let mut rejection = Rejection::new(ProblemCode::UpgradeRequired, 426, "this path is a WebSocket");
        rejection.add_header(UPGRADE, HeaderValue::from_static("websocket"));
        return Err(rejection);
    }
    let (service, principal) = (access.service, access.authentication.principal().clone());
    let address = access.address;
    match route {
        Route::Session => {
            Query::parse(request.uri().query(), &[])?;
            let right_lost = service.right_lost(&principal);
            service.check_any_right(&principal)?;
            service.take_request(&principal)?;
            let place = service.socket_place(&principal, SocketProtocol::Session)?;
            let revoked = access.revoked(right_lost);
            let socket = SessionSocket { service: service.clone(), principal, address, place, revoked };
            upgrade_to(&mut request, SESSION_PROTOCOL, session_config(), sockets, socket)
        }
        _ => {
            let query = read_query::event_stream(request.uri().query())?;
            let sight_lost = service.sight_lost(&principal);
            service.check_any_right(&principal)?;
            service.take_request(&principal)?;
            let place = service.socket_place(&principal, SocketProtocol::Events)?;
            let subscription = service.subscribe(&principal, query.after.as_deref(), query.filter).await;
            // A bad cursor is reported by the close code of the socket, so that
            // subscribers have to handle it in one place.
            if let Err(error @ (Error::Unavailable { .. } | Error::Internal | Error::Forbidden { .. })) =
                subscription
            {
                return Err(error.into());
            }
            let subscription = subscription.map(|subscription| match query.batch {
                Some(interval) => subscription.batched(interval),
                None => subscription,
            });
            let subscribed = subscription.as_ref().ok();
            let renewals = subscribed.filter(|_| query.renewals).map(Subscription::renewals);
            let wait_graph_updates =
                subscribed.filter(|_| query.wait_graph).map(Subscription::wait_graph_updates);
            let revoked = access.revoked(sight_lost);
            let socket = EventSocket {
                subscription,
                renewals,
                wait_graph_updates,
                metrics: sockets.metrics(),
                place,
                revoked,
            };
            upgrade_to(&mut request, EVENTS_PROTOCOL, subscriber_config(), sockets, socket)
        }
    }
}

fn upgrade_to(
    request: &mut Request<Incoming>,
    protocol: &'static str,
    config: WebSocketConfig,
    sockets: &Sockets,
    socket: impl Socket,
) -> Result<HttpResponse, Rejection> {
    // A client that offers no subprotocol gets the only one of this path. A
    // client that offers only others is rejected.
    let offers_any = request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL);
    let offered = offers(request.headers(), protocol);
    if offers_any && !offered {
        return Err(Rejection::invalid(format!("the subprotocol of this path is `{protocol}`")));
    }
    let (mut response, upgraded) = upgrade(request, Some(config))
        .map_err(|error| Rejection::invalid(format!("the upgrade request is not valid: {error}")))?;
    if offered {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    sockets.serve(upgraded, socket);
    Ok(response.map(|_| ReplyBody::default()))
}
