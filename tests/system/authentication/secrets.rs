//! A secret is only where its caller sent it, and where its caller gets it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{TestServer, jwt};
use crate::harness::{
    Acquire, Api, AuthFile, Backend, Postgres, ServerProcess, Sqlite, WebSocket, eventually, principal,
};

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
    assert!(api.metric("dlm_auth_file_loads_total{result=\"failed\"}").await.unwrap() >= 4.0);
    assert!(!is_in_files(&server.database().url(), b"CANARY"), "in the database");
    assert!(!server.logs().contains("CANARY"), "in the log");
    for reply in replies {
        assert!(!reply.contains("CANARY"), "{reply}");
    }
}

/// Whether the files of an SQLite database contain these bytes.
fn is_in_files(url: &str, bytes: &[u8]) -> bool {
    let directory = Path::new(url.strip_prefix("sqlite://").unwrap()).parent().unwrap();
    let mut files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let contains = |file: Vec<u8>| file.windows(bytes.len()).any(|part| part == bytes);
    files.any(contains)
}

/// Whether a row of a Postgres database contains these bytes, as text or as bytes.
fn is_in_rows(database: &Postgres, bytes: &[u8]) -> bool {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Columns of bytes are shown in hex.
    let text = str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    let rows = format!(
        "SELECT coalesce(sum((xpath('//n/text()', query_to_xml(format(\
         'SELECT count(*) AS n FROM %I t WHERE strpos(t::text, %L) > 0 OR strpos(t::text, %L) > 0', \
         table_name, '{hex}', '{}'), false, true, '')))[1]::text::bigint), 0)::bigint \
         FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'",
        text.unwrap_or(&hex)
    );
    database.query_i64(&rows) > 0
}

/// What must not be found anywhere, and its other forms.
struct Secret {
    what: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    fn new(what: &'static str, text: &str) -> Self {
        let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut forms = vec![text.as_bytes().to_vec(), hex.into_bytes()];
        // Of a lease id the MAC, which comes first, and of a ticket what is random.
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) {
            forms.push(bytes[..16].to_vec());
        }
        Self { what, forms }
    }

    /// Whether a text has it in any form that is text.
    fn is_in(&self, text: &str) -> bool {
        let is_in = |form: &Vec<u8>| str::from_utf8(form).is_ok_and(|form| text.contains(form));
        self.forms.iter().any(is_in)
    }
}

/// Uses each kind of secret over each transport, rightly and wrongly, and looks for it in what
/// anybody else gets.
async fn secrets_are_only_where_they_belong<B: Backend>(is_stored: impl Fn(&B, &[u8]) -> bool) {
    const TOKEN: &str = "dlm_CANARYcanary1CANARYcanary2CANARYcanary3CANARYc";
    const KEY: &str = "key-CANARY-of-an-acquire";
    let file = jwt::auth_file("");
    file.replace(&(principal("api", &[TOKEN], &[("lock", "builds/")]) + &jwt::content("")));
    let audit = file.beside("audit.jsonl");
    let arguments = [
        "--auth-file",
        &file.path(),
        "--log",
        "trace",
        "--audit-log",
        audit.to_str().unwrap(),
        "--audit-grants",
    ];
    let mut server = ServerProcess::<B>::on(&Arc::new(B::new()), &arguments);
    let jwt = jwt::valid();
    let with_token = |token: &str| server.api().with_token(token);
    let (api, ci, ops) = (with_token(TOKEN), with_token(&jwt), with_token("ops-token"));
    let session = ("/v1/session", "dlm.session.v1");
    let mut others: Vec<String> = Vec::new();
    let mut events =
        WebSocket::with_token(server.url(), "/v1/events?renewals=true", "dlm.events.v1", "ops-token")
            .await
            .unwrap();
    assert_eq!(events.next().await["type"], "synced");

    let over_http = api.lock("builds/1", &Acquire::exclusive().ttl(600_000).key(KEY)).await;
    let of_jwt = ci.lock("builds/2", &Acquire::exclusive().ttl(600_000)).await;
    let tickets = [ticket(&api, "session").await, ticket(&api, "events").await, ticket(&ci, "session").await];
    let mut socket =
        WebSocket::with_ticket(server.url(), session.0, session.1, &tickets[0], None).await.unwrap();
    let over_session = socket.request("acquire", json!({"resource": "builds/3"})).await["lease"].clone();
    // It waits while others look.
    let waiting = json!({"resource": "builds/1", "wait_ms": 600_000, "idempotency_key": format!("{KEY}/2")});
    socket.send("acquire", waiting).await;
    eventually("the acquire waits", || async { ops.queue_len("builds/1").await == 1 }).await;
    api.renew("builds/1", &over_http).await.ok();
    let both = json!({"leases": [item("builds/1", &over_http), item("builds/3", &over_session)]});
    socket.request("renew", both.clone()).await;
    // By others, and in the wrong places.
    let anonymous = server.api();
    for (name, lease, caller) in
        [("builds/1", &over_http, &ci), ("builds/2", &of_jwt, &api), ("builds/3", &over_session, &ci)]
    {
        for caller in [&ops, caller, &anonymous] {
            for reply in [caller.renew(name, lease).await, caller.release("builds/4", lease).await] {
                others.push(format!("{:?} {}", reply.headers, reply.text));
            }
        }
        let id = &lease["lease_id"];
        for body in [
            json!({"lease_id": id, "ttl_ms": id}),
            json!({"lease": id}),
            json!([id]),
            json!({"lease_id": [id]}),
        ] {
            api.post("/v1/locks/builds%2F1/renew", &body).await.problem(400, "invalid-request");
        }
        socket.request("release", json!({"resource": "builds/1", "lease_id": id, "key": id})).await;
        socket.request("renew", json!({"resource": "builds/1", "lease_id": [id]})).await;
    }
    others.push(ops.post("/v1/renew", &both).await.text);
    for ticket in &tickets {
        let query = format!("/v1/events?ticket={ticket}");
        ops.get(&query).await.problem(400, "invalid-request");
        let reused =
            WebSocket::with_ticket(server.url(), session.0, session.1, ticket, Some("ops-token")).await;
        assert!(reused.is_err());
    }
    let cut = &jwt[..jwt.len() - 2];
    for headers in [[("authorization", format!("Bearer {cut}"))], [("authorization", format!("Basic {jwt}"))]]
    {
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        server.api().send(Method::GET, "/v1/locks", &headers, None).await.problem(401, "unauthenticated");
    }
    for path in [
        "/v1/locks",
        "/v1/locks/builds%2F1",
        "/v1/events",
        "/v1/events?newest=true",
        "/v1/overview",
        "/v1/wait-graph",
        "/v1/locks/builds%2F1/explain",
        "/v1/hold-statistics?resource=builds%2F1",
        "/v1/owners",
        "/v1/state",
        "/v1/owners/",
        "/v1/principals/ops",
        "/v1/whoami",
        "/v1/none",
        "/metrics",
        "/openapi.json",
        "/locks",
    ] {
        let reply = ops.get(path).await;
        others.push(format!("{:?} {}", reply.headers, reply.text));
    }
    others.push(ops.force_release("builds/3", &over_session["fencing_token"]).await.text);
    socket.next_lease_ended().await;
    loop {
        let event = events.next_event().await;
        others.push(event.to_string());
        if event["kind"] == "force_released" {
            break;
        }
    }
    assert!(server.terminate().success());

    let mut secrets = vec![Secret::new("token", TOKEN), Secret::new("JWT", &jwt)];
    secrets.push(Secret::new("signature of the JWT", jwt.rsplit('.').next().unwrap()));
    secrets.extend(tickets.iter().map(|ticket| Secret::new("ticket", ticket)));
    let leases = [&over_http, &of_jwt, &over_session];
    secrets.extend(leases.map(|lease| Secret::new("lease id", lease["lease_id"].as_str().unwrap())));
    let (log, audit) = (server.logs(), fs::read_to_string(&audit).unwrap());
    assert!(
        log.contains("request answered") && audit.contains("force_release") && audit.contains("\"acquire\"")
    );
    let database = server.database();
    for secret in &secrets {
        let what = secret.what;
        for line in log.lines() {
            assert!(!secret.is_in(line), "{what} in the log: {line}");
        }
        for line in audit.lines() {
            assert!(!secret.is_in(line), "{what} in the audit log: {line}");
        }
        for reply in &others {
            assert!(!secret.is_in(reply), "{what} in a reply to others: {reply}");
        }
        for form in &secret.forms {
            assert!(!is_stored(database, form), "{what} in the database");
        }
    }
    // A key is stored, so the search finds what is there. Only its caller gets it.
    assert!(is_stored(database, KEY.as_bytes()));
    for text in others.iter().chain([&log, &audit]) {
        assert!(!text.contains(KEY), "a key: {text}");
    }
}

async fn ticket(api: &Api, purpose: &str) -> String {
    let reply = api.post("/v1/tickets", &json!({"purpose": purpose})).await.ok();
    reply["ticket"].as_str().unwrap().to_owned()
}

fn item(name: &str, lease: &Value) -> Value {
    json!({"resource": name, "lease_id": lease["lease_id"]})
}

#[tokio::test]
async fn secrets_are_only_where_they_belong_on_sqlite() {
    let is_stored = |database: &Sqlite, bytes: &[u8]| is_in_files(&database.url(), bytes);
    secrets_are_only_where_they_belong(is_stored).await;
}

#[tokio::test]
async fn secrets_are_only_where_they_belong_on_postgres() {
    secrets_are_only_where_they_belong(is_in_rows).await;
}
