use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::Client;
use serde_json::json;

use crate::server::{Reply, Server, cancelled, granted, obliging, problem};

const TTL: u64 = 30_000;

/// Answers the acquires in turn, the last one for ever, and obliges otherwise.
fn acquires(mut answers: Vec<Box<dyn Fn() -> Reply + Send>>) -> Server {
    let mut oblige = obliging(TTL);
    Server::start(move |request| match request.operation() {
        "acquire" if answers.len() > 1 => answers.remove(0)(),
        "acquire" => answers[0](),
        _ => oblige(request),
    })
}

fn ended(reason: &'static str) -> Box<dyn Fn() -> Reply + Send> {
    Box::new(move || Reply::Json(409, problem(409, "lease-ended", Some(reason))))
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key_and_body() {
    let server = acquires(vec![Box::new(|| Reply::Cut), Box::new(|| Reply::Cut), Box::new(|| granted(TTL))]);
    let client = server.client().await;
    let guard = client.lock("orders/42").metadata([("job", "nightly")]).await.unwrap();

    let asked = server.seen_of("acquire");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| request.key.is_some() && request.key == asked[0].key));
    assert!(asked.iter().all(|request| request.body == asked[0].body));
    assert_eq!(asked[0].path, "/v1/locks/orders%2F42/acquire");
    drop(guard);
}

#[tokio::test]
async fn a_waiter_that_is_still_queued_goes_on_waiting_under_its_key() {
    let queued = || {
        Reply::After(
            Duration::from_millis(20),
            Box::new(Reply::Json(
                202,
                json!({"position": 1, "queue_len": 1, "holders": [], "idempotency_key": "k"}),
            )),
        )
    };
    let server = acquires(vec![Box::new(queued), Box::new(queued), Box::new(|| granted(TTL))]);
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let asked = server.seen_of("acquire");
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].key, asked[2].key);
    assert_eq!(asked[0].body["wait_ms"], 86_400_000, "as long as it takes");
    drop(guard);
}

#[tokio::test]
async fn a_key_whose_lease_ended_before_its_answer_arrived_gives_way_to_a_fresh_one() {
    for reason in ["expired", "away"] {
        let server = acquires(vec![Box::new(|| Reply::Cut), ended(reason), Box::new(|| granted(TTL))]);
        let client = server.client().await;
        let guard = client.lock("orders/42").await.unwrap();
        let asked = server.seen_of("acquire");
        assert_eq!(asked[0].key, asked[1].key);
        assert_ne!(asked[1].key, asked[2].key);
        drop(guard);
    }
}

#[tokio::test]
async fn a_key_of_ones_own_whose_lease_has_ended_is_an_error() {
    let server = acquires(vec![Box::new(|| Reply::Cut), ended("expired")]);
    let client = server.client().await;
    let error = client.lock("orders/42").idempotency_key("job-7").await.unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert_eq!(server.seen_of("acquire").len(), 2);
    assert_eq!(server.seen_of("cancel").len(), 0, "there is nothing to cancel");
}

#[tokio::test]
async fn a_key_of_ones_own_has_one_guard() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    let first = client.lock("orders/42").idempotency_key("only-one").await.unwrap();
    let second = client.lock("orders/42").idempotency_key("only-one").await.unwrap_err();
    assert!(second.is_second_guard(), "{second}");
    assert_eq!(server.seen_of("acquire").len(), 1);

    first.release().await.unwrap();
    client.lock("orders/42").idempotency_key("only-one").await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_also_when_the_server_is_silent_or_away() {
    let silent = acquires(vec![Box::new(|| Reply::Silence)]);
    let away = Server::start(obliging(TTL));
    let (with_silent, with_away) = (silent.client().await, away.client().await);
    drop(away);

    for client in [with_silent, with_away] {
        let begun = Instant::now();
        let error = client.lock("orders/42").wait(Duration::from_millis(300)).await.unwrap_err();
        let waited = begun.elapsed();
        assert!(error.is_timeout(), "{error}");
        assert!(waited >= Duration::from_millis(300) && waited < Duration::from_millis(600), "{waited:?}");
    }
    // The silent one may have queued it.
    silent.wait_for("cancel", 1).await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let busy = || Reply::Other {
        status: 503,
        media_type: "application/problem+json",
        retry_after: Some(1),
        body: problem(503, "unavailable", None).to_string(),
    };
    let server = acquires(vec![Box::new(busy), Box::new(|| granted(TTL))]);
    let client = server.client().await;
    let begun = Instant::now();
    let guard = client.lock("orders/42").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    drop(guard);
}

#[tokio::test]
async fn a_dropped_waiter_cancels_its_key() {
    let server = acquires(vec![Box::new(|| Reply::Silence)]);
    let client = server.client().await;
    let waiting = tokio::spawn(client.lock("orders/42").into_future());
    let asked = server.wait_for("acquire", 1).await;
    waiting.abort();
    let cancels = server.wait_for("cancel", 1).await;
    assert_eq!(cancels[0].key, asked[0].key);
}

#[tokio::test]
async fn a_cancel_is_repeated_until_it_is_answered() {
    let mut cancels = 0;
    let server = Server::start(move |request| match request.operation() {
        "acquire" => Reply::Silence,
        _ => {
            cancels += 1;
            if cancels < 3 { Reply::Cut } else { cancelled() }
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
async fn a_grant_that_nobody_takes_any_more_is_released() {
    let server = Server::start(obliging(300));
    let client = server.client().await;
    let mut waiting = client.lock("orders/42").into_future();
    let first = futures_util::poll!(waiting.as_mut());
    assert!(first.is_pending());
    // Renewed by now, so the grant has arrived; nobody has looked at it.
    server.wait_for("renew", 1).await;
    drop(waiting);
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn a_lock_that_is_held_is_no_error_for_one_who_only_tries() {
    let held = || Reply::Json(423, problem(423, "lock-held", None));
    let server = acquires(vec![Box::new(held)]);
    let client = server.client().await;
    assert!(client.try_lock("orders/42").await.unwrap().is_none());
    let error = client.lock("orders/42").wait(Duration::ZERO).await.unwrap_err();
    assert!(error.is_held(), "{error}");
    assert_eq!(server.seen_of("acquire")[0].body["wait_ms"], 0);
}

#[tokio::test]
async fn one_who_only_tries_is_told_soon_that_the_server_is_away() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    drop(server);
    let begun = Instant::now();
    let error = client.try_lock("orders/42").await.unwrap_err();
    assert!(error.is_connect() && error.is_retryable(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(client.status("orders/42").await.unwrap_err().is_connect());
}

#[tokio::test]
async fn one_who_only_tries_is_told_that_the_server_is_silent_and_not_of_a_wait() {
    let server = acquires(vec![Box::new(|| Reply::Silence)]);
    let timeout = Duration::from_millis(300);
    let client = Client::builder().address(&server.url).request_timeout(timeout).connect().await.unwrap();
    let error = client.try_lock("orders/42").await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("no answer from the server"), "{error}");
}
