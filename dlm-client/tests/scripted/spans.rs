//! The tracing spans of public operations.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{EventItem, FencingToken};
use serde_json::json;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::server::{ScriptedReply, ScriptedServer, accept_all};

/// Records the names of spans.
#[derive(Default, Clone)]
struct Names(Arc<Mutex<Vec<&'static str>>>);

impl Subscriber for Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dlm_client")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.lock().unwrap().push(span.metadata().name());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn every_public_operation_has_a_span_of_its_name() {
    let names = Names::default();
    let _default = tracing::subscriber::set_default(names.clone());
    let mut accept = accept_all(30_000);
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        path if path.starts_with("/v1/events") => {
            ScriptedReply::Json(200, json!({"events": [], "cursor": "c"}))
        }
        path if path.starts_with("/v1/locks?") => {
            ScriptedReply::Json(200, json!({"locks": [], "next": null, "cursor": "c"}))
        }
        path if path.ends_with("/check") => {
            ScriptedReply::Json(200, json!({"live": true, "mode": "shared", "current_token": 9}))
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let guard = client.lock("a").await.unwrap();
    guard.renew(Duration::from_secs(30)).await.unwrap();
    let guard = client.adopt(&guard.detach()).await.unwrap();
    guard.release().await.unwrap();
    drop(client.try_lock("a").await.unwrap());
    client.with_lock("a", async |_| ()).await.unwrap();
    client.check("a", FencingToken::new(1)).await.unwrap();
    assert!(client.locks().next().await.is_none());
    let mut events = client.events().after("c");
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    client.close(Duration::from_secs(5)).await.unwrap();

    let seen = names.0.lock().unwrap().clone();
    for name in [
        "connect",
        "lock",
        "renew",
        "detach",
        "adopt",
        "release",
        "try_lock",
        "with_lock",
        "check",
        "locks",
        "next_event",
        "events",
        "close",
    ] {
        assert!(seen.contains(&name), "no span {name} in {seen:?}");
    }
}
