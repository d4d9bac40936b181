//! Where the records go, and reloads.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Setup, TestServer, assert_record, principals, records};
use crate::harness::{Acquire, eventually, principal};

#[tokio::test]
async fn the_log_is_rotated_by_renaming_it_and_sighup() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    assert_eq!(fs::metadata(&setup.log).unwrap().permissions().mode() & 0o777, 0o600);
    let deny = async |id: &str| {
        let headers = [("x-request-id", id)];
        let denied = server.api().send(reqwest::Method::GET, "/v1/locks", &headers, None).await;
        denied.problem(401, "unauthenticated");
    };
    let has =
        |path: &std::path::Path, id: &str| records(path).iter().any(|record| record["request_id"] == id);
    let rotated = setup.log.with_extension("1");
    deny("first").await;
    eventually("the first record", || async { has(&setup.log, "first") }).await;
    fs::rename(&setup.log, &rotated).unwrap();
    deny("second").await;
    eventually("the second record, in the renamed file", || async { has(&rotated, "second") }).await;
    server.signal(Signal::HUP);
    eventually("a new file", || async { setup.log.exists() }).await;
    deny("third").await;
    eventually("the third record", || async { has(&setup.log, "third") }).await;
    assert!(!has(&rotated, "third") && !has(&setup.log, "second"));
    // Nothing is lost if it can't be opened again.
    let directory = setup.log.parent().unwrap();
    let moved = directory.with_extension("moved");
    fs::rename(directory, &moved).unwrap();
    server.signal(Signal::HUP);
    server.logged("audit log not reopened").await;
    deny("fourth").await;
    let file = moved.join(setup.log.file_name().unwrap());
    eventually("the fourth record", || async { has(&file, "fourth") }).await;
}

#[tokio::test]
async fn reloads_of_the_policy_are_recorded() {
    let setup = Setup::new();
    let server = setup.start(&[]);
    let reloads = |outcome: &str| {
        let records = records(&setup.log).into_iter();
        records
            .filter(|record| record["verb"] == "reload_auth" && record["outcome"] == outcome)
            .collect::<Vec<_>>()
    };
    setup.file.replace(&principal("ops", &["ops-token"], &[("admin", "")]));
    server.signal(Signal::HUP);
    eventually("the reload is recorded", || async { reloads("succeeded").len() == 1 }).await;
    let unknown =
        json!({"principal": null, "address": null, "request_id": null, "resource": null, "token": null});
    let record = &reloads("succeeded")[0];
    assert_record(record, &unknown);
    assert!(record["reason"].as_str().unwrap().contains("0 added, 1 removed"), "{record}");
    setup.file.replace("[[principal]]\nname = 1\n");
    server.signal(Signal::HUP);
    eventually("the refusal is recorded", || async { reloads("failed").len() == 1 }).await;
    let record = &reloads("failed")[0];
    assert_record(record, &unknown);
    assert!(record["reason"].as_str().unwrap().contains("auth.toml: line 2: "), "{record}");
    setup.file.replace(&principals());
    server.signal(Signal::HUP);
    eventually("the reload is recorded", || async { reloads("succeeded").len() == 2 }).await;
}

#[tokio::test]
async fn the_log_may_be_standard_output() {
    let server = TestServer::start_with(&["--audit-log", "-"]);
    let lease = server.api().lock("a", &Acquire::exclusive()).await;
    server.api().force_release("a", &lease["fencing_token"]).await.ok();
    let record: Value = serde_json::from_str(&server.next_line()).unwrap();
    assert_record(&record, &json!({"principal": "", "verb": "force_release", "outcome": "attempted"}));
    let record: Value = serde_json::from_str(&server.next_line()).unwrap();
    assert_record(&record, &json!({"outcome": "succeeded", "token": lease["fencing_token"]}));
}
