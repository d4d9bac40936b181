//! The session: liveness, failover, and lease ends.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::{Client, GuardState, LossReason, TransportKind};
use serde_json::json;

use super::server::{
    ScriptedFrames, ScriptedReply, ScriptedServer, SessionMode, accept_all, lease, new_lease_id, problem,
};
use super::socket::accept_frame;

const TTL: Duration = Duration::from_millis(4_000);
const TTL_MS: u64 = 4_000;

/// A server that accepts all requests, over a session.
fn healthy_server(ttl_ms: u64) -> ScriptedServer {
    ScriptedServer::in_session(ttl_ms, move |request| accept_frame(request, ttl_ms))
}

async fn session_client(servers: &[&ScriptedServer]) -> Client {
    let builder = Client::builder().addresses(servers.iter().map(|server| server.url.clone()));
    // Otherwise the first requests could use HTTP, or another server.
    builder.keep_address_order(true).transport(TransportKind::Session).connect().await.unwrap()
}

#[tokio::test]
async fn locks_survive_a_silent_server_if_there_is_another() {
    let silent = ScriptedServer::in_session(TTL_MS, |request| match request.operation() {
        "renew" => ScriptedFrames::Freeze,
        _ => accept_frame(request, TTL_MS),
    });
    let other = healthy_server(TTL_MS);
    let client = session_client(&[&silent, &other]).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    other.wait_for("renew", 3).await;
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn wait_continues_at_another_server_if_the_first_falls_silent() {
    let silent = ScriptedServer::in_session(TTL_MS, |_| ScriptedFrames::Freeze);
    let other = healthy_server(TTL_MS);
    let client = session_client(&[&silent, &other]).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let (first, second) = (&silent.seen_of("acquire")[0], &other.seen_of("acquire")[0]);
    assert_eq!(first.key, second.key);
    drop(guard);
}

#[tokio::test]
async fn late_reply_does_not_end_the_session_of_a_live_server() {
    let mut renewals = 0;
    let server = ScriptedServer::in_session(TTL_MS, move |request| match request.operation() {
        "acquire" if request.body["resource"] == "waits" => ScriptedFrames::Messages(vec![]),
        "renew" => {
            renewals += 1;
            if renewals == 1 { ScriptedFrames::Messages(vec![]) } else { accept_frame(request, TTL_MS) }
        }
        _ => accept_frame(request, TTL_MS),
    });
    let client = session_client(&[&server]).await;
    let waiting = tokio::spawn(client.lock("waits").into_future());
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 3).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(server.seen_of("acquire").len(), 2, "the waiting acquire is sent only once");
    waiting.abort();
}

#[tokio::test]
async fn client_fails_over_from_a_server_without_its_database() {
    for operation in ["acquire", "renew"] {
        let unavailable = problem(503, "unavailable", None);
        let without = ScriptedServer::in_session(TTL_MS, move |request| match request.operation() {
            "acquire" if operation == "acquire" => ScriptedFrames::Reply(json!({"problem": unavailable})),
            "renew" => ScriptedFrames::Reply(json!({"results": [{"problem": unavailable}]})),
            _ => accept_frame(request, TTL_MS),
        });
        let other = healthy_server(TTL_MS);
        let client = session_client(&[&without, &other]).await;
        let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
        other.wait_for("renew", 2).await;
        assert_eq!(guard.state(), GuardState::Held);
        assert_eq!(without.seen_of(operation).len(), 1);
    }
}

#[tokio::test]
async fn session_is_opened_at_another_server_if_one_rejects_it() {
    for rejection in [SessionMode::Forbidden, SessionMode::Cut] {
        let rejecting = ScriptedServer::with(rejection, accept_all(TTL_MS));
        let other = healthy_server(TTL_MS);
        let begun = Instant::now();
        let client = session_client(&[&rejecting, &other]).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        drop(client.lock("orders/42").await.unwrap());
        assert_eq!(other.seen_of("acquire")[0].path, "session/acquire");
    }
}

#[tokio::test]
async fn connect_fails_at_once_if_the_session_is_rejected() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let error = builder.request_timeout(Duration::from_millis(500)).connect().await.unwrap_err();
    assert!(error.is_connect() && format!("{error:#}").contains("status 404"), "{error}");
}

#[tokio::test]
async fn undecodable_reply_is_an_error_and_an_unknown_message_is_ignored() {
    let server = ScriptedServer::in_session(30_000, |request| match request.operation() {
        "check" => ScriptedFrames::Reply(json!({"check": {"live": "perhaps"}})),
        "acquire" => ScriptedFrames::Messages(vec![
            json!({"id": request.body["id"], "not_yet_known": {}}),
            json!({"id": request.body["id"], "lease": lease(&new_lease_id(), 30_000)}),
        ]),
        _ => accept_frame(request, 30_000),
    });
    let client = session_client(&[&server]).await;
    drop(client.lock("orders/42").await.unwrap());
    let error = client.check("orders/42", dlm_client::FencingToken::new(7)).await.unwrap_err();
    assert!(error.is_unexpected_reply(), "{error}");
}

#[tokio::test]
async fn lease_end_sent_right_after_the_grant_reaches_the_guard() {
    let server = ScriptedServer::in_session(30_000, |request| match request.operation() {
        "acquire" => {
            let granted = json!({"id": request.body["id"], "lease": lease(&new_lease_id(), 30_000)});
            let ended = json!({"resource": "orders/42", "fencing_token": 7, "reason": "force_released"});
            ScriptedFrames::Messages(vec![granted, json!({"lease_ended": ended})])
        }
        _ => accept_frame(request, 30_000),
    });
    let client = session_client(&[&server]).await;
    for _ in 0..20 {
        let reason = match client.lock("orders/42").await {
            Ok(guard) => tokio::time::timeout(Duration::from_secs(1), guard.lost()).await.unwrap(),
            Err(error) => error.loss_reason().unwrap(),
        };
        assert_eq!(reason, LossReason::ForceReleased);
    }
}

/// A server whose session comes up while a request for `slow` is in flight over HTTP.
fn server_with_late_session(slow: &'static str) -> ScriptedServer {
    let mut accept = accept_all(30_000);
    let session =
        SessionMode::Open(Duration::from_millis(200), Box::new(|request| accept_frame(request, 30_000)));
    ScriptedServer::with(session, move |request| {
        let reply = accept(request);
        if request.operation() == slow {
            ScriptedReply::After(Duration::from_millis(500), Box::new(reply))
        } else {
            reply
        }
    })
}

async fn wait_for_renewal_over_session(server: &ScriptedServer) {
    for _ in 0..100 {
        if server.seen_of("renew").iter().any(|request| request.path == "session/renew") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no renewal over the session: {:?}", server.seen());
}

#[tokio::test]
async fn lease_granted_over_http_while_the_session_came_up_is_renewed_over_it() {
    let server = server_with_late_session("acquire");
    let client = server.client().await;
    let _guard = client.lock("orders/42").await.unwrap();
    assert_eq!(server.seen_of("acquire")[0].path, "/v1/locks/orders%2F42/acquire");
    wait_for_renewal_over_session(&server).await;
}

#[tokio::test]
async fn lease_renewed_over_http_while_the_session_came_up_is_renewed_over_it() {
    let server = server_with_late_session("renew");
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    guard.renew(Duration::from_secs(30)).await.unwrap();
    assert_eq!(server.seen_of("renew")[0].path, "/v1/renew");
    wait_for_renewal_over_session(&server).await;
}
