//! Locks are not reentrant, and the client says so where it knows.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::server::{ScriptedReply, ScriptedServer, accept_all, lease, new_lease_id, problem};

const TTL: u64 = 30_000;

/// A server that grants the first lock, and refuses the others as held.
fn held_after_the_first() -> ScriptedServer {
    let (mut accept, mut acquires) = (accept_all(TTL), 0);
    ScriptedServer::start(move |request| match request.operation() {
        "acquire" => {
            acquires += 1;
            match acquires {
                1 => accept(request),
                _ => ScriptedReply::Json(423, problem(423, "lock-held", None)),
            }
        }
        _ => accept(request),
    })
}

/// Collects the messages of warnings.
#[derive(Default, Clone)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for &Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dlm_client") && *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Warnings {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn try_lock_inside_with_lock_on_the_same_name_is_an_error() {
    let server = held_after_the_first();
    let client = server.client().await;
    let inner = client
        .with_lock("orders/42", async |_| {
            let inner = client.try_lock("orders/42").await;
            // Another task may hold it later.
            let elsewhere = tokio::spawn({
                let client = client.clone();
                async move { client.try_lock("orders/42").await }
            });
            assert!(elsewhere.await.unwrap().unwrap().is_none());
            assert!(client.try_lock("orders/43").await.unwrap().is_none(), "another name");
            inner
        })
        .await
        .unwrap();
    let error = inner.unwrap_err();
    assert!(error.is_reentrant() && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("orders/42"), "{error}");
    assert!(client.try_lock("orders/42").await.unwrap().is_none(), "the closure has returned");
    assert_eq!(server.seen_of("acquire").len(), 4);
}

#[tokio::test]
async fn two_shared_locks_of_one_task_are_not_reentrant() {
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => {
            let mut shared = lease(&new_lease_id(), TTL);
            shared["mode"] = "shared".into();
            ScriptedReply::Json(200, shared)
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let nested = client.lock("orders/42").shared().with(async |_| {
        assert!(client.try_lock("orders/42").shared().await.unwrap().is_some());
        client.try_lock("orders/42").await.unwrap_err().is_reentrant()
    });
    assert!(nested.await.unwrap(), "an exclusive one is");
}

#[tokio::test]
async fn task_that_requests_what_it_acquired_before_is_warned() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let server = held_after_the_first();
    let client = server.client().await;
    // The lease of the scripted server is on this name.
    let guard = client.lock("orders/42").await.unwrap();
    assert!(warnings.take().is_empty());
    client.lock("orders/42").wait(Duration::from_secs(5)).await.unwrap_err();
    let warned = warnings.take();
    assert!(warned.len() == 1 && warned[0].contains("not reentrant"), "{warned:?}");
    assert!(client.try_lock("orders/42").await.unwrap().is_none(), "the guard may be elsewhere");
    assert!(warnings.take().is_empty(), "once is enough");
    guard.release().await.unwrap();
}

#[tokio::test]
async fn task_that_requests_what_another_task_holds_is_not_warned() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let server = held_after_the_first();
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let other = client.clone();
    let elsewhere = tokio::spawn(async move { other.try_lock("orders/42").await });
    assert!(elsewhere.await.unwrap().unwrap().is_none());
    assert!(warnings.take().is_empty(), "another task may well wait for it");
    guard.release().await.unwrap();
    assert!(client.try_lock("orders/42").await.unwrap().is_none());
    assert!(warnings.take().is_empty(), "the guard was released");
}

#[tokio::test]
async fn lock_inside_with_lock_on_the_same_name_is_warned() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let server = held_after_the_first();
    let client = server.client().await;
    let inner = client.with_lock("orders/42", async |_| {
        client.lock("orders/42").wait(Duration::from_secs(5)).await.unwrap_err().is_held()
    });
    assert!(inner.await.unwrap());
    let warned = warnings.take();
    assert!(warned.len() == 1 && warned[0].contains("with_lock"), "{warned:?}");
}
