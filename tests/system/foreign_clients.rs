//! Requests as the libraries of other languages, proxies and health checks send
//! them.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{RawHttp2, ServerProcess, Sqlite, WebSocket, eventually, new_key, startup_error};

type TestServer = ServerProcess<Sqlite>;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends a request as it is; returns the status and the body of the response.
async fn send(server: &TestServer, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{response:?}"));
    (status.unwrap(), body.to_owned())
}

#[tokio::test]
async fn empty_body_is_no_body_however_it_is_framed() {
    let server = TestServer::start();
    let head = |path: &str| {
        format!(
            "POST /v1/locks/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nidempotency-key: k\r\n"
        )
    };
    for (name, framing) in [
        ("a", "\r\n"),
        ("b", "content-length: 0\r\ncontent-type: application/json\r\n\r\n"),
        ("c", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        for operation in ["acquire", "cancel"] {
            let (status, body) = send(&server, &(head(&format!("{name}/{operation}")) + framing)).await;
            assert_eq!(status, 200, "{operation} {framing:?}: {body}");
        }
    }
    let mut http2 = RawHttp2::connect(server.url()).await;
    http2.acquire_with_empty_data("d").await;
    let api = server.api();
    eventually("the lock is held", || async { api.status("d").await["state"] == "held" }).await;
}

#[tokio::test]
async fn probe_over_http_1_0_needs_no_host() {
    let server = TestServer::start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(send(&server, &format!("GET {path} HTTP/1.0\r\n\r\n")).await.0, 200, "{path}");
    }
    for request in [
        "GET /v1/locks HTTP/1.0\r\n\r\n",
        "GET /readyz HTTP/1.1\r\n\r\n",
        "GET /v1/locks HTTP/1.1\r\nhost: [::1]evil.example\r\n\r\n",
    ] {
        assert_eq!(send(&server, request).await.0, 400, "{request}");
    }
    assert_eq!(send(&server, "GET /v1/locks HTTP/1.1\r\nhost: [::1]:7\r\n\r\n").await.0, 200);
}

#[tokio::test]
async fn bodies_mean_the_same_over_http_and_sessions() {
    let server = TestServer::start();
    let api = server.api();
    let mut session = WebSocket::session(server.url()).await;
    for (body, reason) in [
        (r#"{"mode": null, "ttl_ms": null, "wait_ms": null, "owner": null, "metadata": null}"#, None),
        (r#"{"ttl_ms": 30000.0, "wait_ms": 0e0}"#, None),
        (r#"{"ttl_ms": 3e4}"#, None),
        (r#"{"ttl_ms": 1000.5}"#, Some("1000.5")),
        (r#"{"metadata": {"a": "1", "a": "2"}}"#, Some("duplicate")),
        (r#"{"owner": "a", "owner": "a"}"#, Some("duplicate")),
        (r#"{"metadata": {"a": null}}"#, Some("null")),
        ("\u{feff}{}", Some("byte order mark")),
    ] {
        let name = new_key();
        let path = format!("/v1/locks/{name}/acquire");
        let response = api.send(reqwest::Method::POST, &path, &[JSON], Some(body.to_owned())).await;
        let members = body.replace("{}", "{\"mode\": \"shared\"}").replacen('{', "", 1);
        let prefix = if body.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        let members = members.trim_start_matches('\u{feff}');
        let head =
            format!("\"id\": 7, \"op\": \"acquire\", \"resource\": \"{name}/s\", \"idempotency_key\": \"k\"");
        session.send_text(format!("{prefix}{{{head}, {members}")).await;
        let reply = session.next().await;
        match reason {
            None => {
                assert_eq!(response.ok()["ttl_ms"], 30_000, "{body}");
                assert_eq!(reply["lease"]["ttl_ms"], 30_000, "{body}: {reply}");
            }
            Some(reason) => {
                let problem = response.problem(400, "invalid-request");
                for detail in [&problem["detail"], &reply["problem"]["detail"]] {
                    assert!(detail.as_str().unwrap().contains(reason), "{body}: {detail}");
                }
            }
        }
    }
}

#[tokio::test]
async fn media_type_may_have_parameters_and_an_encoding_is_refused() {
    let server = TestServer::start();
    let api = server.api();
    let acquire = async |headers: &[(&str, &str)]| {
        let path = format!("/v1/locks/{}/acquire", new_key());
        api.send(reqwest::Method::POST, &path, headers, Some("{}".into())).await
    };
    for media in ["application/json; profile=x", "application/json;charset=utf-8;v=1", "APPLICATION/JSON"] {
        acquire(&[("content-type", media)]).await.ok();
    }
    acquire(&[JSON, ("content-encoding", "identity")]).await.ok();
    acquire(&[("content-type", "application/json; charset=latin1")])
        .await
        .problem(415, "unsupported-media-type");
    for encoding in ["gzip", "br, gzip", ""] {
        let response = acquire(&[JSON, ("content-encoding", encoding)]).await;
        response.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn allowed_host_is_trimmed_and_refused_if_it_can_never_match() {
    let server = TestServer::start_with(&["--allowed-host", "one.example, two.example "]);
    for host in ["one.example", "two.example:80"] {
        let request = format!("GET /v1/locks HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(send(&server, &request).await.0, 200, "{host}");
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    for host in ["https://dlm.example", "*.example", "dlm.example/locks"] {
        let error =
            startup_error(&["--listen", "127.0.0.1:0", "--database-url", &url, "--allowed-host", host]);
        assert!(error.contains(host) && error.contains("can never match"), "{error}");
    }
}

#[tokio::test]
async fn sighup_changes_nothing() {
    let mut server = TestServer::start();
    server.signal(Signal::HUP);
    server.logged("SIGHUP ignored").await;
    assert_eq!(server.api().get("/readyz").await.status, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

#[tokio::test]
async fn frame_on_a_session_may_omit_what_is_null() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    let acquire =
        json!({"resource": "a", "idempotency_key": "k", "leases": null, "lease_id": null, "mode": null});
    let lease = session.request("acquire", acquire).await["lease"].clone();
    let renew: Value = json!({
        "resource": "a", "lease_id": lease["lease_id"], "ttl_ms": null, "leases": null, "idempotency_key": null,
    });
    assert_eq!(session.request("renew", renew).await["lease"]["fencing_token"], 1);
}
