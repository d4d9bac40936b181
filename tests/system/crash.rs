//! A server killed repeatedly under load. What clients were granted is compared
//! with the server's state afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::TestServer;
use crate::harness::{Acquire, Api, exclusive_test_lock, new_key, now, rounds, spawn};

const CLIENTS: usize = 64;
const KILLS: usize = 10;
/// Fewer locks than clients, so that most of them wait.
const LOCKS: usize = 16;
const TTL_MS: u64 = 60_000;
/// The term of a lease that is held throughout, without a renewal.
const HELD_MS: u64 = 86_400_000;

/// What the server granted to all clients.
#[derive(Default)]
struct GrantRecord {
    holding: Mutex<HashMap<String, String>>,
    tokens: Mutex<HashSet<(String, u64)>>,
    cycles: AtomicU64,
    done: AtomicBool,
}

impl GrantRecord {
    fn granted(&self, name: &str, lease: &Value) {
        let id = lease["lease_id"].as_str().expect("an id").to_owned();
        let other = self.holding.lock().unwrap().insert(name.to_owned(), id);
        assert_eq!(other, None, "{name} has two holders");
        let token = lease["fencing_token"].as_u64().expect("a token");
        assert!(
            self.tokens.lock().unwrap().insert((name.to_owned(), token)),
            "{name} granted token {token} twice"
        );
    }

    /// Called before the request: from then on the next holder may be granted.
    fn releasing(&self, name: &str) {
        self.holding.lock().unwrap().remove(name);
    }
}

/// Acquires with one key, and retries until the lease is granted.
async fn acquire(api: &Api, name: &str, acquire: &Acquire) -> Value {
    loop {
        match api.try_acquire(name, acquire).await {
            Ok(response) if response.status == 200 => return response.json(),
            Ok(response) if response.status == 202 || response.status == 503 => {}
            Ok(response) => panic!("{name}: {} {}", response.status, response.text),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn worker(api: Api, record: Arc<GrantRecord>, client: usize) {
    let mut round = client;
    while !record.done.load(Ordering::SeqCst) {
        round += 1;
        let name = format!("lock/{}", round % LOCKS);
        let request = Acquire::exclusive().ttl(TTL_MS).wait(TTL_MS).key(&new_key());
        let lease = acquire(&api, &name, &request).await;
        record.granted(&name, &lease);
        tokio::time::sleep(Duration::from_millis(1)).await;
        record.releasing(&name);
        let body = serde_json::json!({"lease_id": lease["lease_id"]}).to_string();
        loop {
            let path = format!("/v1/locks/{}/release", crate::harness::encode(&name));
            let headers = [("content-type", "application/json")];
            match api.try_send(reqwest::Method::POST, &path, &headers, Some(body.clone())).await {
                Ok(response) if response.status == 200 => break,
                Ok(response) if response.status == 503 => {}
                Ok(response) => panic!("{name} was lost: {} {}", response.status, response.text),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        record.cycles.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_killed_ten_times_loses_nothing_it_acknowledged() {
    let _exclusive = exclusive_test_lock();
    let mut server = TestServer::start();
    let api = server.api();
    let record = Arc::new(GrantRecord::default());
    let held = api.lock("held/throughout", &Acquire::exclusive().ttl(HELD_MS)).await;
    let workers: Vec<_> =
        (0..CLIENTS).map(|client| spawn(worker(api.clone(), Arc::clone(&record), client))).collect();
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
