//! Events by pages, where WebSockets are not allowed.

use std::sync::Arc;
use std::time::Duration;

use dlm_client::{Client, EventItem, EventKind};
use serde_json::{Value, json};

use super::server::{ReceivedRequest, ScriptedReply, ScriptedServer, problem};
use super::time::drive;
use crate::clock::ManualClock;

const MS: Duration = Duration::from_millis(1);

pub(crate) fn event(version: u64) -> Value {
    json!({
        "type": "event", "cursor": format!("c{version}"), "kind": "granted", "resource": "orders/42",
        "mode": "exclusive", "fencing_token": version, "current_token": version, "version": version,
        "owner": "", "waiter_id": null, "ttl_ms": 30_000, "expires_at": "2026-01-01T00:00:30.000Z",
        "queue_len": 0, "at": "2026-01-01T00:00:00.000Z", "reason": null,
    })
}

pub(crate) fn page(events: &[Value], cursor: &str) -> ScriptedReply {
    ScriptedReply::Json(200, json!({"events": events, "cursor": cursor}))
}

/// The value of `after` in the query of a request for a page.
fn after(request: &ReceivedRequest) -> Option<&str> {
    request.path.split(['?', '&']).find_map(|part| part.strip_prefix("after="))
}

/// Rejects the upgrade of an event stream, and otherwise replies as the script says.
pub(crate) fn pages_server(
    mut script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static,
) -> ScriptedServer {
    ScriptedServer::start(move |request| match request.websocket_key {
        Some(_) => ScriptedReply::Json(404, problem(404, "not-found", None)),
        None => script(request),
    })
}

async fn client_with(server: &ScriptedServer) -> (Client, Arc<ManualClock>) {
    let clock = ManualClock::new();
    (server.client_with(&clock).await, clock)
}

#[tokio::test]
async fn pages_deliver_every_event_once_in_order_and_then_live_ones() {
    let mut polls_at_end = 0;
    let server = pages_server(move |request| match after(request) {
        Some("c0") => page(&[event(1), event(2)], "c2"),
        Some("c2") => {
            polls_at_end += 1;
            if polls_at_end < 3 { page(&[], "c2") } else { page(&[event(3)], "c3") }
        }
        _ => page(&[], "c3"),
    });
    let (client, clock) = client_with(&server).await;
    let mut events = client.events().prefix("orders/").after("c0");
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(match drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap() {
            EventItem::Event(event) => event.version.to_string(),
            item => format!("{item:?}"),
        });
    }
    assert_eq!(seen, ["1", "2", "Synced", "3"]);
    assert_eq!(events.cursor(), Some("c3"));
    let paths: Vec<_> = server.seen().into_iter().map(|request| request.path).collect();
    assert!(paths.iter().all(|path| path.starts_with("/v1/events?prefix=orders%2F&after=c")), "{paths:?}");
}

#[tokio::test]
async fn pages_start_now_without_a_cursor() {
    let server = pages_server(|request| match request.path.as_str() {
        "/v1/locks?limit=1&prefix=" => {
            ScriptedReply::Json(200, json!({"locks": [], "next": null, "cursor": "c7"}))
        }
        _ if after(request) == Some("c7") => page(&[event(8)], "c8"),
        _ => page(&[], "c8"),
    });
    let (client, clock) = client_with(&server).await;
    for mut events in [client.events(), client.events().resource("orders/42")] {
        let first = drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap();
        assert!(matches!(first, EventItem::Event(event) if event.version == 8));
        let second = drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap();
        assert_eq!(second, EventItem::Synced);
    }
    // Whatever the client may observe, it may list.
    assert!(server.seen().iter().any(|request| request.path.starts_with("/v1/locks?")));
}

#[tokio::test]
async fn lost_cursor_of_a_page_is_reported_and_the_stream_starts_now() {
    for code in ["cursor-expired", "invalid-cursor"] {
        let server = pages_server(move |request| match request.path.as_str() {
            "/v1/locks?limit=1&prefix=" => {
                ScriptedReply::Json(200, json!({"locks": [], "next": null, "cursor": "now"}))
            }
            _ => match after(request) {
                Some("old") => ScriptedReply::Json(410, problem(410, code, None)),
                Some("now") => page(&[event(9)], "c9"),
                _ => page(&[], "c9"),
            },
        });
        let (client, clock) = client_with(&server).await;
        let mut events = client.events().after("old");
        let first = drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap();
        assert_eq!(first, EventItem::CursorLost, "{code}");
        let second = drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap();
        assert!(matches!(second, EventItem::Event(event) if event.version == 9), "{code}");
    }
}

#[tokio::test]
async fn b70_page_of_a_newer_server_is_delivered_completely() {
    let mut newer = event(2);
    for (field, value) in [
        ("kind", json!("not_yet_known")),
        ("mode", json!("not_yet_known")),
        ("resource", json!("n".repeat(1_000))),
        ("owner", json!("o".repeat(1_000))),
        ("ttl_ms", json!(864_000_000_000_u64)),
        ("reason", json!("not_yet_known")),
        ("not_yet_known", json!({"of": "this"})),
    ] {
        newer[field] = value;
    }
    let server = pages_server(move |request| match after(request) {
        Some("c0") => page(&[event(1), newer.clone(), event(3)], "c3"),
        _ => page(&[], "c3"),
    });
    let (client, clock) = client_with(&server).await;
    let mut events = client.events().after("c0");
    let mut kinds = Vec::new();
    while let EventItem::Event(event) = drive(&clock, 20 * MS, events.next()).await.unwrap().unwrap() {
        kinds.push(event.kind);
    }
    assert_eq!(kinds, [EventKind::Granted, EventKind::Other, EventKind::Granted]);
}
