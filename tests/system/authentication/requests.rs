//! Every route with and without a token.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{api, in_seconds, server, three_principals};
use crate::harness::{Acquire, AuthFile, MachineDelay, WebSocket, new_key, principal, quiet_test_lock};

const SESSION: (&str, &str) = ("/v1/session", "dlm.session.v1");
const EVENTS: (&str, &str) = ("/v1/events", "dlm.events.v1");

/// Every route of the API, with a body, the role that it needs, and on what.
fn routes() -> Vec<(Method, &'static str, Option<&'static str>, Option<&'static str>)> {
    let (get, post) = (Method::GET, Method::POST);
    let lease = Some(r#"{"lease_id": "x"}"#);
    vec![
        (post.clone(), "/v1/locks/orders%2F1/acquire", Some("{}"), Some("lock")),
        (post.clone(), "/v1/locks/orders%2F1/cancel", None, Some("lock")),
        (post.clone(), "/v1/locks/orders%2F1/renew", lease, Some("lock")),
        (post.clone(), "/v1/locks/orders%2F1/release", lease, Some("lock")),
        (
            post.clone(),
            "/v1/locks/orders%2F1/force-release",
            Some(r#"{"fencing_token": 1, "reason": "x"}"#),
            Some("admin"),
        ),
        (post.clone(), "/v1/locks/orders%2F1/check", Some(r#"{"fencing_token": 1}"#), Some("lock")),
        (post.clone(), "/v1/renew", Some(r#"{"leases": []}"#), None),
        (get.clone(), "/v1/locks/orders%2F1", None, None),
        (get.clone(), "/v1/locks", None, None),
        (get.clone(), "/v1/events", None, None),
        (get.clone(), "/v1/overview", None, None),
        (get.clone(), "/v1/wait-graph", None, None),
        (get.clone(), "/v1/locks/orders%2F1/explain", None, None),
        (get.clone(), "/v1/hold-statistics?resource=orders%2F1", None, None),
        (get.clone(), "/v1/owners", None, None),
        (get.clone(), "/v1/state", None, None),
        (get.clone(), "/v1/owners/a", None, None),
        (get.clone(), "/v1/principals/a", None, None),
        (get.clone(), "/v1/whoami", None, None),
        (get.clone(), "/metrics", None, None),
        (get, "/openapi.json", None, None),
    ]
}

#[tokio::test]
async fn openapi_document_says_which_operations_need_a_credential() {
    let server = server(&AuthFile::new(&three_principals()));
    let document = api(&server, "viewer-token").get("/openapi.json").await.ok();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    let mut public = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let refused = server
                .api()
                .send(
                    method,
                    &path.replace("{name}", "a").replace("{owner}", "a").replace("{principal}", "a"),
                    &[],
                    None,
                )
                .await
                .status
                == 401;
            let credentials = operation["security"].as_array().unwrap();
            assert_eq!(!credentials.is_empty(), refused, "{path}");
            assert_eq!(operation["responses"]["401"].is_object(), refused, "{path}");
            for credential in credentials {
                assert!(
                    schemes.contains_key(credential.as_object().unwrap().keys().next().unwrap()),
                    "{path}"
                );
            }
            if !refused {
                public.push(path.as_str());
            }
        }
    }
    assert_eq!(public, ["/livez", "/readyz"]);
}

#[tokio::test]
async fn every_route_needs_a_token_and_the_role_for_it() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let key = new_key();
    for (method, path, body, role) in routes() {
        let send = async |headers: &[(&str, &str)]| {
            let more = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
            let headers = [headers, &more].concat();
            server.api().send(method.clone(), path, &headers, body.map(str::to_owned)).await
        };
        for (headers, challenge) in [
            (&[][..], "Bearer"),
            (&[("authorization", "Bearer wrong")], "Bearer error=\"invalid_token\""),
            (&[("authorization", "Basic YTpi")], "Bearer error=\"invalid_token\""),
            (&[("authorization", "")], "Bearer error=\"invalid_token\""),
            (
                &[("authorization", "Bearer ops-token"), ("authorization", "Bearer ops-token")],
                "Bearer error=\"invalid_token\"",
            ),
        ] {
            let refused = send(headers).await;
            refused.problem(401, "unauthenticated");
            assert_eq!(refused.headers["www-authenticate"], challenge, "{path} {headers:?}");
        }
        let by_viewer = send(&[("authorization", "Bearer viewer-token")]).await;
        match role {
            Some(role) => assert_eq!(by_viewer.problem(403, "forbidden")["required"], role, "{path}"),
            None => assert_eq!(by_viewer.status, 200, "{path}: {}", by_viewer.text),
        }
        let by_ops = send(&[("authorization", "bearer ops-token")]).await;
        assert!(
            !matches!(by_ops.status, 401 | 500..) && !by_ops.text.contains(r#""code":"forbidden""#),
            "{path}"
        );
    }
    // Paths without a route tell no more than those with one.
    for path in ["/v1/nothing", "/v1/locks/a/b/c", "/nothing", "/metrics/"] {
        server.api().get(path).await.problem(401, "unauthenticated");
        api(&server, "viewer-token").get(path).await.problem(404, "not-found");
    }
    // A page that was mistyped in a browser is the same for everyone.
    let browser = [("accept", "text/html")];
    assert!(server.api().send(Method::GET, "/nothing", &browser, None).await.text.contains("<html"));
    server.api().send(Method::GET, "/v1/nothing", &browser, None).await.problem(401, "unauthenticated");
    server.api().send(Method::DELETE, "/v1/locks/a", &[], None).await.problem(401, "unauthenticated");
    let head = server.api().send(Method::HEAD, "/v1/locks", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (401, ""));
    for path in ["/livez", "/readyz", "/", "/locks", "/locks/orders%2F1", "/events"] {
        assert_eq!(server.api().get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn sockets_need_a_token_at_the_upgrade() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    for (path, protocol) in [SESSION, EVENTS] {
        for opened in [
            WebSocket::try_open(server.url(), path, protocol).await,
            WebSocket::with_token(server.url(), path, protocol, "wrong").await,
        ] {
            match opened {
                Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                    assert_eq!(response.status().as_u16(), 401, "{path}");
                    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
                }
                Err(error) => panic!("{path}: {error}"),
                Ok(_) => panic!("{path} is open"),
            }
        }
        WebSocket::with_token(server.url(), path, protocol, "api-token").await.unwrap();
    }
    let mut session = WebSocket::with_token(server.url(), SESSION.0, SESSION.1, "api-token").await.unwrap();
    let granted = session.request("acquire", json!({"resource": "orders/1"})).await;
    assert!(granted["lease"].is_object(), "{granted}");
    let denied = session.request("acquire", json!({"resource": "other"})).await;
    assert_eq!(
        (&denied["problem"]["code"], &denied["problem"]["required"]),
        (&"forbidden".into(), &"lock".into())
    );
}

#[tokio::test]
async fn what_one_may_do_is_decided_by_the_token_of_each_request() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let (client, viewer, ops) =
        (api(&server, "api-token"), api(&server, "viewer-token"), api(&server, "ops-token"));
    let lease = client.lock("orders/1", &Acquire::exclusive()).await;
    for name in ["orders2", "other", "orders2/1", "ORDERS/1"] {
        let denied = client.acquire(name, &Acquire::exclusive()).await.problem(403, "forbidden");
        assert_eq!(denied["required"], "lock", "{name}");
    }
    client.force_release("orders/1", &lease["fencing_token"]).await.problem(403, "forbidden");
    viewer.acquire("orders/1", &Acquire::exclusive()).await.problem(403, "forbidden");
    assert_eq!(viewer.status("orders/1").await["state"], "held");
    // The lease id of another principal is of no use.
    ops.release("orders/1", &lease).await.problem(403, "not-holder");
    ops.renew("orders/1", &lease).await.problem(403, "not-holder");
    client.renew("orders/1", &lease).await.ok();
    client.release("orders/1", &lease).await.ok();
    ops.lock("other", &Acquire::exclusive()).await;
    assert_eq!(client.get("/v1/locks").await.ok()["locks"], json!([]));
    client.get("/metrics").await.problem(403, "forbidden");
}

#[tokio::test]
async fn whoami_tells_the_principal_its_rules_and_the_expiry() {
    let expires = in_seconds(3600);
    let limited = principal("api", &["long", &format!("short expires = {expires}")], &[("observe", "")])
        + "[[principal]]\nname = \"limited\"\ntokens = [{ sha256 = \"HASH\" }]\nrules = [{ role = \"lock\", prefix = \
           \"orders/\", max_ttl = \"10m\", max_wait = \"1h\", max_leases = 3, max_waiters = 4, requests_per_second = 5 }]\n";
    // The digest of "abc".
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let file = AuthFile::new(&limited.replace("HASH", hash));
    let server = server(&file);
    let rule = json!({"role": "observe", "prefix": ""});
    let who = api(&server, "long").get("/v1/whoami").await.ok();
    assert_eq!(who, json!({"principal": "api", "rules": [rule], "expires_at": null}));
    let who = api(&server, "short").get("/v1/whoami").await.ok();
    assert_eq!(who["expires_at"], expires);
    let rule = json!({
        "role": "lock", "prefix": "orders/", "max_ttl_ms": 600_000, "max_wait_ms": 3_600_000, "max_leases": 3,
        "max_waiters": 4, "requests_per_second": 5,
    });
    assert_eq!(api(&server, "abc").get("/v1/whoami").await.ok()["rules"], json!([rule]));
    api(&server, "abc").get("/v1/whoami?x=1").await.problem(400, "invalid-request");
    // Without an auth file there is one principal without a name.
    let open = super::TestServer::start();
    for api in [open.api(), open.api().with_token("ignored")] {
        let who = api.get("/v1/whoami").await.ok();
        let everything = json!([{"role": "admin", "prefix": ""}]);
        assert_eq!(who, json!({"principal": "", "rules": everything, "expires_at": null}));
    }
    let basic = open.api().send(Method::GET, "/v1/locks", &[("authorization", "Basic x")], None).await;
    assert_eq!(basic.status, 200);
}

#[tokio::test]
async fn a_token_is_refused_from_its_expiry_on_and_its_sockets_are_closed() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let expires = in_seconds(4);
    let text = principal("api", &[&format!("short expires = {expires}"), "long"], &[("admin", "")]);
    let file = AuthFile::new(&text);
    let server = server(&file);
    let mut sockets = Vec::new();
    for (path, protocol) in [SESSION, EVENTS] {
        sockets.push(WebSocket::with_token(server.url(), path, protocol, "short").await.unwrap());
    }
    let mut lasting = WebSocket::with_token(server.url(), SESSION.0, SESSION.1, "long").await.unwrap();
    api(&server, "short").get("/v1/locks").await.ok();
    for socket in &mut sockets {
        assert_eq!(socket.close_code().await, 4401);
    }
    let late = crate::harness::wall_clock_micros() - crate::harness::micros(&json!(expires));
    let late = Duration::from_micros(u64::try_from(late).expect("not before the expiry"));
    delay.assert_within("the close", late, Duration::from_millis(1500));
    let refused = api(&server, "short").get("/v1/locks").await;
    assert_eq!(refused.problem(401, "unauthenticated")["detail"], "the token has expired");
    let status = lasting.request("status", json!({"resource": "a"})).await;
    assert_eq!(status["status"]["state"], "free", "{status}");
    let failures = "dlm_authentication_failures_total{reason=\"expired_token\"}";
    assert_eq!(api(&server, "long").metric(failures).await, Some(1.0));
}

#[tokio::test]
async fn a_refused_request_with_a_body_gets_its_response() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    for size in [100, 1024 * 1024] {
        let body = "x".repeat(size);
        let json = [("content-type", "application/json")];
        let refused = server.api().send(Method::POST, "/v1/locks/a/acquire", &json, Some(body)).await;
        refused.problem(401, "unauthenticated");
    }
    // A caller that waits meanwhile is not disturbed.
    tokio::time::timeout(Duration::from_secs(20), api(&server, "ops-token").lock("a", &Acquire::exclusive()))
        .await
        .unwrap();
}

#[tokio::test]
async fn http2_requests_are_authenticated_one_by_one() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/v1/locks", server.url());
    let status = |token: Option<&'static str>| {
        let request = http2.get(&url);
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let (none, good, bad) = tokio::join!(status(None), status(Some("ops-token")), status(Some("wrong")));
    assert_eq!((none, good, bad), (401, 200, 401));
}
