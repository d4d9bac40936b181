//! How the client handles unusual replies and invalid arguments.

use std::time::{Duration, Instant};

use dlm_client::{Client, FencingToken, ProblemCode, StateFilter};
use serde_json::{Value, json};

use super::server::{ScriptedReply, ScriptedServer, accept_all, problem};

fn page(title: &str) -> ScriptedReply {
    let body = format!("<html>{title}</html>");
    ScriptedReply::Other { status: 200, media_type: "text/html", retry_after: None, body }
}

#[tokio::test]
async fn reply_of_another_server_is_an_unexpected_reply() {
    let server = ScriptedServer::start(|_| page("please log in"));
    let client = server.client().await;
    for error in [
        client.lock("orders/42").await.unwrap_err(),
        client.try_lock("orders/42").await.unwrap_err(),
        client.status("orders/42").await.unwrap_err(),
    ] {
        assert!(error.is_unexpected_reply() && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains("text/html"), "{error}");
    }
}

#[tokio::test]
async fn connect_fails_at_once_if_the_server_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let error = Client::connect(&format!("http://{free}")).await.unwrap_err();
    // Nothing waits for the request timeout of ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(error.is_connect() && error.is_retryable(), "{error}");
    assert!(Client::connect("localhost:7420").await.unwrap_err().is_invalid());
}

#[tokio::test]
async fn connect_fails_at_once_if_the_server_is_not_ready() {
    let server = ScriptedServer::start(accept_all(30_000));
    server.set_ready(false);
    let begun = Instant::now();
    let error = Client::connect(&server.url).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((error.code(), error.is_retryable()), (Some(ProblemCode::Unavailable), true), "{error}");
    server.set_ready(true);
    server.client().await;
}

#[tokio::test]
async fn first_invalid_argument_is_reported_when_the_request_is_awaited() {
    let server = ScriptedServer::start(accept_all(30_000));
    let client = server.client().await;
    let error = client.lock("a\nb").ttl(Duration::ZERO).await.unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("resource name"), "{error}");
    let error = client.lock("a").ttl(Duration::ZERO).owner("a\nb").await.unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("ttl_ms"), "{error}");
    let builder = Client::builder().address(&server.url).owner("a\nb").default_ttl(Duration::ZERO);
    assert!(builder.connect().await.unwrap_err().to_string().contains("owner"));
    for timeout in [Duration::ZERO, Duration::MAX] {
        let builder = Client::builder().address(&server.url).request_timeout(timeout);
        assert!(builder.connect().await.unwrap_err().is_invalid());
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn client_defaults_apply_to_each_lock_unless_overridden() {
    let server = ScriptedServer::start(accept_all(5_000));
    let builder = Client::builder().address(&server.url).owner("api-7").default_ttl(Duration::from_secs(5));
    let client = builder.connect().await.unwrap();
    drop(client.lock("a").await.unwrap());
    drop(client.lock("a").owner("api-8").shared().await.unwrap());
    let bodies: Vec<Value> = server.seen_of("acquire").into_iter().map(|request| request.body).collect();
    assert_eq!((&bodies[0]["owner"], &bodies[0]["ttl_ms"]), (&json!("api-7"), &json!(5_000)));
    assert_eq!((&bodies[1]["owner"], &bodies[1]["mode"]), (&json!("api-8"), &json!("shared")));
}

#[tokio::test]
async fn request_is_retried_after_a_lost_reply_and_a_rejection_is_reported() {
    let mut attempts = 0;
    let server = ScriptedServer::start(move |request| {
        attempts += 1;
        match request.operation() {
            _ if attempts == 1 => ScriptedReply::Cut,
            "check" => ScriptedReply::Json(200, json!({"live": true, "mode": "shared", "current_token": 9})),
            _ => ScriptedReply::Json(409, problem(409, "holder-changed", None)),
        }
    });
    let client = server.client().await;
    let token = FencingToken::new(7);
    assert!(client.check("orders/42", token).await.unwrap().live);
    let error = client.force_release("orders/42", token, "the host is down").await.unwrap_err();
    assert_eq!(error.code(), Some(ProblemCode::HolderChanged));
    assert_eq!(error.to_string(), "it is holder-changed (request r1)");
    assert!(client.force_release("orders/42", token, "").await.unwrap_err().is_invalid());
}

#[tokio::test]
async fn list_is_fetched_page_by_page() {
    let row = |name: &str| {
        json!({"resource": name, "state": "free", "mode": null, "current_token": 0, "queue_len": 0,
               "holders": [], "holder_count": 0, "version": 0})
    };
    let server = ScriptedServer::start(move |request| {
        let (locks, next, cursor) = if request.path.contains("after=") {
            (vec![row("c")], None, "second")
        } else {
            (vec![row("a"), row("b/🔒")], Some("b/🔒"), "first")
        };
        ScriptedReply::Json(200, json!({"locks": locks, "next": next, "cursor": cursor}))
    });
    let client = server.client().await;
    let mut locks = client.locks().prefix("a&b").state(StateFilter::All);
    assert_eq!(locks.cursor(), None);
    let mut names = Vec::new();
    while let Some(status) = locks.next().await {
        names.push(status.unwrap().resource.to_string());
    }
    assert_eq!(names, ["a", "b/🔒", "c"]);
    assert_eq!(locks.cursor(), Some("first"), "the cursor of the first page");
    let paths: Vec<String> = server.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(paths[0], "/v1/locks?limit=1000&state=all&prefix=a%26b");
    assert_eq!(paths[1], "/v1/locks?limit=1000&state=all&prefix=a%26b&after=b%2F%F0%9F%94%92");
}
