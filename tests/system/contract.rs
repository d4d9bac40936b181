//! The wire contract, field by field.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::TestServer;
use crate::harness::{Acquire, Api, MachineDelay, RawHttp2, eventually, quiet_test_lock, release_test_lock, new_key, spawn, startup_error};

const JSON: (&str, &str) = ("content-type", "application/json");
const ACQUIRE: &str = "/v1/locks/a/acquire";

async fn post(api: &Api, path: &str, headers: &[(&str, &str)], body: &str) -> crate::harness::ApiResponse {
    api.send(Method::POST, path, headers, Some(body.to_owned())).await
}

#[tokio::test]
async fn contract_lease_has_all_fields_and_defaults() {
    let server = TestServer::start();
    let api = server.api();
    let lease = api.lock("orders/42", &Acquire::exclusive()).await;
    let fields: Vec<&String> = lease.as_object().unwrap().keys().collect();
    let expected = [
        "acquired_at",
        "elapsed_ms",
        "expires_at",
        "fencing_token",
        "lease_id",
        "metadata",
        "mode",
        "owner",
        "resource",
        "ttl_ms",
    ];
    assert_eq!(fields, expected);
    assert_eq!(
        (&lease["mode"], &lease["ttl_ms"], &lease["owner"], &lease["metadata"]),
        (&json!("exclusive"), &json!(30_000), &json!(""), &json!({}))
    );
    let instant = lease["expires_at"].as_str().unwrap();
    assert!(instant.len() == 24 && instant.ends_with('Z'), "{instant}");
    // Without a body, all fields have their defaults.
    let lease = api.send(Method::POST, ACQUIRE, &[], None).await.ok();
    assert_eq!(lease["ttl_ms"], 30_000);
}

#[tokio::test]
async fn contract_invalid_body_is_refused_and_the_detail_names_the_field() {
    let server = TestServer::start();
    let api = server.api();
    for (body, expected) in [
        (r#"{"ttl": 5}"#, "ttl"),
        (r#"{"ttl_ms": 99}"#, "ttl_ms"),
        (r#"{"ttl_ms": 86400001}"#, "ttl_ms"),
        (r#"{"ttl_ms": "5"}"#, "string"),
        (r#"{"wait_ms": -1}"#, "-1"),
        (r#"{"wait_ms": 86400001}"#, "wait_ms"),
        (r#"{"mode": "write"}"#, "write"),
        (r#"{"owner": "a\u0000b"}"#, "owner"),
        (r#"{"owner": "a\nb"}"#, "owner"),
        (r#"{"metadata": {"a": 1}}"#, "metadata"),
        (r#"{"metadata": {"a": "\u0000"}}"#, "U+0000"),
        (r#"{"mode": "shared"} x"#, "trailing"),
        ("{", "EOF"),
        ("[]", "object"),
        ("7", "object"),
    ] {
        let problem = post(&api, ACQUIRE, &[JSON], body).await;
        let problem = problem.problem(400, "invalid-request");
        if expected != "metadata" {
            assert!(problem["detail"].as_str().unwrap().contains(expected), "{body}: {problem}");
        }
    }
    let long = "x".repeat(257);
    api.acquire("a", &Acquire::exclusive().with("owner", long)).await.problem(400, "invalid-request");
    let fits = json!({"k": "v".repeat(4095)});
    let large = json!({"k": "v".repeat(4096)});
    api.acquire("a", &Acquire::exclusive().with("metadata", large)).await.problem(400, "invalid-request");
    api.lock("a", &Acquire::exclusive().with("metadata", fits)).await;
}

#[tokio::test]
async fn contract_media_type_and_body_size_are_checked() {
    let server = TestServer::start();
    let api = server.api();
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        post(&api, ACQUIRE, &[("content-type", content_type)], "{}")
            .await
            .problem(415, "unsupported-media-type");
    }
    post(&api, ACQUIRE, &[], "{}").await.problem(415, "unsupported-media-type");
    // The limits are exact to the byte.
    let padded = |body: &str, bytes: usize| body.to_owned() + &" ".repeat(bytes - body.len());
    post(&api, ACQUIRE, &[JSON], &padded("{}", 64 * 1024)).await.ok();
    post(&api, ACQUIRE, &[JSON], &padded("{}", 64 * 1024 + 1)).await.problem(413, "body-too-large");
    let lease = json!({"resource": "a", "lease_id": "x"});
    let many = |count: usize| json!({"leases": vec![lease.clone(); count]});
    let one = many(1).to_string();
    post(&api, "/v1/renew", &[JSON], &padded(&one, 1024 * 1024)).await.ok();
    post(&api, "/v1/renew", &[JSON], &padded(&one, 1024 * 1024 + 1)).await.problem(413, "body-too-large");
    api.post("/v1/renew", &many(1001)).await.problem(400, "invalid-request");
    let results = api.post("/v1/renew", &many(1000)).await.ok();
    assert_eq!(results["results"][999]["problem"]["code"], "not-holder");
}

#[tokio::test]
async fn contract_idempotency_keys_are_visible_ascii() {
    let server = TestServer::start();
    let api = server.api();
    for bad in ["", "with space", &"x".repeat(256)] {
        post(&api, ACQUIRE, &[JSON, ("idempotency-key", bad)], "{}").await.problem(400, "invalid-request");
    }
    let twice = [JSON, ("idempotency-key", "a"), ("idempotency-key", "b")];
    post(&api, ACQUIRE, &twice, "{}").await.problem(400, "invalid-request");
    api.send(Method::POST, "/v1/locks/a/cancel", &[], None).await.problem(400, "invalid-request");
    api.lock("a", &Acquire::exclusive().key(&"x".repeat(255))).await;
}

#[tokio::test]
async fn contract_unknown_paths_and_methods_are_refused() {
    let server = TestServer::start();
    let api = server.api();
    for path in ["/v1/lock/a", "/v1/locks/a/b/acquire", "/v2/locks", "/v1"] {
        api.get(path).await.problem(404, "not-found");
    }
    let response = api.get(ACQUIRE).await;
    response.problem(405, "method-not-allowed");
    assert_eq!(response.headers["allow"], "POST");
    let head = api.send(Method::HEAD, "/livez", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.headers["content-length"], "3");
    let response = api.send(Method::GET, "/v1/locks/a", &[("x-request-id", "mine-7")], None).await;
    assert_eq!(response.headers["x-request-id"], "mine-7");
    let long = "x".repeat(200);
    let response = api.send(Method::GET, "/v1/locks/a", &[("x-request-id", &long)], None).await;
    assert_ne!(response.headers["x-request-id"], *long);
    assert_eq!(api.get("/readyz").await.status, 200);
    let metrics = api.get("/metrics").await;
    assert!(metrics.text.contains("# TYPE dlm_batch_operations histogram"), "{}", metrics.text);
    let openapi = api.get("/openapi.json").await.ok();
    assert!(openapi["paths"]["/v1/locks/{name}/acquire"]["post"].is_object());
}

#[tokio::test]
async fn contract_response_to_head_has_no_body_over_http2() {
    let server = TestServer::start();
    for (method, path, data) in [("GET", "/livez", "ok\n"), ("HEAD", "/livez", ""), ("HEAD", "/v1/lock", "")] {
        let mut client = RawHttp2::connect(server.url()).await;
        client.request(method, path).await;
        assert_eq!(client.response_data().await, data.as_bytes(), "{method} {path}");
    }
}

#[tokio::test]
async fn contract_unused_name_is_free() {
    let server = TestServer::start();
    let status = server.api().status("never").await;
    assert_eq!((&status["state"], &status["mode"]), (&json!("free"), &Value::Null));
    for (field, value) in [("current_token", 0), ("queue_len", 0), ("holder_count", 0), ("version", 0)] {
        assert_eq!(status[field], value, "{field}");
    }
    assert_eq!((&status["holders"], &status["waiters"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn contract_lists_are_paged_in_byte_order_of_names() {
    let server = TestServer::start();
    let api = server.api();
    let mut names = ["b", "a/b", "a", "B", "a/é", "a/🔒", "a0", "a/z"];
    for name in names {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        if name == "a/z" {
            api.release(name, &lease).await.ok();
        }
    }
    names.sort_unstable();
    let mut listed: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let page = api.get(&format!("/v1/locks?state=all&limit=3{after}")).await.ok();
        let locks = page["locks"].as_array().unwrap();
        listed.extend(locks.iter().map(|lock| lock["resource"].as_str().unwrap().to_owned()));
        assert!(locks.iter().all(|lock| lock.get("waiters").is_none()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", crate::harness::encode(next));
    }
    assert_eq!(listed, names);
    let count = |query: &'static str| {
        let api = api.clone();
        async move { api.get(&format!("/v1/locks?{query}")).await.ok()["locks"].as_array().unwrap().len() }
    };
    assert_eq!(count("").await, 7, "the default state is held");
    assert_eq!(count("prefix=a%2F").await, 3);
    assert_eq!(count("prefix=a%2F&state=all").await, 4);
    assert_eq!(count("state=waiting").await, 0);
    for query in ["limit=0", "limit=1001", "limit=x", "state=x", "prefx=a", "limit=1&limit=2"] {
        api.get(&format!("/v1/locks?{query}")).await.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn contract_query_parameter_that_is_not_percent_encoded_is_refused() {
    let server = TestServer::start();
    let api = server.api();
    for (path, parameters) in [
        ("/v1/locks", &["prefix", "contains", "state", "limit", "after"][..]),
        (
            "/v1/events",
            &[
                "after",
                "prefix",
                "resource",
                "limit",
                "newest",
                "before",
                "kind",
                "owner",
                "principal",
                "from",
                "to",
            ],
        ),
        ("/v1/overview", &["seconds"]),
        ("/v1/wait-graph", &["limit"]),
        ("/v1/locks/a/explain", &["owner", "principal"]),
        ("/v1/hold-statistics", &["resource"]),
        ("/v1/state", &["at", "prefix", "limit"]),
        ("/v1/owners", &["contains", "prefix", "principal", "limit", "after"]),
        ("/v1/owners/a", &["principal"]),
    ] {
        for parameter in parameters {
            for value in ["%", "a%2", "%zz", "%FF"] {
                api.get(&format!("{path}?{parameter}={value}")).await.problem(400, "invalid-request");
            }
        }
    }
    assert_eq!(api.get("/v1/locks?prefix=%25").await.ok()["locks"], json!([]));
}

#[tokio::test]
async fn contract_events_are_paged_and_resumable() {
    let server = TestServer::start();
    let api = server.api();
    for name in ["a", "b", "ab"] {
        let lease = api.lock(name, &Acquire::exclusive().with("owner", "me")).await;
        api.release(name, &lease).await.ok();
    }
    let first = api.get("/v1/events?limit=4").await.ok();
    assert_eq!(first["events"].as_array().unwrap().len(), 4);
    let cursor = first["cursor"].as_str().unwrap();
    let rest = api.get(&format!("/v1/events?after={cursor}")).await.ok();
    assert_eq!(rest["events"].as_array().unwrap().len(), 2);
    let end = rest["cursor"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/events?after={end}")).await.ok()["events"], json!([]));
    let count = |query: &'static str| {
        let api = api.clone();
        async move { api.get(&format!("/v1/events?{query}")).await.ok()["events"].as_array().unwrap().len() }
    };
    assert_eq!((count("prefix=a").await, count("resource=a").await), (4, 2));
    for cursor in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        api.get(&format!("/v1/events?after={cursor}")).await.problem(400, "invalid-cursor");
    }
    let event = &first["events"][0];
    assert_eq!(
        (&event["type"], &event["kind"], &event["owner"]),
        (&json!("event"), &json!("granted"), &json!("me"))
    );
    assert_eq!(
        (&event["version"], &event["ttl_ms"], &event["queue_len"]),
        (&json!(1), &json!(30_000), &json!(0))
    );
}

#[tokio::test]
async fn contract_acquire_request_is_held_for_twenty_seconds_at_most() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(120_000)).await;
    release_test_lock();
    let started = crate::harness::now();
    let response = api.acquire("a", &Acquire::exclusive().wait(60_000)).await;
    assert_eq!(response.status, 202, "{}", response.text);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(19_500), "{took:?}");
    delay.assert_within("the request", took, Duration::from_secs(21));
    let queued = response.json();
    assert_eq!((&queued["position"], &queued["queue_len"]), (&json!(1), &json!(1)));
    // The reply has the generated key, with which the caller can keep waiting.
    let key = queued["idempotency_key"].as_str().unwrap().to_owned();
    assert_eq!(api.cancel("a", &key).await.ok()["outcome"], "cancelled");
}

#[tokio::test]
async fn contract_startup_error_names_the_cause() {
    let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", "mysql://user:s3cret@host/db"]);
    assert!(error.contains("sqlite") && !error.contains("s3cret"), "{error}");
    let error = startup_error(&["--listen", "0.0.0.0:0"]);
    assert!(error.contains("--insecure-no-auth"), "{error}");
}

#[tokio::test]
async fn draining_server_answers_its_waiters_and_exits() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let mut server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let key = new_key();
    let waiter = {
        let (api, key) = (api.clone(), key.clone());
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000).key(&key)).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    let started = crate::harness::now();
    let status = tokio::task::spawn_blocking(move || (server.terminate(), server)).await.unwrap().0;
    assert!(status.success(), "{status}");
    delay.assert_within("the drain", started.elapsed(), Duration::from_secs(10));
    let response = waiter.await.unwrap();
    assert_eq!(response.status, 202, "{}", response.text);
    let queued = response.json();
    assert_eq!((queued["position"].as_u64(), queued["queue_len"].as_u64()), (Some(1), Some(1)));
    assert_eq!(queued["idempotency_key"], *key);
}
