//! B70: a server that is newer than the client.

use std::time::Duration;

use dlm_client::{Client, FencingToken, GuardState, LockState, LossReason, Mode, TransportKind};
use serde_json::{Value, json};

use super::server::{
    ReceivedRequest, ScriptedFrames, ScriptedReply, ScriptedServer, accept_all, lease, new_lease_id, problem,
};
use super::socket::accept_frame;
use super::time::drive;
use crate::clock::ManualClock;

const TTL_MS: u64 = 30_000;

/// A lease with values that this version does not know.
fn newer_lease(lease_id: &str, ttl_ms: u64) -> Value {
    let mut lease = lease(lease_id, ttl_ms);
    lease["mode"] = json!("not_yet_known");
    lease["owner"] = json!("o".repeat(1_000));
    lease["metadata"] = json!({"key": "m".repeat(10_000)});
    lease["resource"] = json!("n".repeat(1_000));
    lease["not_yet_known"] = json!({"of": ["this"]});
    lease
}

#[tokio::test]
async fn b70_guard_works_with_unknown_values_and_larger_bounds() {
    let ten_days = 864_000_000;
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        path if path.ends_with("/acquire") => {
            ScriptedReply::Json(200, newer_lease(&new_lease_id(), ten_days))
        }
        "/v1/renew" => {
            let id = request.body["leases"][0]["lease_id"].as_str().unwrap();
            let result = json!({"lease": newer_lease(id, ten_days), "not_yet_known": 1});
            ScriptedReply::Json(200, json!({"results": [result], "not_yet_known": 1}))
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    assert_eq!(guard.mode(), Mode::Other);
    guard.renew(Duration::from_secs(30)).await.unwrap();
    assert!(guard.remaining() > Duration::from_secs(86_400), "{:?}", guard.remaining());
    guard.release().await.unwrap();
}

#[tokio::test]
async fn b70_unknown_result_of_a_renewal_is_retried_and_the_others_succeed() {
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| {
        let mut reply = accept(request);
        if let ScriptedReply::Json(_, body) = &mut reply
            && body["results"].as_array().is_some_and(|results| results.len() == 2)
        {
            body["results"][0] = json!({"not_yet_known": {}});
        }
        reply
    });
    let lease_ids = |request: &ReceivedRequest| -> Vec<Value> {
        let leases = request.body["leases"].as_array().unwrap();
        leases.iter().map(|lease| lease["lease_id"].clone()).collect()
    };
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guards = [client.lock("orders/42").await.unwrap(), client.lock("orders/42").await.unwrap()];
    // Both are scheduled for renewal before the clock moves.
    guards[1].renew(Duration::from_millis(TTL_MS)).await.unwrap();
    clock.advance(Duration::from_millis(TTL_MS / 3));
    let settled = clock.now() + Duration::from_secs(2);
    drive(&clock, Duration::from_millis(10), async {
        server.wait_for("renew", 3).await;
        while clock.now() < settled {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let renewals: Vec<_> = server.seen_of("renew").iter().map(lease_ids).collect();
    let [_, both, retried] = &renewals[..] else { panic!("{renewals:?}") };
    assert_eq!((both.len(), retried), (2, &vec![both[0].clone()]));
    assert!(guards.iter().all(|guard| guard.state() == GuardState::Held));
}

#[tokio::test]
async fn b70_unknown_messages_and_reasons_over_a_session_are_understood_as_far_as_possible() {
    let server = ScriptedServer::in_session(TTL_MS, |request| {
        let id = &request.body["id"];
        match request.operation() {
            "acquire" => ScriptedFrames::Messages(vec![
                json!({"not_yet_known": {"of": "this"}}),
                json!({"id": id, "queued": {"position": 1, "queue_len": 1, "not_yet_known": 1}}),
                json!({"id": id, "lease": newer_lease(&new_lease_id(), TTL_MS), "not_yet_known": 1}),
            ]),
            "renew" => ScriptedFrames::Messages(vec![json!({"lease_ended": {
                "resource": "n".repeat(1_000), "fencing_token": 7, "reason": "not_yet_known", "more": 1,
            }})]),
            "check" => {
                ScriptedFrames::Reply(json!({"check": {"live": true, "mode": "new", "current_token": 9}}))
            }
            _ => accept_frame(request, TTL_MS),
        }
    });
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let client = builder.connect().await.unwrap();
    assert_eq!(client.check("a", FencingToken::new(9)).await.unwrap().mode, Some(Mode::Other));
    let guard = client.lock("orders/42").await.unwrap();
    assert_eq!(guard.state(), GuardState::Held);
    assert!(guard.renew(Duration::from_secs(30)).await.unwrap_err().is_lost());
    assert_eq!(guard.lost().await, LossReason::Unknown);
}

#[tokio::test]
async fn b70_page_of_locks_is_read_completely() {
    let row = |state: &str| {
        json!({"resource": "n".repeat(1_000), "state": state, "mode": state, "current_token": 1, "queue_len": 1,
               "oldest_enqueued_at": null, "holder_count": 1, "version": 1, "not_yet_known": 1,
               "holders": [{"mode": "new", "owner": "o".repeat(1_000), "fencing_token": 1,
                            "ttl_ms": 864_000_000, "acquired_at": "2026-01-01T00:00:00.000Z",
                            "expires_at": "2026-01-01T00:00:30.000Z", "metadata": {}, "principal": "p"}]})
    };
    let server = ScriptedServer::start(move |_| {
        let locks = [row("held"), row("not_yet_known")];
        ScriptedReply::Json(200, json!({"locks": locks, "next": null, "cursor": "c", "not_yet_known": 1}))
    });
    let client = server.client().await;
    let mut locks = client.locks();
    assert_eq!(locks.next().await.unwrap().unwrap().state, LockState::Held);
    assert_eq!(locks.next().await.unwrap().unwrap().state, LockState::Other);
    assert!(locks.next().await.is_none());
}

#[tokio::test]
async fn b70_problem_with_an_unknown_code_keeps_its_detail() {
    let server = ScriptedServer::start(|_| {
        let mut problem = problem(418, "not-yet-known", Some("not_yet_known"));
        problem["not_yet_known"] = json!(1);
        ScriptedReply::Json(418, problem)
    });
    let client = server.client().await;
    let error = client.lock("orders/42").await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("it is not-yet-known"), "{error}");
}
