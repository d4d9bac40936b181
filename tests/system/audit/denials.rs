//! Denials: each is recorded once, with the caller and what it asked for.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use super::{Setup, assert_record, of_request, records};
use crate::harness::{Acquire, Api, Authority, Backend, Trust, WebSocket};

const SESSION: (&str, &str) = ("/v1/session", "dlm.session.v1");
const EVENTS: (&str, &str) = ("/v1/events", "dlm.events.v1");

async fn send(api: &Api, id: &str, method: Method, path: &str, body: Value) -> u16 {
    let headers = [("content-type", "application/json"), ("x-request-id", id)];
    let body = (method == Method::POST).then(|| body.to_string());
    api.send(method, path, &headers, body).await.status
}

#[tokio::test]
async fn denials_are_recorded_once_with_the_caller_and_what_it_asked_for() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    let (api, ops) = (server.api().with_token("api-token"), server.api().with_token("ops-token"));
    let lease = ops.lock("orders/1", &Acquire::exclusive().ttl(600_000)).await;
    let (token, stolen) = (&lease["fencing_token"], json!({"lease_id": &lease["lease_id"]}));
    let cases = [
        (
            send(&server.api(), "no-token", Method::GET, "/v1/locks/orders%2F1", json!({})).await,
            json!({"principal": null, "verb": "status", "resource": "orders/1", "code": "missing"}),
            "no-token",
        ),
        (
            send(&server.api().with_token("x"), "unknown", Method::GET, "/v1/locks", json!({})).await,
            json!({"principal": null, "verb": "list", "resource": null, "code": "unknown_token"}),
            "unknown",
        ),
        (
            send(
                &server.api().with_token("old-token"),
                "expired",
                Method::POST,
                "/v1/locks/orders%2F1/acquire",
                json!({}),
            )
            .await,
            json!({"principal": "api", "verb": "acquire", "resource": "orders/1", "code": "expired_token",
                   "reason": "the token has expired"}),
            "expired",
        ),
        (
            send(&api, "forbidden", Method::POST, "/v1/locks/bills%2F1/acquire", json!({})).await,
            json!({"principal": "api", "verb": "acquire", "resource": "bills/1", "code": "forbidden",
                   "reason": "this needs the role `lock` on the resource"}),
            "forbidden",
        ),
        (
            send(&api, "stolen", Method::POST, "/v1/locks/orders%2F1/release", stolen.clone()).await,
            json!({"principal": "api", "verb": "release", "resource": "orders/1", "code": "not-holder", "token": token}),
            "stolen",
        ),
        (
            send(&api, "metrics", Method::GET, "/metrics", json!({})).await,
            json!({"principal": "api", "verb": "metrics", "code": "forbidden"}),
            "metrics",
        ),
        (
            send(&api, "hidden", Method::GET, "/v1/events?resource=bills%2F1", json!({})).await,
            json!({"principal": "api", "verb": "events", "resource": "bills/1", "code": "forbidden"}),
            "hidden",
        ),
        (
            send(
                &api,
                "force",
                Method::POST,
                "/v1/locks/orders%2F1/force-release",
                json!({"fencing_token": token, "reason": "x"}),
            )
            .await,
            json!({"principal": "api", "verb": "force_release", "resource": "orders/1", "code": "forbidden"}),
            "force",
        ),
    ];
    for (status, mut expected, id) in cases {
        assert!(matches!(status, 401 | 403), "{id}: {status}");
        expected["address"] = json!("127.0.0.1");
        expected["outcome"] = json!("denied");
        assert_record(&of_request(&setup.log, id, 1).await[0], &expected);
    }
    // Several renewals in one request, one by one.
    let other = api.lock("orders/2", &Acquire::exclusive()).await;
    let renew = json!({"leases": [
        {"resource": "orders/1", "lease_id": &lease["lease_id"]},
        {"resource": "orders/2", "lease_id": &other["lease_id"]},
        {"resource": "bills/1", "lease_id": &lease["lease_id"]},
    ]});
    assert_eq!(send(&api, "renewals", Method::POST, "/v1/renew", renew).await, 200);
    let denied = of_request(&setup.log, "renewals", 2).await;
    assert_record(
        &denied[0],
        &json!({"verb": "renew", "resource": "orders/1", "code": "not-holder", "token": token}),
    );
    assert_record(
        &denied[1],
        &json!({"verb": "renew", "resource": "bills/1", "code": "forbidden", "token": null}),
    );
    // What is allowed, or fails for another reason, is not recorded.
    assert_eq!(send(&api, "held", Method::POST, "/v1/locks/orders%2F1/acquire", json!({})).await, 423);
    assert_eq!(send(&api, "bad", Method::POST, "/v1/locks/orders%2F1/acquire", json!({"x": 1})).await, 400);
    send(&api, "last", Method::GET, "/metrics", json!({})).await;
    of_request(&setup.log, "last", 1).await;
    assert!(
        !records(&setup.log)
            .iter()
            .any(|record| record["request_id"] == "held" || record["request_id"] == "bad")
    );
}

#[tokio::test]
async fn denials_are_recorded_over_every_transport() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    let api = server.api().with_token("api-token");
    // A session: each frame has an id of its own.
    let lease = server.api().with_token("ops-token").lock("orders/1", &Acquire::exclusive()).await;
    let mut session = WebSocket::with_token(server.url(), SESSION.0, SESSION.1, "api-token").await.unwrap();
    let id_of = |problem: &Value| problem["request_id"].as_str().unwrap().to_owned();
    let stolen = json!({"resource": "orders/1", "lease_id": &lease["lease_id"]});
    for (op, fields, code) in [
        ("acquire", json!({"resource": "bills/1"}), "forbidden"),
        ("status", json!({"resource": "bills/1"}), "forbidden"),
        ("renew", stolen.clone(), "not-holder"),
        ("release", stolen.clone(), "not-holder"),
    ] {
        let resource = fields["resource"].clone();
        let reply = session.request(op, fields).await;
        let expected = json!({"principal": "api", "address": "127.0.0.1", "verb": op, "resource": resource,
                              "code": code, "outcome": "denied"});
        assert_record(&of_request(&setup.log, &id_of(&reply["problem"]), 1).await[0], &expected);
    }
    let reply = session.request("renew", json!({"leases": [stolen]})).await;
    let renewal = of_request(&setup.log, &id_of(&reply["results"][0]["problem"]), 1).await;
    assert_record(&renewal[0], &json!({"verb": "renew", "resource": "orders/1", "code": "not-holder"}));
    // Upgrades, and tickets.
    let ticket = api.post("/v1/tickets", &json!({"purpose": "session"})).await.ok()["ticket"].clone();
    let ticket = ticket.as_str().unwrap();
    let refused = |opened: Result<WebSocket, Error>| match opened {
        Err(Error::Http(response)) => {
            serde_json::from_slice::<Value>(response.body().as_deref().unwrap()).unwrap()
        }
        _ => panic!("it is open"),
    };
    let wrong = WebSocket::with_token(server.url(), EVENTS.0, EVENTS.1, "wrong").await;
    let hidden =
        WebSocket::with_token(server.url(), "/v1/events?resource=bills", EVENTS.1, "api-token").await;
    let of_other_purpose = WebSocket::with_ticket(server.url(), EVENTS.0, EVENTS.1, ticket, None).await;
    let used = WebSocket::with_ticket(server.url(), SESSION.0, SESSION.1, ticket, None).await;
    for (opened, expected) in [
        (wrong, json!({"principal": null, "verb": "events", "code": "unknown_token"})),
        (hidden, json!({"principal": "api", "verb": "events", "resource": "bills", "code": "forbidden"})),
        (of_other_purpose, json!({"principal": "api", "verb": "events", "code": "ticket"})),
        (used, json!({"principal": null, "verb": "session", "code": "ticket"})),
    ] {
        assert_record(&of_request(&setup.log, &id_of(&refused(opened)), 1).await[0], &expected);
    }
    drop(server);
    // HTTP/2, over TLS.
    let authority = Authority::new();
    let tls = {
        let identity = authority.issue("server", "IP:127.0.0.1");
        setup.start(&[&identity.arguments()[..], &["--trusted-proxy", "127.0.0.1"]].concat())
    };
    let over_http2 = Api::over_tls(tls.url(), Trust::new(&[&authority]).speaking(&["h2"]).config())
        .with_token("api-token");
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "192.0.2.7")];
    let path = "/v1/locks/bills%2F1/acquire";
    let denied = over_http2.send(Method::POST, path, &headers, Some("{}".into())).await;
    assert_eq!(denied.version, reqwest::Version::HTTP_2);
    let denied = id_of(&denied.problem(403, "forbidden"));
    let expected = json!({"principal": "api", "address": "192.0.2.7", "verb": "acquire", "resource": "bills/1",
                          "code": "forbidden"});
    assert_record(&of_request(&setup.log, &denied, 1).await[0], &expected);
}

#[tokio::test]
async fn a_quota_that_is_exceeded_is_recorded() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    server.database().execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
         INSERT INTO tickets SELECT i, 'api', '', 9000000000000000 FROM n",
    );
    let api = server.api().with_token("api-token");
    assert_eq!(send(&api, "quota", Method::POST, "/v1/tickets", json!({"purpose": "events"})).await, 429);
    let expected =
        json!({"principal": "api", "verb": "tickets", "code": "quota-exceeded", "outcome": "denied"});
    assert_record(&of_request(&setup.log, "quota", 1).await[0], &expected);
}
