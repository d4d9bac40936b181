use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::{Client, GuardState, LossReason, TransportKind};
use serde_json::json;

use crate::server::{Reply, Said, Server, Session, lease, new_lease_id, obliging, problem};
use crate::socket::obliging_frame;

const TTL: Duration = Duration::from_millis(2_000);
const TTL_MS: u64 = 2_000;

/// Obliges over a session.
fn well(ttl_ms: u64) -> Server {
    Server::in_session(ttl_ms, move |request| obliging_frame(request, ttl_ms))
}

async fn client_of(servers: &[&Server]) -> Client {
    let builder = Client::builder().addresses(servers.iter().map(|server| server.url.clone()));
    // So that the first is asked over its session.
    builder.transport(TransportKind::Session).connect().await.unwrap()
}

#[tokio::test]
async fn a_server_that_falls_silent_does_not_take_locks_with_it_while_another_is_there() {
    let silent = Server::in_session(TTL_MS, |request| match request.operation() {
        "renew" => Said::Freeze,
        _ => obliging_frame(request, TTL_MS),
    });
    let other = well(TTL_MS);
    let client = client_of(&[&silent, &other]).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    other.wait_for("renew", 3).await;
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn a_wait_goes_on_at_another_server_when_the_first_falls_silent() {
    let silent = Server::in_session(TTL_MS, |_| Said::Freeze);
    let other = well(TTL_MS);
    let client = client_of(&[&silent, &other]).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let (first, second) = (&silent.seen_of("acquire")[0], &other.seen_of("acquire")[0]);
    assert_eq!(first.key, second.key);
    drop(guard);
}

#[tokio::test]
async fn an_answer_that_is_late_does_not_end_a_session_whose_server_lives() {
    let mut renewals = 0;
    let server = Server::in_session(TTL_MS, move |request| match request.operation() {
        "acquire" if request.body["resource"] == "waits" => Said::Messages(vec![]),
        "renew" => {
            renewals += 1;
            if renewals == 1 { Said::Messages(vec![]) } else { obliging_frame(request, TTL_MS) }
        }
        _ => obliging_frame(request, TTL_MS),
    });
    let client = client_of(&[&server]).await;
    let waiting = tokio::spawn(client.lock("waits").into_future());
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 3).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(server.seen_of("acquire").len(), 2, "who waits is not disturbed");
    waiting.abort();
}

#[tokio::test]
async fn a_server_without_its_database_is_left_for_another() {
    for operation in ["acquire", "renew"] {
        let unavailable = problem(503, "unavailable", None);
        let without = Server::in_session(TTL_MS, move |request| match request.operation() {
            "acquire" if operation == "acquire" => Said::Answer(json!({"problem": unavailable})),
            "renew" => Said::Answer(json!({"results": [{"problem": unavailable}]})),
            _ => obliging_frame(request, TTL_MS),
        });
        let other = well(TTL_MS);
        let client = client_of(&[&without, &other]).await;
        let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
        other.wait_for("renew", 2).await;
        assert_eq!(guard.state(), GuardState::Held);
        assert_eq!(without.seen_of(operation).len(), 1);
    }
}

#[tokio::test]
async fn a_session_that_is_refused_or_cut_off_by_one_server_is_had_from_another() {
    for refusing in [Session::Forbidden, Session::Cut] {
        let refusing = Server::with(refusing, obliging(TTL_MS));
        let other = well(TTL_MS);
        let begun = Instant::now();
        let client = client_of(&[&refusing, &other]).await;
        assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
        drop(client.lock("orders/42").await.unwrap());
        assert_eq!(other.seen_of("acquire")[0].path, "session/acquire");
    }
}

#[tokio::test]
async fn a_session_alone_that_is_not_to_be_had_is_told_at_once() {
    let server = Server::start(obliging(TTL_MS));
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let error = builder.request_timeout(Duration::from_millis(500)).connect().await.unwrap_err();
    assert!(error.is_connect() && error.to_string().contains("status 404"), "{error}");
}

#[tokio::test]
async fn an_answer_that_can_t_be_read_is_told_and_one_of_a_newer_server_is_not_minded() {
    let server = Server::in_session(30_000, |request| match request.operation() {
        "check" => Said::Answer(json!({"check": {"live": "perhaps"}})),
        "acquire" => Said::Messages(vec![
            json!({"id": request.body["id"], "not_yet_known": {}}),
            json!({"id": request.body["id"], "lease": lease(&new_lease_id(), 30_000)}),
        ]),
        _ => obliging_frame(request, 30_000),
    });
    let client = client_of(&[&server]).await;
    drop(client.lock("orders/42").await.unwrap());
    let error = client.check("orders/42", dlm_client::FencingToken::new(7)).await.unwrap_err();
    assert!(error.is_unexpected_reply(), "{error}");
}

#[tokio::test]
async fn an_end_that_is_told_in_one_breath_with_the_grant_reaches_the_guard() {
    let server = Server::in_session(30_000, |request| match request.operation() {
        "acquire" => {
            let granted = json!({"id": request.body["id"], "lease": lease(&new_lease_id(), 30_000)});
            let ended = json!({"resource": "orders/42", "fencing_token": 7, "reason": "force_released"});
            Said::Messages(vec![granted, json!({"lease_ended": ended})])
        }
        _ => obliging_frame(request, 30_000),
    });
    let client = client_of(&[&server]).await;
    for _ in 0..20 {
        let reason = match client.lock("orders/42").await {
            Ok(guard) => tokio::time::timeout(Duration::from_secs(1), guard.lost()).await.unwrap(),
            Err(error) => error.loss_reason().unwrap(),
        };
        assert_eq!(reason, LossReason::ForceReleased);
    }
}

/// A server whose session comes up while something is asked over HTTP.
fn with_a_late_session(slow: &'static str) -> Server {
    let mut oblige = obliging(30_000);
    let session =
        Session::Open(Duration::from_millis(200), Box::new(|request| obliging_frame(request, 30_000)));
    Server::with(session, move |request| {
        let reply = oblige(request);
        if request.operation() == slow {
            Reply::After(Duration::from_millis(500), Box::new(reply))
        } else {
            reply
        }
    })
}

async fn until_renewed_over_the_session(server: &Server) {
    for _ in 0..100 {
        if server.seen_of("renew").iter().any(|request| request.path == "session/renew") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session does not know of the lease: {:?}", server.seen());
}

#[tokio::test]
async fn a_lease_that_was_granted_over_http_while_the_session_came_up_is_made_known_to_it() {
    let server = with_a_late_session("acquire");
    let client = server.client().await;
    let _guard = client.lock("orders/42").await.unwrap();
    assert_eq!(server.seen_of("acquire")[0].path, "/v1/locks/orders%2F42/acquire");
    until_renewed_over_the_session(&server).await;
}

#[tokio::test]
async fn a_lease_that_was_renewed_over_http_while_the_session_came_up_is_made_known_to_it() {
    let server = with_a_late_session("renew");
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    guard.renew(Duration::from_secs(30)).await.unwrap();
    assert_eq!(server.seen_of("renew")[0].path, "/v1/renew");
    until_renewed_over_the_session(&server).await;
}
