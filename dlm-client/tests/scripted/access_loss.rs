//! Credentials that change, expire or are withdrawn while locks are held.

use std::future::IntoFuture;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dlm_client::{Client, EventItem, GuardState, LossReason, TransportKind};
use serde_json::json;

use super::access::{Accepted, provide, server, token};
use super::server::{ScriptedFrames, ScriptedReply, ScriptedServer, SessionMode, accept_all, lease, problem};
use super::socket::accept_frame;

/// Long enough for renewals to succeed on a busy machine.
const TTL: Duration = Duration::from_millis(3_000);
const TTL_MS: u64 = 3_000;

async fn wait_until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the condition is met");
}

#[tokio::test]
async fn locks_and_waits_survive_the_rotation_of_the_token_of_a_session() {
    let script = |request: &super::server::ReceivedRequest| match request.operation() {
        "acquire" if request.body["resource"] == "waits" => ScriptedFrames::Messages(vec![]),
        _ => accept_frame(request, TTL_MS),
    };
    let server =
        ScriptedServer::with(SessionMode::Open(Duration::ZERO, Box::new(script)), accept_all(TTL_MS));
    let accepted = Accepted::guard(&server, &["old"]);
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let (builder, asked) = provide(builder, &["old", "new"]);
    let client = builder.connect().await.unwrap();
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let waiting = tokio::spawn(client.lock("waits").into_future());
    server.wait_for("acquire", 2).await;

    accepted.set(&["new"]);
    server.close_sockets(4401);
    let acquires = server.wait_for("acquire", 3).await;
    assert_eq!(acquires[1].key, acquires[2].key, "the wait goes on with the same key");
    let renewals = server.seen_of("renew").len();
    server.wait_for("renew", renewals + 3).await;
    assert_eq!((guard.state(), guard.is_access_denied()), (GuardState::Held, false));
    assert_eq!((server.sessions(), asked.load(Ordering::SeqCst)), (2, 2));
    let upgrades: Vec<_> =
        accepted.requests().into_iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(upgrades, ["Bearer old", "Bearer new"], "the refused token is not tried again");
    waiting.abort();
}

#[tokio::test]
async fn operation_that_a_session_refuses_is_repeated_with_another_token() {
    for kind in [TransportKind::Session, TransportKind::Auto] {
        let mut refusals = 0;
        let script = move |request: &super::server::ReceivedRequest| {
            if request.operation() == "acquire" && refusals == 0 {
                refusals += 1;
                return ScriptedFrames::Reply(json!({"problem": problem(401, "unauthenticated", None)}));
            }
            accept_frame(request, TTL_MS)
        };
        let session = SessionMode::Open(Duration::ZERO, Box::new(script));
        let server = ScriptedServer::with(session, accept_all(TTL_MS));
        let accepted = Accepted::guard(&server, &["old"]);
        let (builder, asked) =
            provide(Client::builder().address(&server.url).transport(kind), &["old", "new"]);
        let client = builder.connect().await.unwrap();
        wait_until(|| server.sessions() == 1).await;
        // The session was opened with the old token.
        accepted.set(&["new"]);
        let guard = client.lock("orders/42").await.unwrap();
        let acquires = server.seen_of("acquire");
        assert_eq!(acquires[0].key, acquires[1].key);
        assert_eq!((acquires.len(), asked.load(Ordering::SeqCst)), (2, 2), "{kind:?}");
        drop(guard);
    }
}

#[tokio::test]
async fn session_that_lost_its_right_is_reopened_or_its_operations_are_forbidden() {
    let server = server(TTL_MS);
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let client = builder.bearer_token(token("good")).connect().await.unwrap();
    // It lost one of its rights, and may still open a session.
    server.close_sockets(4403);
    wait_until(|| server.sessions() == 2).await;
    client.lock("orders/42").await.unwrap().release().await.unwrap();

    let mut denied = problem(403, "forbidden", None);
    denied["required"] = "lock".into();
    server.set_gate(Box::new(move |_| Some(ScriptedReply::Json(403, denied.clone()))));
    server.close_sockets(4403);
    let until_denied = async {
        loop {
            // Until the session ends, operations succeed.
            match client.lock("orders/42").await {
                Ok(guard) => drop(guard),
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), until_denied).await.expect("it is denied");
    assert!(error.is_forbidden(), "{error:?}");
    assert_eq!(error.required_role(), Some(dlm_client::Role::Lock));
}

#[tokio::test]
async fn session_is_opened_again_when_the_credential_is_accepted_again() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["good"]);
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let client = builder.bearer_token(token("good")).connect().await.unwrap();
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    accepted.set(&[]);
    server.close_sockets(4401);
    wait_until(|| guard.is_access_denied()).await;
    assert_eq!(guard.state(), GuardState::Held, "until its deadline");
    assert!(client.status("orders/42").await.unwrap_err().is_unauthenticated());
    accepted.set(&["good"]);
    wait_until(|| !guard.is_access_denied()).await;
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn loss_by_a_withdrawn_credential_is_told_as_such() {
    for kind in [TransportKind::Http, TransportKind::Session, TransportKind::Auto] {
        let server = server(TTL_MS);
        let accepted = Accepted::guard(&server, &["good"]);
        let builder = Client::builder().address(&server.url).transport(kind);
        let client = builder.bearer_token(token("good")).connect().await.unwrap();
        let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
        if kind != TransportKind::Http {
            // One that is being opened would keep the credential.
            wait_until(|| server.sessions() == 1).await;
        }
        accepted.set(&[]);
        server.close_sockets(4401);
        wait_until(|| guard.is_access_denied()).await;
        assert_eq!(guard.state(), GuardState::Held, "until its deadline");
        assert_eq!(guard.lost().await, LossReason::AccessDenied, "{kind:?}");
        assert_eq!(guard.state(), GuardState::Lost(LossReason::AccessDenied));
        assert!(!guard.is_access_denied());
        let error = guard.release().await.unwrap_err();
        assert_eq!(error.loss_reason(), Some(LossReason::AccessDenied));
        assert!(error.to_string().contains("for lack of access"), "{error}");
    }
}

#[tokio::test]
async fn right_on_one_lock_is_lost_without_the_others() {
    let mut victim = None;
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| {
        if request.path != "/v1/renew" {
            return accept(request);
        }
        let items = request.body["leases"].as_array().unwrap();
        let victim = victim.get_or_insert_with(|| items[0]["lease_id"].clone());
        let results = items.iter().map(|item| {
            if *victim == item["lease_id"] {
                return json!({"problem": problem(403, "forbidden", None)});
            }
            json!({"lease": lease(item["lease_id"].as_str().unwrap(), TTL_MS)})
        });
        ScriptedReply::Json(200, json!({"results": results.collect::<Vec<_>>()}))
    });
    let client = server.client().await;
    let first = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 1).await;
    let second = client.lock("orders/43").ttl(TTL).await.unwrap();
    assert_eq!(first.lost().await, LossReason::AccessDenied);
    assert_eq!((second.state(), second.is_access_denied()), (GuardState::Held, false));
}

#[tokio::test]
async fn release_goes_on_when_there_is_another_token() {
    let server = server(30_000);
    let accepted = Accepted::guard(&server, &["old"]);
    let builder = Client::builder().address(&server.url).transport(TransportKind::Http);
    let (builder, _) = provide(builder, &["old", "old", "old", "new"]);
    let client = builder.connect().await.unwrap();
    let guard = client.lock("orders/42").await.unwrap();
    accepted.set(&["new"]);
    let error = guard.release().await.unwrap_err();
    assert!(error.is_unauthenticated(), "the caller learns of it at once: {error:?}");
    server.wait_for("release", 1).await;
    client.close(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn event_stream_resumes_with_another_token_and_ends_without_one() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["old"]);
    let builder = Client::builder().address(&server.url).transport(TransportKind::Http);
    let (builder, asked) = provide(builder, &["old", "new"]);
    let client = builder.connect().await.unwrap();
    let mut events = client.events();
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    accepted.set(&["new"]);
    server.close_sockets(4401);
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let upgrades = accepted.requests();
    assert!(upgrades[1].path.contains("after=c0"), "{}", upgrades[1].path);
    assert_eq!(upgrades[1].headers["authorization"], "Bearer new", "the refused token is not tried again");

    accepted.set(&[]);
    server.close_sockets(4401);
    let error = events.next().await.unwrap().unwrap_err();
    assert!(error.is_unauthenticated(), "{error:?}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn event_stream_that_lost_its_right_ends_with_the_reason() {
    let server = server(TTL_MS);
    let _accepted = Accepted::guard(&server, &["good"]);
    let builder = Client::builder().address(&server.url).bearer_token(token("good"));
    let client = builder.transport(TransportKind::Http).connect().await.unwrap();
    let mut events = client.events();
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    // It lost one of its rights, and may still see some events.
    server.close_sockets(4403);
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    let mut denied = problem(403, "forbidden", None);
    denied["required"] = "observe".into();
    server.set_gate(Box::new(move |_| Some(ScriptedReply::Json(403, denied.clone()))));
    server.close_sockets(4403);
    let error = events.next().await.unwrap().unwrap_err();
    assert!(error.is_forbidden() && error.required_role() == Some(dlm_client::Role::Observe), "{error:?}");
}
