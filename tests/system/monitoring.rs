//! The overview, the UI's pages, and the checks of Host and Origin.

use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::harness::{Acquire, ApiResponse, Backend, Postgres, ServerProcess, Sqlite, eventually};

type TestServer = ServerProcess<Sqlite>;

async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
    server.api().send(Method::GET, path, headers, None).await
}

#[tokio::test]
async fn overview_is_the_same_at_every_server() {
    let database = Arc::new(Postgres::new());
    let servers: [ServerProcess<Postgres>; 2] =
        [ServerProcess::on(&database, &[]), ServerProcess::on(&database, &[])];
    for (index, server) in servers.iter().enumerate() {
        server.api().lock(&format!("a/{index}"), &Acquire::exclusive().ttl(150)).await;
        server.api().lock(&format!("b/{index}"), &Acquire::exclusive()).await;
    }
    for server in &servers {
        let api = server.api();
        eventually("the overview has the events of both servers", || async {
            let overview = api.get("/v1/overview").await.ok();
            let seconds = overview["seconds"].as_array().unwrap().iter();
            let granted: u64 = seconds.map(|second| second["granted"].as_u64().unwrap()).sum();
            granted == 4 && overview["held"] == 2 && overview["expired"].as_array().unwrap().len() == 2
        })
        .await;
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_reach_a_server_on_loopback() {
    let server = TestServer::start();
    let own = server.url();
    let host = own.trim_start_matches("http://").to_owned();
    for path in ["/v1/locks", "/livez", "/", "/locks/a"] {
        get(&server, path, &[("host", "evil.example")]).await.problem(421, "host-not-allowed");
        get(&server, path, &[("origin", "http://evil.example")]).await.problem(403, "origin-not-allowed");
        get(&server, path, &[("origin", "null")]).await.problem(403, "origin-not-allowed");
        assert_eq!(get(&server, path, &[("origin", own)]).await.status, 200);
    }
    let body = [("origin", "http://evil.example"), ("content-type", "application/json")];
    let api = server.api();
    let response = api.send(Method::POST, "/v1/locks/a/acquire", &body, Some("{}".into())).await;
    response.problem(403, "origin-not-allowed");
    assert_eq!(api.status("a").await["state"], "free");
    for path in ["/v1/session", "/v1/events"] {
        for (name, value, status) in [
            ("origin", "http://evil.example", Some(403)),
            ("host", "evil.example", Some(421)),
            ("origin", own, None),
        ] {
            let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
            request.headers_mut().insert(name, HeaderValue::try_from(value).unwrap());
            let connection = tokio::net::TcpStream::connect(&host).await.unwrap();
            let refused = match tokio_tungstenite::client_async(request, connection).await {
                Ok(_) => None,
                Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                    Some(response.status().as_u16())
                }
                Err(error) => panic!("{path} {name}: {error}"),
            };
            assert_eq!(refused, status, "{path} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn server_accepts_the_allowed_hosts() {
    let server = TestServer::start_with(&["--allowed-host", "dlm.internal,locks.example"]);
    for host in ["dlm.internal", "locks.example:8443", "localhost:1"] {
        assert_eq!(get(&server, "/livez", &[("host", host)]).await.status, 200, "{host}");
    }
    let refused = get(&server, "/livez", &[("host", "other.example")]).await.problem(421, "host-not-allowed");
    assert!(refused["detail"].as_str().unwrap().contains("--allowed-host other.example"), "{refused}");
}

#[tokio::test]
async fn client_fails_at_once_when_the_host_is_not_allowed() {
    let server = TestServer::start();
    // This address reaches loopback, but is not an allowed host.
    let elsewhere = server.url().replace("127.0.0.1", "0.0.0.0");
    let refused = match dlm_client::Client::connect(&elsewhere).await {
        Ok(client) => client.lock("a").await.expect_err("the server refuses the host"),
        Err(error) => error,
    };
    assert_eq!(refused.code(), Some(dlm_protocol::ProblemCode::HostNotAllowed), "{refused}");
    assert!(!refused.is_retryable() && refused.to_string().contains("--allowed-host"), "{refused}");
}

#[tokio::test]
async fn ui_pages_are_served_at_the_paths_of_views_only() {
    let server = TestServer::start();
    let script_injection = "/locks/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    for path in
        ["/", "/locks", "/locks/orders%2F42", script_injection, "/events", "/playground", "/locks?state=all"]
    {
        let page = get(&server, path, &[]).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert!(!page.text.contains("onerror"), "the path is not echoed in the page");
    }
    for path in ["/v1", "/v1/", "/v1/lock/a", "/v1/locks/a/b", "/healthz", "/assets/none.js", "/index.html"] {
        get(&server, path, &[]).await.problem(404, "not-found");
    }
    // A browser gets a page that says so, and one that corrects the address of a lock.
    for (path, status) in [("/lokcs", 404), ("/healthz", 404), ("/locks/orders/42", 200)] {
        let page = get(&server, path, &[("accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(
            (page.status, &page.headers["content-type"]),
            (status, &"text/html; charset=utf-8".parse().unwrap())
        );
    }
    get(&server, "/v1/lock/a", &[("accept", "text/html")]).await.problem(404, "not-found");
    let api = server.api();
    api.send(Method::POST, "/locks", &[], None).await.problem(405, "method-not-allowed");
    let list: Value = get(&server, "/v1/locks", &[]).await.ok();
    assert_eq!(list["locks"], serde_json::json!([]));
}

#[tokio::test]
async fn openapi_command_needs_no_database() {
    let server = TestServer::start();
    let output = std::process::Command::new(crate::harness::binary("dlm-server"))
        .args(["openapi", "--database-url", "sqlite:///nowhere/at/all.db"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, get(&server, "/openapi.json", &[]).await.ok());
}
