//! What a principal may have and do only so much of.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error as WsError;

use super::super::TestServer;
use crate::harness::{
    Acquire, Api, ApiResponse, AuthFile, WebSocket, eventually, limited_principal, new_key, principal,
};

const SESSION: (&str, &str) = ("/v1/session", "dlm.session.v1");
const EVENTS: (&str, &str) = ("/v1/events", "dlm.events.v1");

/// `api` may lock below `orders/` within these limits, and `ops` may do everything.
fn auth_file(limits: &str) -> AuthFile {
    AuthFile::new(&policy(limits))
}

fn policy(limits: &str) -> String {
    limited_principal("api", "api-token", "lock", "orders/", limits)
        + &principal("ops", &["ops-token"], &[("admin", "")])
}

fn start(file: &AuthFile) -> TestServer {
    TestServer::start_with(&["--auth-file", &file.path()])
}

fn api(server: &TestServer) -> Api {
    server.api().with_token("api-token")
}

fn ops(server: &TestServer) -> Api {
    server.api().with_token("ops-token")
}

async fn open_session(server: &TestServer) -> WebSocket {
    WebSocket::with_token(server.url(), SESSION.0, SESSION.1, "api-token").await.unwrap()
}

/// Asserts that a request was refused because of this quota.
#[track_caller]
fn exceeded(response: &ApiResponse, quota: &str) {
    let problem = response.problem(429, "quota-exceeded");
    assert_eq!(problem["quota"], quota, "{problem}");
    let seconds: u64 = response.headers["retry-after"].to_str().unwrap().parse().unwrap();
    let ms = problem["retry_after_ms"].as_u64().unwrap();
    assert!(ms > 0 && seconds == ms.div_ceil(1000), "{seconds} s for {ms} ms");
}

/// How many requests of a principal were refused because of this quota.
async fn refused(server: &TestServer, principal: &str, quota: &str) -> u64 {
    let series = format!("dlm_quota_exceeded_total{{principal=\"{principal}\",quota=\"{quota}\"}} ");
    let text = ops(server).get("/metrics").await.text;
    text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn leases_over_the_quota_are_refused_while_renew_release_and_cancel_get_through() {
    let file = auth_file("max_leases = 2");
    let server = start(&file);
    let api = api(&server);
    let first = api.lock("orders/1", &Acquire::exclusive()).await;
    let key = new_key();
    let second = api.lock("orders/2", &Acquire::shared().key(&key)).await;
    exceeded(&api.acquire("orders/3", &Acquire::exclusive()).await, "leases");
    exceeded(&api.acquire("orders/3", &Acquire::exclusive().key(&new_key())).await, "leases");
    exceeded(&api.acquire("orders/3", &Acquire::exclusive().wait(9000)).await, "leases");
    let mut session = open_session(&server).await;
    let acquire = json!({"resource": "orders/3", "idempotency_key": new_key()});
    let problem = session.request("acquire", acquire).await["problem"].clone();
    assert_eq!(
        (&problem["code"], &problem["quota"]),
        (&"quota-exceeded".into(), &"leases".into()),
        "{problem}"
    );
    assert_eq!(refused(&server, "api", "leases").await, 4);
    // A retry is no new lease.
    assert_eq!(api.lock("orders/2", &Acquire::shared().key(&key)).await["lease_id"], second["lease_id"]);
    // Another principal has a quota of its own, or none.
    ops(&server).lock("orders/3", &Acquire::exclusive()).await;
    api.renew("orders/1", &first).await.ok();
    let body = json!({"leases": [{"resource": "orders/2", "lease_id": second["lease_id"]}]});
    assert!(api.post("/v1/renew", &body).await.ok()["results"][0]["lease"].is_object());
    api.release("orders/1", &first).await.ok();
    api.lock("orders/4", &Acquire::exclusive()).await;
    assert_eq!(api.cancel("orders/2", &key).await.ok()["outcome"], "released");
    api.lock("orders/5", &Acquire::exclusive()).await;
    exceeded(&api.acquire("orders/6", &Acquire::exclusive()).await, "leases");
    // A key whose lease has ended is known as well.
    api.acquire("orders/2", &Acquire::shared().key(&key)).await.problem(409, "lease-ended");
}

#[tokio::test]
async fn waiters_over_the_quota_are_refused_but_not_one_that_repeats_its_request() {
    let file = auth_file("max_waiters = 2");
    let server = start(&file);
    let held = ops(&server).lock("orders/1", &Acquire::exclusive()).await;
    let mut session = open_session(&server).await;
    let keys = [new_key(), new_key()];
    let wait = |key: &str| json!({"resource": "orders/1", "idempotency_key": key, "wait_ms": 60_000});
    let mut ids = Vec::new();
    for key in &keys {
        ids.push(session.send("acquire", wait(key)).await);
    }
    eventually("both wait", || async { ops(&server).queue_len("orders/1").await == 2 }).await;
    let api = api(&server);
    let waiting = |key: &str| Acquire::exclusive().wait(60_000).key(key);
    exceeded(&api.acquire("orders/1", &waiting(&new_key())).await, "waiters");
    exceeded(&api.acquire("orders/2", &Acquire::exclusive().wait(60_000)).await, "waiters");
    // One that does not wait is no waiter.
    api.acquire("orders/1", &Acquire::exclusive()).await.problem(423, "lock-held");
    // A repeat keeps its place, also over another connection.
    let mut other = open_session(&server).await;
    let repeated = other.send("acquire", wait(&keys[0])).await;
    let status = other.request("status", json!({"resource": "orders/1"})).await["status"].clone();
    assert_eq!(status["queue_len"], 2, "{status}");
    assert_eq!(api.cancel("orders/1", &keys[1]).await.ok()["outcome"], "cancelled");
    let third = session.send("acquire", wait(&new_key())).await;
    eventually("another one waits", || async { ops(&server).queue_len("orders/1").await == 2 }).await;
    ops(&server).release("orders/1", &held).await.ok();
    let lease = session.response(ids[0]).await["lease"].clone();
    assert_eq!(other.response(repeated).await["lease"]["lease_id"], lease["lease_id"]);
    api.release("orders/1", &lease).await.ok();
    assert!(session.response(third).await["lease"].is_object());
    assert_eq!(refused(&server, "api", "waiters").await, 2);
}

#[tokio::test]
async fn requests_over_the_rate_are_refused_until_the_bucket_refills() {
    let file = auth_file("requests_per_second = 3");
    let server = start(&file);
    let api = api(&server);
    let key = new_key();
    let lease = api.lock("orders/1", &Acquire::exclusive().key(&key)).await;
    let mut session = open_session(&server).await;
    let sent: [(&str, Option<Value>); 5] = [
        ("/v1/locks/orders%2F1", None),
        ("/v1/locks", None),
        ("/v1/whoami", None),
        ("/v1/locks/orders%2F1/check", Some(json!({"fencing_token": 1}))),
        ("/v1/locks/orders%2F9/acquire", Some(json!({}))),
    ];
    for (path, body) in &sent {
        let mut tries = 0;
        loop {
            let response = match body {
                Some(body) => api.post(path, body).await,
                None => api.get(path).await,
            };
            if response.status == 429 {
                exceeded(&response, "requests");
                break;
            }
            tries += 1;
            assert!(tries < 1000, "{path} is not limited: {}", response.text);
        }
    }
    let over_session = async |session: &mut WebSocket, op: &str, fields: Value| {
        for _ in 0..1000 {
            let problem = session.request(op, fields.clone()).await["problem"].clone();
            if problem["quota"] == "requests" {
                return;
            }
        }
        panic!("{op} is not limited");
    };
    over_session(&mut session, "status", json!({"resource": "orders/1"})).await;
    over_session(&mut session, "check", json!({"resource": "orders/1", "fencing_token": 1})).await;
    // A known key, renewals, releases and cancels get through, whatever else is sent.
    for _ in 0..10 {
        over_session(&mut session, "check", json!({"resource": "orders/1", "fencing_token": 1})).await;
        let acquire = Acquire::exclusive().key(&key);
        assert_eq!(api.lock("orders/1", &acquire).await["lease_id"], lease["lease_id"]);
        api.renew("orders/1", &lease).await.ok();
        assert_eq!(api.cancel("orders/2", &new_key()).await.ok()["outcome"], "none");
    }
    api.release("orders/1", &lease).await.ok();
    eventually("the bucket refills", || async { api.get("/v1/locks").await.status == 200 }).await;
    assert!(refused(&server, "api", "requests").await >= 10);
    assert_eq!(refused(&server, "ops", "requests").await, 0);
}

#[tokio::test]
async fn sessions_and_subscribers_over_the_quota_are_refused_at_the_upgrade() {
    let file = auth_file("max_leases = 9");
    let path = file.path();
    let options = ["--max-sessions-per-principal", "2", "--max-subscribers-per-principal", "1"];
    let server = TestServer::start_with(&[&["--auth-file", &path], &options[..]].concat());
    let open = async |(path, protocol), token| {
        match WebSocket::with_token(server.url(), path, protocol, token).await {
            Ok(socket) => Ok(socket),
            Err(WsError::Http(response)) => {
                assert_eq!(response.status().as_u16(), 429);
                assert_eq!(response.headers()["retry-after"], "1");
                let body = response.body().clone().unwrap_or_default();
                let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
                Err(problem["quota"].as_str().unwrap_or_default().to_owned())
            }
            Err(error) => panic!("{error}"),
        }
    };
    let sessions = (open(SESSION, "api-token").await.unwrap(), open(SESSION, "api-token").await.unwrap());
    let subscriber = open(EVENTS, "api-token").await.unwrap();
    assert_eq!(open(SESSION, "api-token").await.err().as_deref(), Some("sessions"));
    assert_eq!(open(EVENTS, "api-token").await.err().as_deref(), Some("subscribers"));
    let of_others = (open(SESSION, "ops-token").await.unwrap(), open(EVENTS, "ops-token").await.unwrap());
    drop((sessions, subscriber));
    eventually("a session may open", || async { open(SESSION, "api-token").await.is_ok() }).await;
    eventually("a subscriber may open", || async { open(EVENTS, "api-token").await.is_ok() }).await;
    assert!(refused(&server, "api", "sessions").await >= 1);
    assert!(refused(&server, "api", "subscribers").await >= 1);
    drop(of_others);
}

#[tokio::test]
async fn a_burst_of_acquires_gets_no_more_leases_than_the_quota() {
    let file = auth_file("max_leases = 5");
    let server = start(&file);
    let mut session = open_session(&server).await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(session.send_buffered("acquire", json!({"resource": format!("orders/{number}")})).await);
    }
    session.flush().await;
    let mut leases = 0;
    for id in ids {
        leases += usize::from(session.response(id).await["lease"].is_object());
    }
    assert_eq!(leases, 5);
}

#[tokio::test]
async fn one_lease_after_the_other_is_never_over_a_quota_of_one() {
    let file = auth_file("max_leases = 1");
    let server = start(&file);
    let mut session = open_session(&server).await;
    // Longer than the time between two counts.
    let until = crate::harness::now() + Duration::from_millis(2500);
    let mut cycles = 0;
    while crate::harness::now() < until {
        cycles += 1;
        let reply = session.request("acquire", json!({"resource": "orders/1"})).await;
        let lease = &reply["lease"];
        assert!(lease.is_object(), "cycle {cycles}: {reply}");
        let released = session
            .request("release", json!({"resource": "orders/1", "lease_id": lease["lease_id"]}))
            .await;
        assert_eq!(released["released"]["released"], true);
    }
}

#[tokio::test]
async fn leases_of_an_earlier_run_count_after_a_restart() {
    let file = auth_file("max_leases = 2, max_waiters = 1");
    let mut server = start(&file);
    let lease = api(&server).lock("orders/1", &Acquire::exclusive().ttl(600_000)).await;
    api(&server).lock("orders/2", &Acquire::shared().ttl(600_000)).await;
    server.kill9();
    server.restart();
    let api = api(&server);
    exceeded(&api.acquire("orders/3", &Acquire::exclusive()).await, "leases");
    api.release("orders/1", &lease).await.ok();
    api.lock("orders/3", &Acquire::exclusive()).await;
    exceeded(&api.acquire("orders/4", &Acquire::exclusive()).await, "leases");
}

#[tokio::test]
async fn a_lease_that_expires_no_longer_counts() {
    let file = auth_file("max_leases = 1");
    let server = start(&file);
    let api = api(&server);
    api.lock("orders/1", &Acquire::exclusive().ttl(300)).await;
    eventually("another lock is acquired", || async {
        let response = api.acquire("orders/2", &Acquire::exclusive().ttl(300)).await;
        if response.status != 200 {
            exceeded(&response, "leases");
        }
        response.status == 200
    })
    .await;
}

#[tokio::test]
async fn limits_that_are_changed_by_a_reload_are_in_force_at_once() {
    let file = auth_file("max_ttl = \"10m\"");
    let server = start(&file);
    let api = api(&server);
    for number in 0..3 {
        api.lock(&format!("orders/{number}"), &Acquire::exclusive().ttl(300_000)).await;
    }
    // Within the time that a reload takes, and a count.
    let limit = async |limits: &str, what: &str, status: u16| {
        file.replace(&policy(limits));
        server.signal(rustix::process::Signal::HUP);
        eventually(what, || async {
            let acquired = api.acquire("orders/x", &Acquire::exclusive().ttl(300_000)).await;
            if acquired.status == 200 {
                api.release("orders/x", &acquired.json()).await.ok();
            }
            acquired.status == status
        })
        .await;
    };
    limit("max_leases = 3", "three leases are all that it may have", 429).await;
    limit("max_leases = 4", "a fourth is allowed", 200).await;
    limit("max_leases = 2", "three are more than it may have", 429).await;
    limit("max_ttl = \"10m\"", "there is no limit", 200).await;
    assert!(refused(&server, "api", "leases").await >= 2);
    file.replace(&principal("ops", &["ops-token"], &[("admin", "")]));
    server.signal(rustix::process::Signal::HUP);
    eventually("a principal that is gone is forgotten", || async {
        refused(&server, "api", "leases").await == 0
    })
    .await;
}

#[tokio::test]
async fn without_an_auth_file_there_is_no_limit_of_sockets() {
    let options = ["--max-sessions-per-principal", "1", "--max-subscribers-per-principal", "1"];
    let server = TestServer::start_with(&options);
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(WebSocket::session(server.url()).await);
        sockets.push(WebSocket::events(server.url(), "").await);
    }
}
