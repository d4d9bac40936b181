//! What owners hold and wait for.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, AuthFile, encode, eventually, principal, spawn};

pub(super) async fn hold(api: &Api, name: &str, owner: &str) -> Value {
    api.lock(name, &Acquire::exclusive().with("owner", owner)).await
}

/// Spawns an acquire that waits; returns once it is queued.
pub(super) async fn enqueue(api: &Api, name: &'static str, owner: &str) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let (waiting, acquire) = (api.clone(), Acquire::exclusive().wait(60_000).with("owner", owner));
    let waiting = spawn(async move { waiting.lock(name, &acquire).await });
    eventually("the acquire is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

/// Waits until the owners hold and wait for so many locks in all.
async fn settled(api: &Api, holds: u64, waits: u64) -> Value {
    let sum = |page: &Value, field: &str| -> u64 {
        page["owners"].as_array().unwrap().iter().map(|owner| owner[field].as_u64().unwrap()).sum()
    };
    eventually("the owners are shown", || async {
        let page = api.get("/v1/owners").await.ok();
        (sum(&page, "holds"), sum(&page, "waits")) == (holds, waits)
    })
    .await;
    api.get("/v1/owners").await.ok()
}

fn names(page: &Value) -> Vec<&str> {
    page["owners"].as_array().unwrap().iter().map(|owner| owner["owner"].as_str().unwrap()).collect()
}

fn counts(owner: &Value) -> [u64; 3] {
    ["holds", "waits", "blocked"].map(|field| owner[field].as_u64().unwrap())
}

#[tokio::test]
async fn owners_that_block_most_are_first_with_what_they_hold_and_wait_for() {
    let mut server = TestServer::start();
    let api = server.api();
    let empty = api.get("/v1/owners").await.ok();
    assert_eq!(
        (&empty["owners"], &empty["next"], &empty["complete"]),
        (&json!([]), &Value::Null, &json!(true))
    );
    let schema = hold(&api, "schema", "migration").await;
    hold(&api, "orders", "importer").await;
    for index in 0..3 {
        hold(&api, &format!("idle/{index}"), "idle owner").await;
    }
    api.lock("shared", &Acquire::shared().with("owner", "reader/1")).await;
    api.lock("shared", &Acquire::shared().with("owner", "reader/2")).await;
    hold(&api, "nameless", "").await;
    let _importer = enqueue(&api, "schema", "importer").await;
    let _first = enqueue(&api, "orders", "worker").await;
    let _second = enqueue(&api, "orders", "worker").await;
    let page = settled(&api, 8, 3).await;
    assert_eq!(
        names(&page),
        ["migration", "importer", "idle owner", "worker", "", "reader/1", "reader/2"],
        "by what they block, then by how much they hold and wait for, then by name"
    );
    let owners = page["owners"].as_array().unwrap();
    assert_eq!(counts(&owners[0]), [1, 0, 3], "the importer waits, so those behind it do");
    assert_eq!(counts(&owners[1]), [1, 1, 2]);
    assert_eq!(counts(&owners[2]), [3, 0, 0]);
    assert_eq!(counts(&owners[3]), [0, 2, 0]);
    assert_eq!(
        (&owners[0]["oldest_held_at"], &owners[0]["oldest_enqueued_at"]),
        (&schema["acquired_at"], &Value::Null)
    );
    assert_eq!(owners[3]["oldest_enqueued_at"], api.status("orders").await["oldest_enqueued_at"]);

    let importer = api.get("/v1/owners/importer").await.ok();
    assert_eq!(
        (&importer["owner"], &importer["hold_count"], &importer["wait_count"], &importer["blocked"]),
        (&json!("importer"), &json!(1), &json!(1), &json!(2))
    );
    let held = &importer["holds"][0];
    assert_eq!(
        (&held["resource"], &held["owner"], &held["waits_for"], &held["blocked"], &held["mode"]),
        (&json!("orders"), &json!("importer"), &json!("schema"), &json!(2), &json!("exclusive"))
    );
    let wait = &importer["waits"][0];
    assert_eq!((&wait["resource"], &wait["position"]), (&json!("schema"), &json!(1)));
    assert_eq!(
        (&wait["holders"][0]["owner"], &wait["holders"][0]["fencing_token"], &wait["holder_count"]),
        (&json!("migration"), &schema["fencing_token"], &json!(1))
    );
    let worker = api.get("/v1/owners/worker").await.ok();
    let positions: Vec<_> = worker["waits"].as_array().unwrap().iter().map(|wait| &wait["position"]).collect();
    assert_eq!(positions, [1, 2]);
    // Percent-encoded once, and empty for those that gave none.
    assert_eq!(api.get(&format!("/v1/owners/{}", encode("reader/1"))).await.ok()["hold_count"], 1);
    assert_eq!(api.get("/v1/owners/").await.ok()["holds"][0]["resource"], "nameless");
    let nobody = api.get("/v1/owners/nobody").await.ok();
    assert_eq!((&nobody["holds"], &nobody["waits"], &nobody["blocked"]), (&json!([]), &json!([]), &json!(0)));

    // Leases outlive the server.
    server.kill9_and_restart();
    let page = server.api().get("/v1/owners?contains=IDLE").await.ok();
    assert_eq!((names(&page), counts(&page["owners"][0])), (vec!["idle owner"], [3, 0, 0]));
}

#[tokio::test]
async fn owners_are_filtered_and_paged() {
    let server = TestServer::start();
    let api = server.api();
    for index in 0..7 {
        hold(&api, &format!("lock/{index}"), &format!("Worker-{index}")).await;
    }
    hold(&api, "other", "someone").await;
    settled(&api, 8, 0).await;
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/owners?contains=worker&limit=3{after}")).await.ok();
        all.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(page["owners"].as_array().unwrap().len(), 3);
        after = format!("&after={next}");
    }
    assert_eq!(all, (0..7).map(|index| format!("Worker-{index}")).collect::<Vec<_>>());
    assert_eq!(names(&api.get("/v1/owners?prefix=some").await.ok()), ["someone"]);
    assert_eq!(names(&api.get("/v1/owners?prefix=worker").await.ok()), [""; 0], "a prefix is case-sensitive");
    for query in ["limit=0", "limit=1001", "after=x", "after=", "contains=%", "owner=a", "limit=1&limit=1"] {
        api.get(&format!("/v1/owners?{query}")).await.problem(400, "invalid-request");
    }
    for owner in ["%", "%zz", "a%00", "a%0A", &"x".repeat(257)] {
        api.get(&format!("/v1/owners/{owner}")).await.problem(400, "invalid-request");
    }
    api.get("/v1/owners/a?owner=b").await.problem(400, "invalid-request");
    api.get("/v1/owners/a/b").await.problem(404, "not-found");
}

#[tokio::test]
async fn owners_of_what_a_principal_may_not_observe_are_hidden() {
    let file = AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("team", &["team-token"], &[("lock", "team/")])),
    );
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, team) = (server.api().with_token("ops-token"), server.api().with_token("team-token"));
    hold(&ops, "team/a", "x").await;
    hold(&ops, "secret", "x").await;
    hold(&ops, "hidden", "z").await;
    hold(&team, "team/b", "x").await;
    let _waiting = [enqueue(&ops, "secret", "w").await, enqueue(&ops, "team/a", "v").await];
    let all = settled(&ops, 4, 2).await;
    let of = |page: &Value, owner: &str, principal: &str| {
        let found = page["owners"].as_array().unwrap().iter();
        found.filter(|row| row["owner"] == owner && row["principal"] == principal).map(counts).next()
    };
    assert_eq!(of(&all, "x", "ops"), Some([2, 0, 2]));
    assert_eq!(of(&all, "x", "team"), Some([1, 0, 0]), "another principal's owner is someone else");
    let seen = settled(&team, 2, 1).await;
    assert_eq!(of(&seen, "x", "ops"), Some([1, 0, 1]));
    assert!(!seen.to_string().contains("\"z\"") && !seen.to_string().contains("\"w\""), "{seen}");
    let x = team.get("/v1/owners/x").await.ok();
    assert_eq!((&x["hold_count"], &x["complete"]), (&json!(2), &json!(true)));
    assert!(!x.to_string().contains("secret"));
    let x = team.get("/v1/owners/x?principal=team").await.ok();
    assert_eq!((&x["hold_count"], &x["holds"][0]["resource"]), (&json!(1), &json!("team/b")));
    assert_eq!(team.get("/v1/owners/z").await.ok()["hold_count"], 0);
    assert_eq!(names(&ops.get("/v1/owners?principal=team").await.ok()), ["x"]);
    assert_eq!(names(&ops.get("/v1/owners?principal=ops&contains=Z").await.ok()), ["z"]);
}
