//! What principals hold and wait for, and their events.

use serde_json::{Value, json};

use super::super::TestServer;
use super::owners::{enqueue, hold};
use crate::harness::{Api, AuthFile, encode, eventually, principal};

fn auth_file() -> AuthFile {
    AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("api", &["api-token"], &[("lock", "")])
            + &principal("team", &["team-token"], &[("observe", "team/")])),
    )
}

/// The texts of a field of some rows.
fn texts<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap_or_default()).collect()
}

/// Waits until a principal is shown with so many leases and waiters.
async fn settled(api: &Api, name: &str, holds: u64, waits: u64) -> Value {
    let path = format!("/v1/principals/{}", encode(name));
    eventually("the principal is shown", || async {
        let found = api.get(&path).await.ok();
        (&found["hold_count"], &found["wait_count"]) == (&json!(holds), &json!(waits))
    })
    .await;
    api.get(&path).await.ok()
}

#[tokio::test]
async fn principal_has_all_leases_and_waiters_of_its_owners() {
    let file = auth_file();
    let mut server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, api) = (server.api().with_token("ops-token"), server.api().with_token("api-token"));
    hold(&api, "team/a", "api-1").await;
    hold(&api, "orders", "api-2").await;
    hold(&api, "nameless", "").await;
    hold(&ops, "schema", "api-1").await;
    let _importer = enqueue(&api, "schema", "api-2").await;
    let _ops = [enqueue(&ops, "orders", "w").await, enqueue(&ops, "team/a", "v").await];
    let found = settled(&ops, "api", 3, 1).await;
    assert_eq!(
        [&found["principal"], &found["complete"], &found["owner_count"], &found["blocked"]],
        [&json!("api"), &json!(true), &json!(3), &json!(2)]
    );
    assert_eq!(texts(&found["owners"], "owner"), ["api-2", "api-1", ""], "by what they block and have");
    assert_eq!(texts(&found["holds"], "resource"), ["orders", "team/a", "nameless"]);
    assert_eq!(texts(&found["holds"], "owner"), ["api-2", "api-1", ""]);
    assert_eq!((texts(&found["waits"], "resource"), texts(&found["waits"], "owner")), (vec!["schema"], vec!["api-2"]));
    assert_eq!(found["waits"][0]["holders"][0]["principal"], "ops");
    // Only those that it may observe.
    let seen = settled(&server.api().with_token("team-token"), "api", 1, 0).await;
    assert_eq!((texts(&seen["holds"], "resource"), &seen["blocked"]), (vec!["team/a"], &json!(1)));
    assert!(!seen.to_string().contains("orders") && !seen.to_string().contains("api-2"), "{seen}");
    // The queue says whose its waiters are.
    assert_eq!(ops.status("schema").await["waiters"][0]["principal"], "api");
    server.kill9_and_restart();
    settled(&server.api().with_token("ops-token"), "api", 3, 1).await;
}

#[tokio::test]
async fn nobody_and_mistakes_have_no_page_of_a_principal() {
    let server = TestServer::start();
    let api = server.api();
    hold(&api, "a", "x").await;
    let nobody = api.get("/v1/principals/nobody").await.ok();
    assert_eq!([&nobody["holds"], &nobody["waits"], &nobody["owners"]], [&json!([]); 3]);
    assert_eq!((&nobody["blocked"], &nobody["owner_count"]), (&json!(0), &json!(0)));
    // The leases of the anonymous principal are those of no principal.
    for name in ["", "%", "%zz", "a%00", "a%20b", "%C3%A9", &"x".repeat(129)] {
        api.get(&format!("/v1/principals/{name}")).await.problem(400, "invalid-request");
    }
    api.get("/v1/principals/a?owner=b").await.problem(400, "invalid-request");
    api.get("/v1/principals/a/b").await.problem(404, "not-found");
    assert!(api.status("a").await["holders"][0].get("principal").is_none());
}

#[tokio::test]
async fn events_of_a_principal_are_its_grants_and_its_force_releases() {
    let file = auth_file();
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, api) = (server.api().with_token("ops-token"), server.api().with_token("api-token"));
    let lease = hold(&api, "a", "api-1").await;
    api.release("a", &lease).await.ok();
    let lease = hold(&api, "b", "api-1").await;
    ops.force_release("b", &lease["fencing_token"]).await.ok();
    hold(&ops, "a", "someone").await;
    for newest in ["", "&newest=true"] {
        let of = async |principal: &str| {
            let page = ops.get(&format!("/v1/events?principal={principal}{newest}")).await.ok();
            let row = |event: &Value| {
                let text = |field: &str| event[field].as_str().unwrap().to_owned();
                (text("kind"), text("resource"))
            };
            page["events"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
        };
        let event = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(of("api").await, [event("granted", "a"), event("granted", "b")]);
        assert_eq!(of("ops").await, [event("force_released", "b"), event("granted", "a")]);
        assert_eq!(of("ops&kind=granted").await, [event("granted", "a")]);
        assert_eq!(of("nobody").await, []);
    }
}
