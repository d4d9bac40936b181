//! The tracing spans of public operations.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{EventItem, FencingToken};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::server::{ScriptedReply, ScriptedServer, accept_all, problem};

/// Records the spans with their fields.
#[derive(Default, Clone)]
struct Spans(Arc<Mutex<Vec<RecordedSpan>>>);

#[derive(Debug)]
struct RecordedSpan {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for RecordedSpan {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let before = self.fields.insert(field.name(), format!("{value:?}"));
        assert_eq!(before, None, "recorded twice: {}", field.name());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dlm_client")
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span = RecordedSpan { name: attributes.metadata().name(), fields: BTreeMap::new() };
        attributes.record(&mut span);
        let mut spans = self.0.lock().unwrap();
        spans.push(span);
        Id::from_u64(spans.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        let index = usize::try_from(id.into_u64()).unwrap() - 1;
        values.record(&mut self.0.lock().unwrap()[index]);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn every_public_operation_has_a_span_of_its_name_with_its_subject() {
    let spans = Spans::default();
    let _default = tracing::subscriber::set_default(spans.clone());
    let mut accept = accept_all(30_000);
    let status = json!({"resource": "a", "state": "free", "mode": null, "current_token": 0, "queue_len": 0,
                        "holders": [], "holder_count": 0, "version": 0, "cursor": "c"});
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        path if path.starts_with("/v1/events") => {
            ScriptedReply::Json(200, json!({"events": [], "cursor": "c"}))
        }
        path if path.starts_with("/v1/locks?") => {
            ScriptedReply::Json(200, json!({"locks": [], "next": null, "cursor": "c"}))
        }
        "/v1/locks/a" => ScriptedReply::Json(200, status.clone()),
        path if path.ends_with("/check") => {
            ScriptedReply::Json(200, json!({"live": true, "mode": "shared", "current_token": 9}))
        }
        path if path.ends_with("/force-release") => {
            ScriptedReply::Json(409, problem(409, "holder-changed", None))
        }
        _ => accept(request),
    });
    let token = FencingToken::new(1);
    let client = server.client().await;
    let guard = client.lock("a").idempotency_key("s3cret-key").shared().await.unwrap();
    guard.renew(Duration::from_secs(30)).await.unwrap();
    let guard = client.adopt(&guard.detach()).await.unwrap();
    guard.release().await.unwrap();
    drop(client.try_lock("a").await.unwrap());
    client.release(&client.lock("a").await.unwrap().detach()).await.unwrap();
    client.with_lock("a", async |_| ()).await.unwrap();
    client.status("a").await.unwrap();
    client.check("a", token).await.unwrap();
    client.force_release("a", token, "the host is down").await.unwrap_err();
    assert!(client.locks().prefix("p").next().await.is_none());
    let mut events = client.events().prefix("p").after("c");
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    client.close(Duration::from_secs(5)).await.unwrap();

    let seen = spans.0.lock().unwrap();
    let lease: &[(&str, &str)] = &[("resource", "orders/42"), ("fencing_token", "7")];
    let released: &[(&str, &str)] = &[("fencing_token", "7"), ("outcome", "\"released\"")];
    let granted = ("outcome", "\"granted\"");
    let operations: &[(&str, &[(&str, &str)])] = &[
        ("connect", &[("address", &server.url)]),
        ("lock", &[("resource", "\"a\""), ("mode", "Some(Shared)"), ("fencing_token", "7"), granted]),
        ("renew", &[lease[0], lease[1], ("outcome", "\"renewed\"")]),
        ("detach", lease),
        ("adopt", &[lease[0], lease[1], ("outcome", "\"adopted\"")]),
        ("release", released),
        ("release_detached", released),
        ("try_lock", &[("resource", "\"a\""), ("mode", "Some(Exclusive)"), granted]),
        ("with_lock", &[("resource", "\"a\""), ("outcome", "\"completed\"")]),
        ("status", &[("resource", "a")]),
        ("check", &[("resource", "a"), ("fencing_token", "1")]),
        ("force_release", &[("resource", "a"), ("fencing_token", "1")]),
        ("locks", &[("prefix", "\"p\""), ("state", "\"held\"")]),
        ("next_event", &[("prefix", "\"p\"")]),
        ("events", &[("prefix", "\"p\"")]),
        ("close", &[]),
    ];
    for (name, fields) in operations {
        let has_fields = |span: &&RecordedSpan| {
            fields
                .iter()
                .all(|(field, value)| span.fields.get(field).is_some_and(|recorded| recorded == value))
        };
        let found = seen.iter().filter(|span| span.name == *name).find(has_fields);
        assert!(found.is_some(), "no span {name} with {fields:?} in {seen:?}");
    }
    let all = format!("{seen:?}");
    assert!(!all.contains("lease-") && !all.contains("s3cret"), "{all}");
}

#[tokio::test]
async fn span_of_a_request_records_once_how_it_ended_and_how_long_it_waited() {
    let spans = Spans::default();
    let _default = tracing::subscriber::set_default(spans.clone());
    let mut accept = accept_all(30_000);
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        "/v1/locks/held/acquire" => ScriptedReply::Json(423, problem(423, "lock-held", None)),
        "/v1/locks/slow/acquire" => {
            ScriptedReply::After(Duration::from_millis(50), Box::new(accept(request)))
        }
        "/v1/locks/silent/acquire" => ScriptedReply::Silence,
        _ => accept(request),
    });
    let client = server.client().await;
    drop(client.lock("slow").await.unwrap());
    assert!(client.try_lock("held").await.unwrap().is_none());
    client.lock("").await.unwrap_err();
    let abandoned = tokio::time::timeout(Duration::from_millis(20), client.lock("silent").into_future());
    abandoned.await.unwrap_err();
    drop(client.lock("never awaited").into_future());

    let seen = spans.0.lock().unwrap();
    let outcomes: Vec<_> = seen
        .iter()
        .filter(|span| span.name == "lock" || span.name == "try_lock")
        .map(|span| span.fields.get("outcome").map(String::as_str))
        .collect();
    let (granted, held) = (Some("\"granted\""), Some("\"held\""));
    let (invalid, cancelled) = (Some("\"invalid\""), Some("\"cancelled\""));
    assert_eq!(outcomes, [granted, held, invalid, cancelled, None]);
    let waited = |span: &RecordedSpan| span.fields["waited_ms"].parse::<u64>().unwrap();
    let slow = seen.iter().find(|span| span.fields.get("resource").is_some_and(|name| name == "\"slow\""));
    assert!(waited(slow.unwrap()) >= 50, "{slow:?}");
}
