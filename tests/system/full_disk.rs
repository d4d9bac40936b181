//! A database whose disk is full.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{
    Acquire, Api, Backend, MachineDelay, PlainServer, Sqlite, eventually, now, quiet_test_lock,
};

async fn failed_sweeps(api: &Api) -> u64 {
    let metrics = api.get("/metrics").await.text;
    let count =
        metrics.lines().find_map(|line| line.strip_prefix("dlm_task_failures_total{task=\"sweeper\"} "));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn full_disk_makes_the_sweeper_pause_and_the_server_unready() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let database = Sqlite::new();
    let (mut log, errors) = std::io::pipe().unwrap();
    let mut server = PlainServer::start_with_file_limits(&database.url(), Stdio::from(errors));
    // Lines that nobody reads would be dropped.
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).map(|_| text)
    });
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(2000)).await;
    server.limit_file_size(Some(1));
    eventually("the server is not ready", || async {
        let ready = api.get("/readyz").await;
        ready.status == 503 && ready.text.contains("overdue")
    })
    .await;
    assert_eq!(api.get("/livez").await.status, 200);
    let before = failed_sweeps(&api).await;
    let asked = now();
    api.get("/v1/locks/a").await.problem(503, "unavailable");
    delay.assert_within("the refusal", asked.elapsed(), Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let failed = failed_sweeps(&api).await - before;
    assert!((1..10).contains(&failed), "{failed} sweeps in three seconds");
    server.limit_file_size(None);
    eventually("the server is ready again", || async { api.get("/readyz").await.status == 200 }).await;
    assert_eq!(api.event_kinds("a").await, ["granted", "expired"]);
    api.lock("a", &Acquire::exclusive()).await;
    assert!(server.terminate().success());
    let text = log.join().unwrap().unwrap();
    let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!(
        (lines("task failed task=\"sweeper\""), lines("task recovered task=\"sweeper\"")),
        (1, 1),
        "{text}"
    );
}
