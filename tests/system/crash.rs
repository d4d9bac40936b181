//! A server killed repeatedly under load. What clients were granted is compared
//! with the server's state afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::TestServer;
use crate::harness::{Acquire, GrantRecord, exclusive_test_lock, now, rounds, spawn, work};

const CLIENTS: usize = 64;
const KILLS: usize = 10;
/// The term of a lease that is held throughout, without a renewal.
const HELD_MS: u64 = 86_400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_killed_ten_times_loses_nothing_it_acknowledged() {
    let _exclusive = exclusive_test_lock();
    let mut server = TestServer::start();
    let api = server.api();
    let record = Arc::new(GrantRecord::default());
    let held = api.lock("held/throughout", &Acquire::exclusive().ttl(HELD_MS)).await;
    let workers: Vec<_> =
        (0..CLIENTS).map(|client| spawn(work(api.clone(), Arc::clone(&record), client))).collect();
    for _ in 0..rounds(KILLS) {
        let before = record.cycles.load(Ordering::SeqCst);
        crate::harness::eventually("the clients make progress", || async {
            record.cycles.load(Ordering::SeqCst) >= before + 200
        })
        .await;
        server.kill9_and_restart();
        let status = api.status("held/throughout").await;
        assert_eq!(status["holders"][0]["expires_at"], held["expires_at"], "the TTL was reset");
    }
    record.done.store(true, Ordering::SeqCst);
    let started = now();
    for worker in workers {
        worker.await.expect("the client finishes");
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    api.renew("held/throughout", &held).await.ok();
    let left = api.get("/v1/locks?prefix=lock/&state=held").await.ok();
    assert_eq!(left["locks"].as_array().unwrap().len(), 0, "every released lock is free");
    let waiting = api.get("/v1/locks?prefix=lock/&state=waiting").await.ok();
    assert_eq!(waiting["locks"].as_array().unwrap().len(), 0);
}
