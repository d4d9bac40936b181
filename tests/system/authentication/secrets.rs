//! A token is only where its caller sent it.

use std::fs;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use super::{TestServer, metric};
use crate::harness::{Acquire, AuthFile, Backend, WebSocket, eventually, principal};

#[tokio::test]
async fn no_token_is_in_a_log_line_a_reply_a_metric_or_the_database() {
    const SECRETS: [&str; 2] = ["dlm_CANARYcanary1CANARYcanary2CANARYcanary3CANARYc", "CANARY-unknown-token"];
    let [known, unknown] = SECRETS;
    let file = AuthFile::new(&principal("api", &[known], &[("admin", "")]));
    let server = TestServer::start_with(&["--auth-file", &file.path(), "--log", "trace"]);
    let api = server.api().with_token(known);
    let mut replies = Vec::new();
    let lease = api.acquire("a", &Acquire::exclusive()).await;
    replies.push(lease.text.clone());
    let lease = lease.ok();
    for path in
        ["/v1/locks", "/v1/locks/a", "/v1/events", "/v1/overview", "/v1/whoami", "/v1/none", "/metrics"]
    {
        for token in SECRETS {
            let reply = server.api().with_token(token).get(path).await;
            replies.push(format!("{:?} {}", reply.headers, reply.text));
        }
    }
    for header in [format!("Basic {unknown}"), format!("Bearer {unknown} {known}"), unknown.to_owned()] {
        let reply = server.api().send(Method::GET, "/v1/locks", &[("authorization", &header)], None).await;
        reply.problem(401, "unauthenticated");
        replies.push(format!("{:?} {}", reply.headers, reply.text));
    }
    // JWTs, whole and in parts, and a token in the wrong places.
    let jwt = format!("{unknown}.{unknown}.{unknown}");
    replies.push(server.api().with_token(&jwt).get("/v1/locks").await.text);
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", known).await.unwrap();
    replies.push(
        session.request("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await.to_string(),
    );
    let in_file = format!("[[principal]]\nname = \"api\"\ntokens = [\"{known}\"]\nrules = []\n");
    for content in
        [in_file, format!("{known} = 1"), format!("[[principal]]\nname = {known}"), format!("\"{known}\"")]
    {
        let refused = |log: String| log.matches("auth file refused").count();
        let before = refused(server.logs());
        file.replace(&content);
        server.signal(Signal::HUP);
        eventually("the file is refused", || async { refused(server.logs()) > before }).await;
    }
    assert!(metric(&api, "dlm_auth_file_loads_total{result=\"failed\"}").await.unwrap() >= 4.0);
    let database = server.database().url();
    let directory = std::path::Path::new(database.strip_prefix("sqlite://").unwrap()).parent().unwrap();
    let stored: Vec<u8> =
        fs::read_dir(directory).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!stored.is_empty() && stored.windows(6).all(|bytes| bytes != b"CANARY"), "in the database");
    assert!(!server.logs().contains("CANARY"), "in the log");
    for reply in replies {
        assert!(!reply.contains("CANARY"), "{reply}");
    }
}
