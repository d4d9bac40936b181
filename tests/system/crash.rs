//! The server killed again and again in the middle of busy clients, and what
//! the clients were told held against what it says afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Acquire, Api, alone, key, now, spawn};
use super::TestServer;

const CLIENTS: usize = 64;
const KILLS: usize = 10;
/// Fewer locks than clients, so that most of them wait.
const LOCKS: usize = 16;
const TTL_MS: u64 = 60_000;

/// What clients were told.
#[derive(Default)]
struct Ledger {
    holding: Mutex<HashMap<String, String>>,
    tokens: Mutex<HashSet<(String, u64)>>,
    cycles: AtomicU64,
    done: AtomicBool,
}

impl Ledger {
    fn granted(&self, name: &str, lease: &Value) {
        let id = lease["lease_id"].as_str().expect("an id").to_owned();
        let other = self.holding.lock().unwrap().insert(name.to_owned(), id);
        assert_eq!(other, None, "{name} is held by two");
        let token = lease["fencing_token"].as_u64().expect("a token");
        assert!(self.tokens.lock().unwrap().insert((name.to_owned(), token)), "{name} gave {token} twice");
    }

    /// From the request on: from then the next may be granted.
    fn releasing(&self, name: &str) {
        self.holding.lock().unwrap().remove(name);
    }
}

/// Acquires with one key until it is answered, however often the server dies.
async fn acquire(api: &Api, name: &str, acquire: &Acquire) -> Value {
    loop {
        match api.try_acquire(name, acquire).await {
            Ok(answer) if answer.status == 200 => return answer.json(),
            Ok(answer) if answer.status == 202 || answer.status == 503 => {}
            Ok(answer) => panic!("{name}: {} {}", answer.status, answer.text),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn worker(api: Api, ledger: Arc<Ledger>, client: usize) {
    let mut round = client;
    while !ledger.done.load(Ordering::SeqCst) {
        round += 1;
        let name = format!("lock/{}", round % LOCKS);
        let wanted = Acquire::exclusive().ttl(TTL_MS).wait(TTL_MS).key(&key());
        let lease = acquire(&api, &name, &wanted).await;
        ledger.granted(&name, &lease);
        tokio::time::sleep(Duration::from_millis(1)).await;
        ledger.releasing(&name);
        let body = serde_json::json!({"lease_id": lease["lease_id"]}).to_string();
        loop {
            let path = format!("/v1/locks/{}/release", crate::harness::encode(&name));
            let headers = [("content-type", "application/json")];
            match api.try_send(reqwest::Method::POST, &path, &headers, Some(body.clone())).await {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) if answer.status == 503 => {}
                Ok(answer) => panic!("{name} was lost: {} {}", answer.status, answer.text),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        ledger.cycles.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_ten_times_loses_nothing_that_it_acknowledged() {
    let _alone = alone();
    let mut server = TestServer::start();
    let api = server.api();
    let ledger = Arc::new(Ledger::default());
    let held = api.lock("held/all/the/time", &Acquire::exclusive().ttl(120_000)).await;
    let workers: Vec<_> =
        (0..CLIENTS).map(|client| spawn(worker(api.clone(), Arc::clone(&ledger), client))).collect();
    for _ in 0..KILLS {
        let before = ledger.cycles.load(Ordering::SeqCst);
        crate::harness::eventually("the clients get on", || async {
            ledger.cycles.load(Ordering::SeqCst) >= before + 200
        })
        .await;
        server.kill9_and_start_again();
        let status = api.status("held/all/the/time").await;
        assert_eq!(status["holders"][0]["expires_at"], held["expires_at"], "a TTL was reset");
    }
    ledger.done.store(true, Ordering::SeqCst);
    let started = now();
    for worker in workers {
        worker.await.expect("every client is served");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
    api.renew("held/all/the/time", &held).await.ok();
    let left = api.get("/v1/locks?prefix=lock/&state=held").await.ok();
    assert_eq!(left["locks"].as_array().unwrap().len(), 0, "all that was released is free");
    let waiting = api.get("/v1/locks?prefix=lock/&state=waiting").await.ok();
    assert_eq!(waiting["locks"].as_array().unwrap().len(), 0);
}
