//! What `dlm-server show` prints of a SQLite database: beside a server, and after one
//! has stopped without bringing the tables up to date.

use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Acquire, Backend, ServerProcess, Sqlite, binary, eventually, new_key, spawn, startup_error,
};

/// The lines that it prints.
fn show(what: &str, database: &Sqlite) -> Vec<Value> {
    let output = Command::new(binary("dlm-server"))
        .args(["show", what, "--database-url", &database.url()])
        .output()
        .expect("dlm-server runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// The values with the name of their resource.
fn of<'a>(resource: &'a str, values: &'a Value) -> impl Iterator<Item = Value> + use<'a> {
    values.as_array().expect("a list").iter().map(move |value| {
        let mut value = value.clone();
        value["resource"] = resource.into();
        value
    })
}

#[tokio::test]
async fn show_prints_what_a_running_server_shows() {
    let server = ServerProcess::<Sqlite>::start();
    let api = server.api();
    let exclusive = Acquire::exclusive().ttl(600_000);
    api.lock("a", &exclusive).await;
    let released = api.lock("b", &exclusive).await;
    api.release("b", &released).await.ok();
    for _ in 0..2 {
        api.lock("c", &Acquire::shared().ttl(600_000)).await;
    }
    let waiter = Acquire::exclusive().wait(60_000).key(&new_key());
    let waits = spawn({
        let api = api.clone();
        async move { api.try_acquire("c", &waiter).await }
    });
    eventually("it waits", || async { api.status("c").await["queue_len"] == 1 }).await;
    let statuses = [("a", api.status("a").await), ("c", api.status("c").await)];
    let holders: Vec<_> = statuses.iter().flat_map(|(name, status)| of(name, &status["holders"])).collect();
    assert_eq!(show("holders", server.database()), holders);
    let waiters: Vec<_> = of("c", &statuses[1].1["waiters"]).collect();
    assert_eq!(waiters.len(), 1);
    assert_eq!(show("waiters", server.database()), waiters);
    let events = api.get("/v1/events?limit=100").await.ok();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(6), "four grants, a release, a waiter");
    assert_eq!(show("events", server.database()), *events["events"].as_array().unwrap());
    waits.abort();
}

#[tokio::test]
async fn show_prints_what_a_server_committed_that_the_tables_lack() {
    let mut server = ServerProcess::<Sqlite>::start();
    server.database().execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON claims BEGIN SELECT RAISE(ABORT, 'refused here'); END",
    );
    let lease = server.api().lock("a", &Acquire::exclusive().ttl(600_000)).await;
    assert_eq!(server.wait_for_exit().code(), Some(1), "the tables can't be brought up to date");
    assert_eq!(server.database().query_i64("SELECT count(*) FROM claims"), 0);
    for _ in 0..2 {
        let holders = show("holders", server.database());
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0]["fencing_token"], lease["fencing_token"]);
        let events = show("events", server.database());
        assert_eq!((events.len(), &events[0]["kind"]), (1, &"granted".into()));
    }
    assert_eq!(server.database().query_i64("SELECT count(*) FROM journal"), 1, "it changes nothing");
}

#[test]
fn show_of_what_is_no_database_of_a_server_fails_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let show = |path: &str| startup_error(&["show", "holders", "--database-url", path]);
    let missing = show(&format!("sqlite://{}", directory.path().join("typo.db").display()));
    assert!(missing.contains("typo.db"), "{missing}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let other = directory.path().join("other.db");
    std::fs::write(&other, "").unwrap();
    let error = show(&format!("sqlite://{}", other.display()));
    assert!(error.contains("no database of dlm-server"), "{error}");
    assert!(std::fs::read(&other).unwrap().is_empty());
    let postgres = show("postgres://localhost/dlm");
    assert!(postgres.contains("holders_readable"), "{postgres}");
}
