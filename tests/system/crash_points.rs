//! A server on SQLite that ends at a random write or sync, again and again: while it commits,
//! while the tables follow the journal, at a checkpoint, and while it starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::harness::{
    Acquire, Api, DiskFault, FaultyDisk, GrantRecord, SeededRng, ServerProcess, Sqlite, eventually,
    exclusive_test_lock, rounds, spawn, work,
};

const CRASHES: usize = 12;
const CLIENTS: usize = 24;
/// A cycle takes a few writes, and a checkpoint thousands.
const LAST_WRITE: usize = 3_000;
/// A start takes about as many.
const AT_START: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_ends_at_any_write_loses_nothing_it_acknowledged() {
    crashes(DiskFault::End).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_at_any_write_loses_nothing_that_was_acknowledged() {
    crashes(DiskFault::PowerCut).await;
}

async fn crashes(fault: impl Fn(usize) -> DiskFault) {
    let _exclusive = exclusive_test_lock();
    let disk = FaultyDisk::new();
    let mut rng = SeededRng::new();
    let mut server: ServerProcess<Sqlite> = disk.server(&[]);
    let api = server.api();
    let record = Arc::new(GrantRecord::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| spawn(work(api.clone(), Arc::clone(&record), client))).collect();
    let mut held = Vec::new();
    for crash in 0..rounds(CRASHES) {
        let cycles = record.cycles.load(Ordering::SeqCst);
        eventually("the clients make progress", || async {
            record.cycles.load(Ordering::SeqCst) >= cycles + 20
        })
        .await;
        // It was granted a while ago, or has just been.
        held.push(api.lock(&format!("held/{crash}"), &Acquire::exclusive().ttl(3_600_000)).await);
        // Half of them early, at the commits that follow.
        let last = if crash % 2 == 0 { LAST_WRITE } else { 60 };
        disk.fail(fault(1 + rng.below(last)));
        server.wait_for_exit();
        disk.heal();
        if crash % 3 == 0 {
            // While it applies what the journal has, or soon after.
            disk.fail(fault(1 + rng.below(AT_START)));
            if server.try_restart() {
                server.wait_for_exit();
            }
            disk.heal();
        }
        server.restart();
        for (number, lease) in held.iter().enumerate() {
            api.renew(&format!("held/{number}"), lease).await.ok();
        }
    }
    record.done.store(true, Ordering::SeqCst);
    for client in clients {
        tokio::time::timeout(Duration::from_secs(60), client).await.expect("it ends").expect("no panic");
    }
    let left = api.get("/v1/locks?prefix=lock/&state=held").await.ok();
    assert_eq!(left["locks"].as_array().unwrap().len(), 0, "every released lock is free");
    log_has_every_event(&api).await;
}

/// The log has each event of each lock once, in order: no batch is missing in it or is in it
/// twice.
async fn log_has_every_event(api: &Api) {
    let mut last: HashMap<String, (u64, u64)> = HashMap::new();
    let mut after = String::new();
    loop {
        let page = api.get(&format!("/v1/events?prefix=lock/&limit=1000{after}")).await.ok();
        let events = page["events"].as_array().expect("events");
        if events.is_empty() {
            break;
        }
        for event in events {
            let (version, token) =
                last.entry(event["resource"].as_str().expect("a name").to_owned()).or_default();
            *version += 1;
            assert_eq!(event["version"], *version, "{event}");
            *token = event["current_token"].as_u64().expect("a token");
        }
        after = format!("&after={}", page["cursor"].as_str().expect("a cursor"));
    }
    assert!(!last.is_empty());
    for (name, (_, token)) in last {
        assert_eq!(api.status(&name).await["current_token"], token, "{name}");
    }
}
