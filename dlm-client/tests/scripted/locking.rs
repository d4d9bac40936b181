//! Acquiring a lock: retries, waits, and abandoned requests.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::{Client, GuardState, ProblemCode};
use serde_json::json;

use super::server::{ScriptedReply, ScriptedServer, accept_all, cancelled, granted, problem};

const TTL: u64 = 30_000;

/// Replies to the acquires in order, repeating the last reply, and accepts all other
/// requests.
fn acquire_replies(mut replies: Vec<Box<dyn Fn() -> ScriptedReply + Send>>) -> ScriptedServer {
    let mut accept = accept_all(TTL);
    ScriptedServer::start(move |request| match request.operation() {
        "acquire" if replies.len() > 1 => replies.remove(0)(),
        "acquire" => replies[0](),
        _ => accept(request),
    })
}

fn ended(reason: &'static str) -> Box<dyn Fn() -> ScriptedReply + Send> {
    Box::new(move || ScriptedReply::Json(409, problem(409, "lease-ended", Some(reason))))
}

#[tokio::test]
async fn lost_reply_is_retried_with_the_same_key_and_body() {
    let server = acquire_replies(vec![
        Box::new(|| ScriptedReply::Cut),
        Box::new(|| ScriptedReply::Cut),
        Box::new(|| granted(TTL)),
    ]);
    let client = server.client().await;
    let guard = client.lock("orders/42").metadata([("job", "nightly")]).await.unwrap();

    let requests = server.seen_of("acquire");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.key.is_some() && request.key == requests[0].key));
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    assert_eq!(requests[0].path, "/v1/locks/orders%2F42/acquire");
    drop(guard);
}

#[tokio::test]
async fn queued_waiter_continues_to_wait_with_the_same_key() {
    let queued = || {
        ScriptedReply::After(
            Duration::from_millis(20),
            Box::new(ScriptedReply::Json(
                202,
                json!({"position": 1, "queue_len": 1, "holders": [], "idempotency_key": "k"}),
            )),
        )
    };
    let server = acquire_replies(vec![Box::new(queued), Box::new(queued), Box::new(|| granted(TTL))]);
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let requests = server.seen_of("acquire");
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].key, requests[2].key);
    assert_eq!(requests[0].body["wait_ms"], 86_400_000, "the longest wait the server accepts");
    drop(guard);
}

#[tokio::test]
async fn key_whose_lease_ended_before_the_reply_arrived_is_replaced() {
    for reason in ["expired", "away"] {
        let server =
            acquire_replies(vec![Box::new(|| ScriptedReply::Cut), ended(reason), Box::new(|| granted(TTL))]);
        let client = server.client().await;
        let guard = client.lock("orders/42").await.unwrap();
        let requests = server.seen_of("acquire");
        assert_eq!(requests[0].key, requests[1].key);
        assert_ne!(requests[1].key, requests[2].key);
        drop(guard);
    }
}

#[tokio::test]
async fn ended_lease_of_a_caller_chosen_key_is_an_error() {
    let server = acquire_replies(vec![Box::new(|| ScriptedReply::Cut), ended("expired")]);
    let client = server.client().await;
    let error = client.lock("orders/42").idempotency_key("job-7").await.unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert_eq!(server.seen_of("acquire").len(), 2);
    assert_eq!(server.seen_of("cancel").len(), 0, "there is nothing to cancel");
}

#[tokio::test]
async fn caller_chosen_key_has_at_most_one_guard() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let first = client.lock("orders/42").idempotency_key("only-one").await.unwrap();
    let second = client.lock("orders/42").idempotency_key("only-one").await.unwrap_err();
    assert!(second.is_second_guard(), "{second}");
    assert_eq!(server.seen_of("acquire").len(), 1);

    first.release().await.unwrap();
    client.lock("orders/42").idempotency_key("only-one").await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn wait_times_out_even_if_the_server_is_silent_or_unreachable() {
    let silent = acquire_replies(vec![Box::new(|| ScriptedReply::Silence)]);
    let unreachable = ScriptedServer::start(accept_all(TTL));
    let (with_silent, with_unreachable) = (silent.client().await, unreachable.client().await);
    drop(unreachable);

    // A silent server has a second to reply that the wait timed out.
    for (client, grace) in [(with_silent, Duration::from_secs(1)), (with_unreachable, Duration::ZERO)] {
        let begun = Instant::now();
        let error = client.lock("orders/42").wait(Duration::from_millis(300)).await.unwrap_err();
        let waited = begun.elapsed();
        assert!(error.is_timeout() && error.code().is_none(), "{error}");
        let earliest = Duration::from_millis(300) + grace;
        assert!(waited >= earliest && waited < earliest + Duration::from_secs(5), "{waited:?}");
    }
    // The silent server may have queued the request.
    silent.wait_for("cancel", 1).await;
}

/// Over a slow network the reply arrives after the end of the wait.
#[tokio::test]
async fn b06_reply_of_the_server_at_the_end_of_a_wait_is_waited_for() {
    let wait = Duration::from_millis(50);
    let late =
        move |reply: ScriptedReply| ScriptedReply::After(wait + Duration::from_millis(300), Box::new(reply));
    let timed_out = move || late(ScriptedReply::Json(423, problem(423, "wait-timeout", None)));
    let server = acquire_replies(vec![Box::new(timed_out), Box::new(move || late(granted(TTL)))]);
    let client = server.client().await;
    let error = client.lock("orders/42").wait(wait).await.unwrap_err();
    assert_eq!((error.is_timeout(), error.code()), (true, Some(ProblemCode::WaitTimeout)), "{error}");
    let guard = client.lock("orders/42").wait(wait).await.unwrap();
    assert_eq!(guard.state(), GuardState::Held, "the grant was on its way");
    assert_eq!(server.seen_of("cancel").len(), 0);
}

#[tokio::test]
async fn retry_waits_for_the_retry_after_of_the_server() {
    let busy = || ScriptedReply::Other {
        status: 503,
        media_type: "application/problem+json",
        retry_after: Some(1),
        body: problem(503, "unavailable", None).to_string(),
    };
    let server = acquire_replies(vec![Box::new(busy), Box::new(|| granted(TTL))]);
    let client = server.client().await;
    let begun = Instant::now();
    let guard = client.lock("orders/42").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    drop(guard);
}

#[tokio::test]
async fn dropped_waiter_cancels_its_key() {
    let server = acquire_replies(vec![Box::new(|| ScriptedReply::Silence)]);
    let client = server.client().await;
    let waiting = tokio::spawn(client.lock("orders/42").into_future());
    let requests = server.wait_for("acquire", 1).await;
    waiting.abort();
    let cancels = server.wait_for("cancel", 1).await;
    assert_eq!(cancels[0].key, requests[0].key);
}

#[tokio::test]
async fn cancel_is_retried_until_it_is_answered() {
    let mut cancels = 0;
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => ScriptedReply::Silence,
        _ => {
            cancels += 1;
            if cancels < 3 { ScriptedReply::Cut } else { cancelled() }
        }
    });
    let client = server.client().await;
    let waiting = tokio::spawn(client.lock("orders/42").into_future());
    server.wait_for("acquire", 1).await;
    waiting.abort();
    server.wait_for("cancel", 3).await;
    client.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(server.seen_of("cancel").len(), 3);
}

#[tokio::test]
async fn grant_of_a_dropped_request_is_released() {
    let mut accept = accept_all(3_000);
    let server = ScriptedServer::start(move |request| match request.operation() {
        // Not before the first poll.
        "acquire" => ScriptedReply::After(Duration::from_millis(300), Box::new(accept(request))),
        _ => accept(request),
    });
    let client = server.client().await;
    let mut waiting = client.lock("orders/42").into_future();
    let first = futures_util::poll!(waiting.as_mut());
    assert!(first.is_pending());
    // A renewal shows that the grant has arrived, although nothing polled the request.
    server.wait_for("renew", 1).await;
    drop(waiting);
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn try_lock_of_a_held_lock_returns_none() {
    let held = || ScriptedReply::Json(423, problem(423, "lock-held", None));
    let server = acquire_replies(vec![Box::new(held)]);
    let client = server.client().await;
    assert!(client.try_lock("orders/42").await.unwrap().is_none());
    let error = client.lock("orders/42").wait(Duration::ZERO).await.unwrap_err();
    assert!(error.is_held(), "{error}");
    assert_eq!(server.seen_of("acquire")[0].body["wait_ms"], 0);
}

#[tokio::test]
async fn try_lock_reports_an_unreachable_server_soon() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    drop(server);
    let begun = Instant::now();
    let error = client.try_lock("orders/42").await.unwrap_err();
    assert!(error.is_connect() && error.is_retryable(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(client.status("orders/42").await.unwrap_err().is_connect());
}

#[tokio::test]
async fn try_lock_reports_a_silent_server_as_a_request_timeout() {
    let server = acquire_replies(vec![Box::new(|| ScriptedReply::Silence)]);
    let timeout = Duration::from_millis(300);
    let client = Client::builder().address(&server.url).request_timeout(timeout).connect().await.unwrap();
    let error = client.try_lock("orders/42").await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("no reply from the server"), "{error}");
}
