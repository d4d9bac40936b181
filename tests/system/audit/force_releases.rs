//! Force-releases and grants.

use serde_json::{Value, json};

use super::{Setup, TestServer, assert_record, lost, of_request, records};
use crate::harness::{Acquire, AuthFile, WebSocket, eventually, principal, startup_error};

/// The id in the problem or the headers of a response.
fn id(response: &crate::harness::ApiResponse) -> String {
    response.headers["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_force_release_is_recorded_before_and_after_it() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    let ops = server.api().with_token("ops-token");
    let lease = server.api().with_token("api-token").lock("orders/1", &Acquire::exclusive()).await;
    let token = &lease["fencing_token"];
    let released = ops.force_release("orders/1", token).await;
    released.ok();
    let recorded = of_request(&setup.log, &id(&released), 2).await;
    let expected = |outcome: &str, code: Value| {
        json!({"principal": "ops", "address": "127.0.0.1", "verb": "force_release", "resource": "orders/1",
               "token": token, "outcome": outcome, "code": code, "reason": "requested by a test"})
    };
    assert_record(&recorded[0], &expected("attempted", Value::Null));
    assert_record(&recorded[1], &expected("succeeded", Value::Null));
    let without_effect = ops.force_release("orders/1", &json!(99)).await;
    without_effect.problem(409, "holder-changed");
    let recorded = of_request(&setup.log, &id(&without_effect), 2).await;
    assert_record(&recorded[0], &json!({"outcome": "attempted", "token": 99}));
    assert_record(&recorded[1], &json!({"outcome": "failed", "token": 99, "code": "holder-changed"}));
    // Grants were not asked for.
    assert!(!records(&setup.log).iter().any(|record| record["verb"] == "acquire"));
}

#[tokio::test]
async fn a_request_to_let_go_and_its_enforcement_are_recorded() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    let ops = server.api().with_token("ops-token");
    let lease = server.api().with_token("api-token").lock("orders/1", &Acquire::exclusive()).await;
    let token = &lease["fencing_token"];
    let asked = ops.request_release("orders/1", token, &json!({"within_ms": 1_000, "force": true})).await;
    asked.ok();
    let recorded = of_request(&setup.log, &id(&asked), 2).await;
    let expected = |verb: &str, outcome: &str| {
        json!({"principal": "ops", "verb": verb, "resource": "orders/1", "token": token, "outcome": outcome,
               "code": null, "reason": "requested by a test"})
    };
    assert_record(&recorded[0], &expected("request_release", "attempted"));
    assert_record(&recorded[1], &expected("request_release", "succeeded"));
    let forced = || {
        let records = records(&setup.log).into_iter();
        records.filter(|record| record["verb"] == "force_release").collect::<Vec<_>>()
    };
    eventually("the force-release is recorded", || async { forced().len() == 2 }).await;
    assert_record(&forced()[0], &expected("force_release", "attempted"));
    assert_record(&forced()[1], &expected("force_release", "succeeded"));
    assert_eq!((&forced()[0]["address"], &forced()[0]["request_id"]), (&Value::Null, &Value::Null));
    let events = ops.events("orders/1").await;
    assert_eq!((&events[1]["kind"], &events[1]["by"]), (&json!("force_released"), &json!("ops")));
}

#[tokio::test]
async fn grants_are_recorded_if_they_are_asked_for() {
    let setup = Setup::new();
    let server = setup.start(&["--audit-grants"]);
    let api = server.api().with_token("api-token");
    let granted = api.acquire("orders/1", &Acquire::exclusive()).await;
    let lease = granted.ok();
    let expected = |resource: &str, token: &Value| {
        json!({"principal": "api", "verb": "acquire", "resource": resource, "token": token, "outcome": "succeeded",
               "code": null, "reason": null})
    };
    assert_record(
        &of_request(&setup.log, &id(&granted), 1).await[0],
        &expected("orders/1", &lease["fencing_token"]),
    );
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", "api-token").await.unwrap();
    let lease = session.request("acquire", json!({"resource": "orders/2"})).await["lease"].clone();
    let of_session = || records(&setup.log).into_iter().find(|record| record["resource"] == "orders/2");
    eventually("the grant of the session is recorded", || async { of_session().is_some() }).await;
    let record = of_session().unwrap();
    assert_record(&record, &expected("orders/2", &lease["fencing_token"]));
    assert!(record["request_id"].as_str().unwrap().ends_with("/1"), "{record}");
    // A renewal is no grant.
    api.renew("orders/2", &lease).await.ok();
    server.api().get("/v1/locks").await.problem(401, "unauthenticated");
    eventually("the next record", || async { records(&setup.log).len() >= 3 }).await;
    assert_eq!(records(&setup.log).len(), 3);
}

/// A server whose audit log is on a full disk.
fn on_a_full_disk(file: &AuthFile, more: &[&str]) -> TestServer {
    let path = file.path();
    TestServer::start_with(&[&["--auth-file", &path, "--audit-log", "/dev/full"], more].concat())
}

#[tokio::test]
async fn a_force_release_that_can_not_be_recorded_is_refused_if_the_audit_log_is_strict() {
    let file = AuthFile::new(&principal("ops", &["ops-token"], &[("admin", "")]));
    let server = on_a_full_disk(&file, &["--audit-strict"]);
    let ops = server.api().with_token("ops-token");
    let lease = ops.lock("a", &Acquire::exclusive()).await;
    let refused = ops.force_release("a", &lease["fencing_token"]).await.problem(503, "unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("audit log"), "{refused}");
    ops.renew("a", &lease).await.ok();
    assert_eq!(ops.event_kinds("a").await, ["granted"]);
    // Its attempt, and that it was refused.
    eventually("both records are counted", || async { lost(&ops).await == 2 }).await;
    server.logged("audit records lost").await;
}

#[tokio::test]
async fn what_can_not_be_recorded_is_counted_and_logged_and_goes_on() {
    let file = AuthFile::new(&principal("ops", &["ops-token"], &[("admin", "")]));
    let server = on_a_full_disk(&file, &[]);
    let ops = server.api().with_token("ops-token");
    let lease = ops.lock("a", &Acquire::exclusive()).await;
    ops.force_release("a", &lease["fencing_token"]).await.ok();
    for _ in 0..20 {
        server.api().get("/v1/locks").await.problem(401, "unauthenticated");
    }
    eventually("all are counted", || async { lost(&ops).await == 22 }).await;
    server.logged("audit records lost").await;
    server.logged("No space left on device").await;
    // The rate of these lines is bounded: one in ten seconds.
    let log = server.logs();
    assert!(log.matches("audit records lost").count() <= 3, "{log}");
}

#[tokio::test]
async fn a_strict_audit_log_that_works_again_allows_force_releases_again() {
    let setup = Setup::new();
    let server = setup.start(&["--audit-strict"]);
    let ops = server.api().with_token("ops-token");
    let lease = ops.lock("a", &Acquire::exclusive()).await;
    let directory = setup.log.parent().unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    ops.force_release("a", &lease["fencing_token"]).await.problem(503, "unavailable");
    std::fs::create_dir(directory).unwrap();
    let released = ops.force_release("a", &lease["fencing_token"]).await;
    released.ok();
    // The first of its records is in the file before the response.
    let recorded = records(&setup.log).into_iter().find(|record| record["request_id"] == id(&released));
    assert_eq!(recorded.expect("a record")["outcome"], "attempted");
    assert_eq!(of_request(&setup.log, &id(&released), 2).await[1]["outcome"], "succeeded");
    server.logged("audit log is written again").await;
}

#[test]
fn an_audit_log_that_can_not_be_opened_ends_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("dlm.db").display());
    let missing = directory.path().join("missing").join("audit.log").display().to_string();
    let error =
        startup_error(&["--listen", "127.0.0.1:0", "--database-url", &database, "--audit-log", &missing]);
    let expected = format!("could not open the audit log {missing}: No such file or directory");
    assert!(error.contains(&expected), "{error}");
    for option in ["--audit-strict", "--audit-grants"] {
        let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", &database, option]);
        assert!(error.contains("--audit-strict and --audit-grants need --audit-log"), "{error}");
    }
}
