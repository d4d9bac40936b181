//! Log lines that can't be written: they must cost neither a lock nor the shutdown.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::{Acquire, Backend, PlainServer, Sqlite, eventually, new_key, now, spawn};

#[tokio::test]
async fn b53_closed_standard_error_costs_no_lock() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    serves_and_drains(writer.into(), true).await;
}

#[tokio::test]
async fn b53_standard_error_on_a_full_disk_costs_no_lock() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    serves_and_drains(full.into(), true).await;
}

#[tokio::test]
async fn b53_standard_error_that_nobody_reads_costs_no_lock() {
    let (reader, writer) = std::io::pipe().unwrap();
    // The requests log far more than the 64 KiB that the pipe takes.
    serves_and_drains(writer.into(), false).await;
    drop(reader);
}

async fn serves_and_drains(errors: Stdio, drops_lines: bool) {
    let database = Sqlite::new();
    let mut server = PlainServer::start(&database.url(), &["--log", "debug"], errors);
    let api = server.api();
    database.install_failing_trigger();
    api.lock("held", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = {
        let api = api.clone();
        spawn(async move { api.acquire("held", &Acquire::exclusive().wait(60_000).key(&new_key())).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("held").await == 1 }).await;
    // The writer itself logs these.
    let rejected = Acquire::exclusive().with("owner", "reject me");
    for _ in 0..3 {
        api.acquire("rejected", &rejected).await.problem(500, "internal-error");
    }
    let cycle = |index: usize| {
        let api = api.clone();
        async move {
            for round in 0..50 {
                let name = format!("{index}/{round}");
                let lease = api.lock(&name, &Acquire::exclusive()).await;
                api.renew(&name, &lease).await.ok();
                api.release(&name, &lease).await.ok();
            }
        }
    };
    // A server that blocks on its log answers nothing any more.
    let cycles = join_all((0..8).map(cycle));
    tokio::time::timeout(Duration::from_secs(60), cycles).await.expect("the server answers");
    assert_eq!(api.get("/livez").await.status, 200);
    assert_eq!(api.get("/readyz").await.status, 200);
    let metrics = api.get("/metrics").await.text;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("dlm_log_lines_dropped_total "));
    let dropped: u64 = dropped.expect("the metric").parse().unwrap();
    assert_eq!(dropped > 0, drops_lines, "{dropped}");
    let asked = now();
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    assert_eq!(waiting.await.unwrap().status, 202);
}
