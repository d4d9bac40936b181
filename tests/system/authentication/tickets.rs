//! Tickets: one WebSocket each, for callers that can't send headers with it.

use std::sync::Arc;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{TestServer, three_principals};
use crate::harness::{
    Acquire, Api, AuthFile, Backend, Postgres, ServerProcess, Sqlite, WebSocket, principal,
};

const SESSION: (&str, &str) = ("/v1/session", "dlm.session.v1");
const EVENTS: (&str, &str) = ("/v1/events", "dlm.events.v1");

async fn ticket(api: &Api, purpose: &str) -> String {
    let reply = api.post("/v1/tickets", &json!({"purpose": purpose})).await.ok();
    let ticket = reply["ticket"].as_str().expect("a ticket").to_owned();
    assert_eq!((ticket.len(), reply["expires_at"].is_string()), (43, true));
    ticket
}

/// Offers a ticket; the problem if it is refused.
async fn open(
    server: &str,
    (path, protocol): (&str, &'static str),
    ticket: &str,
    token: Option<&str>,
) -> Result<WebSocket, Value> {
    WebSocket::with_ticket(server, path, protocol, ticket, token).await.map_err(|error| match error {
        tokio_tungstenite::tungstenite::Error::Http(response) => {
            assert_eq!(response.status().as_u16(), 401);
            let body = response.into_body().expect("a problem");
            serde_json::from_slice(&body).expect("a problem")
        }
        error => panic!("{error}"),
    })
}

fn is_refused(opened: Result<WebSocket, Value>) -> bool {
    opened.is_err_and(|problem| problem["code"] == "unauthenticated")
}

async fn tickets_are_good_once_and_for_their_purpose<B: Backend>() {
    let file = AuthFile::new(&three_principals());
    let database = Arc::new(B::new());
    let server = ServerProcess::<_>::on(&database, &["--auth-file", &file.path()]);
    let (url, api) = (server.url(), server.api().with_token("api-token"));
    let events = ticket(&api, "events").await;
    let mut socket = open(url, EVENTS, &events, None).await.expect("a socket");
    assert_eq!(socket.next().await["type"], "synced");
    api.lock("orders/1", &Acquire::exclusive()).await;
    server.api().with_token("ops-token").lock("bills/1", &Acquire::exclusive()).await;
    api.lock("orders/2", &Acquire::exclusive()).await;
    for name in ["orders/1", "orders/2"] {
        assert_eq!(socket.next_event().await["resource"], name, "only what its principal may observe");
    }
    assert!(is_refused(open(url, EVENTS, &events, None).await), "used twice");
    // What is refused is used up as well.
    let wrong_purpose = ticket(&api, "session").await;
    assert!(is_refused(open(url, EVENTS, &wrong_purpose, None).await));
    assert!(is_refused(open(url, SESSION, &wrong_purpose, None).await));
    let of_another = ticket(&api, "events").await;
    assert!(is_refused(open(url, EVENTS, &of_another, Some("ops-token")).await));
    let with_own_token = ticket(&api, "events").await;
    open(url, EVENTS, &with_own_token, Some("api-token")).await.expect("a socket");
    let late = ticket(&api, "session").await;
    database.execute("UPDATE tickets SET expires_at = expires_at - 30000000");
    assert!(is_refused(open(url, SESSION, &late, None).await));
    for made_up in ["x", &"A".repeat(43), &"-".repeat(5000)] {
        assert!(is_refused(open(url, SESSION, made_up, None).await), "{made_up}");
    }
    let session = ticket(&api, "session").await;
    let mut session = open(url, SESSION, &session, None).await.expect("a session");
    assert!(session.request("acquire", json!({"resource": "orders/3"})).await["lease"].is_object());
    // Withdrawing the token that a ticket was asked for with closes its sockets.
    let unused = ticket(&api, "session").await;
    file.replace(&principal("api", &["new-token"], &[("lock", "orders/")]));
    server.signal(Signal::HUP);
    assert_eq!((session.close_code().await, socket.close_code().await), (4401, 4401));
    assert!(is_refused(open(url, SESSION, &unused, None).await));
}

#[tokio::test]
async fn tickets_are_good_once_and_for_their_purpose_on_sqlite() {
    tickets_are_good_once_and_for_their_purpose::<Sqlite>().await;
}

#[tokio::test]
async fn tickets_are_good_once_and_for_their_purpose_on_postgres() {
    tickets_are_good_once_and_for_their_purpose::<Postgres>().await;
}

#[tokio::test]
async fn a_ticket_is_good_at_any_replica_but_only_once() {
    let file = AuthFile::new(&three_principals());
    let database = Arc::new(Postgres::new());
    let [one, other] = [(); 2].map(|()| ServerProcess::<_>::on(&database, &["--auth-file", &file.path()]));
    let api = one.api().with_token("api-token");
    let ticket = ticket(&api, "events").await;
    let mut opened = Vec::new();
    for _ in 0..4 {
        for server in [&one, &other] {
            opened.push(open(server.url(), EVENTS, &ticket, None));
        }
    }
    let opened = futures_util::future::join_all(opened).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_principal_can_have_only_so_many_tickets() {
    let file = AuthFile::new(&three_principals());
    let database = Arc::new(Sqlite::new());
    let server = ServerProcess::<_>::on(&database, &["--auth-file", &file.path()]);
    let api = server.api().with_token("api-token");
    database.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
         INSERT INTO tickets SELECT i, 'api', '', 9000000000000000 FROM n",
    );
    let refused = api.post("/v1/tickets", &json!({"purpose": "events"})).await;
    refused.problem(429, "quota-exceeded");
    assert!(refused.headers.contains_key("retry-after"));
    ticket(&server.api().with_token("ops-token"), "events").await;
    database.execute("UPDATE tickets SET expires_at = 1");
    ticket(&api, "events").await;
    assert_eq!(database.query_i64("SELECT count(*) FROM tickets"), 1, "expired tickets are deleted");
}

#[tokio::test]
async fn tickets_need_a_caller_and_a_purpose() {
    let file = AuthFile::new(&three_principals());
    let server = super::server(&file);
    let purpose = json!({"purpose": "events"});
    server.api().post("/v1/tickets", &purpose).await.problem(401, "unauthenticated");
    let api = server.api().with_token("viewer-token");
    for body in [json!({}), json!({"purpose": "admin"}), json!({"purpose": "events", "x": 1})] {
        api.post("/v1/tickets", &body).await.problem(400, "invalid-request");
    }
    api.send(Method::GET, "/v1/tickets", &[], None).await.problem(405, "method-not-allowed");
    // Without authentication a ticket is of no use, but works.
    let open_server = TestServer::start();
    let ticket = ticket(&open_server.api(), "events").await;
    open(open_server.url(), EVENTS, &ticket, None).await.expect("a socket");
    assert!(is_refused(open(open_server.url(), EVENTS, &ticket, None).await));
}
