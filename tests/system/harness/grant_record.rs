//! Clients that record what they are granted, and check that nobody else has it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::api::{Acquire, Api, encode};
use super::new_key;

/// Fewer locks than clients, so that most of them wait.
const LOCKS: usize = 16;
const TTL_MS: u64 = 60_000;

/// What the server granted to all clients.
#[derive(Default)]
pub(crate) struct GrantRecord {
    holding: Mutex<HashMap<String, String>>,
    tokens: Mutex<HashSet<(String, u64)>>,
    pub(crate) cycles: AtomicU64,
    /// Whether the clients have to stop.
    pub(crate) done: AtomicBool,
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

/// Acquires and releases locks, and repeats what a server that ends leaves unanswered.
pub(crate) async fn work(api: Api, record: Arc<GrantRecord>, client: usize) {
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
            let path = format!("/v1/locks/{}/release", encode(&name));
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
