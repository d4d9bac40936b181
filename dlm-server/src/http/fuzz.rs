//! Fuzz target of what a request line and its headers name.

use hyper::{HeaderMap, Method};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::host::Authority;
use super::query::Query;
use super::route::{RouteMatch, Routes};
use super::{read_query, request, tickets};

/// A name in a path is decoded once, to what it stands for, and nothing is outside of its
/// segment. Queries, hosts and subprotocols are decoded or refused.
pub fn names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(name) = request::resource(Some(&text)) {
        assert_eq!(percent_decode_str(&text).collect::<Vec<_>>(), name.as_str().as_bytes());
        let encoded = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC).to_string();
        assert_eq!(request::resource(Some(&encoded)).ok(), Some(name));
    }
    let routes = Routes::new();
    for method in [Method::GET, Method::POST] {
        for path in ["/v1/locks/{}", "/v1/locks/{}/acquire", "/v1/owners/{}", "/v1/principals/{}", "{}"] {
            let path = &path.replace("{}", &text);
            if let RouteMatch::Route(_, Some(name)) = routes.find(&method, path) {
                assert!(!name.is_empty() && !name.contains('/'), "{path}: {name}");
            }
        }
    }
    let known = [
        "after",
        "prefix",
        "resource",
        "limit",
        "newest",
        "renewals",
        "wait_graph",
        "batch_ms",
        "kind",
        "owner",
        "from",
    ];
    if let Ok(mut query) = Query::parse(Some(&text), &known) {
        for value in known.into_iter().filter_map(|name| query.take(name)) {
            assert!(!value.contains('\0'));
        }
    }
    read_query::event_stream(Some(&text)).ok();
    if let Some(authority) = Authority::parse(&text) {
        let host = authority.host.to_string();
        let again = Authority::parse(&host).expect("a host");
        assert_eq!(again.host, authority.host);
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = input.try_into() {
        headers.insert(hyper::header::SEC_WEBSOCKET_PROTOCOL, value);
        if let Some(ticket) = tickets::offered(&headers) {
            assert!(!ticket.contains(','));
        }
    }
}
