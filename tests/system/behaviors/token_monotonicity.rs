//! Fencing tokens increase under releases, expiries, force-releases and crashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Database, TestServer};
use crate::harness::{Api, Backend, SeededRng, WebSocket, eventually, new_key, now, rounds, spawn};

const LOCKS: usize = 4;
const GRANTS: usize = 10_000;

/// A caller that switches to another server when its session breaks.
struct FailoverCaller {
    urls: Vec<String>,
    session: Option<WebSocket>,
    rng: SeededRng,
}

impl FailoverCaller {
    /// Sends an operation, retries until it is answered, and returns the response.
    async fn request(&mut self, op: &str, fields: &Value) -> Value {
        let until = now() + Duration::from_secs(30);
        loop {
            assert!(now() < until, "no server responds");
            if self.session.is_none() {
                let url = &self.urls[self.rng.below(self.urls.len())];
                self.session = WebSocket::try_open(url, "/v1/session", "dlm.session.v1").await.ok();
            }
            if let Some(session) = &mut self.session
                && let Ok(response) = session.try_request(op, fields.clone()).await
                && response["problem"]["status"] != 503
            {
                return response;
            }
            self.session = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Acquires a lock repeatedly and ends each lease in one of several ways.
async fn run_caller(mut caller: FailoverCaller, name: String, grants: Arc<AtomicUsize>) {
    let mut last = 0;
    let mut round = 0;
    while grants.load(Ordering::SeqCst) < rounds(GRANTS) {
        round += 1;
        let acquire =
            json!({"resource": name, "idempotency_key": new_key(), "ttl_ms": 150, "wait_ms": 20_000});
        let response = caller.request("acquire", &acquire).await;
        if response["problem"]["code"] == "lease-ended" {
            // The lease expired while the server was down.
            continue;
        }
        let lease = &response["lease"];
        let token = lease["fencing_token"].as_u64().unwrap_or_else(|| panic!("{name}: {response}"));
        assert!(token > last, "{name}: {token} after {last}");
        last = token;
        grants.fetch_add(1, Ordering::SeqCst);
        match round % 100 {
            // Left to expire.
            99 => {}
            9 | 19 | 29 | 39 | 49 | 59 | 69 | 79 | 89 => {
                let url = &caller.urls[caller.rng.below(caller.urls.len())];
                // If that server is down, the lease expires instead.
                let api = Api::new(url);
                drop(api.try_force_release(&name, &lease["fencing_token"]).await);
            }
            _ => {
                let release = json!({"resource": name, "lease_id": lease["lease_id"]});
                let response = caller.request("release", &release).await;
                let expired = response["problem"]["reason"] == "expired";
                assert!(expired || response["released"]["released"] == true, "{name}: {response}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b35_tokens_strictly_increase_over_ten_thousand_grants() {
    let database = Arc::new(Database::new());
    let mut servers: Vec<TestServer> =
        (0..Database::MAX_SERVERS).map(|_| TestServer::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let rng = SeededRng::new();
    let grants = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..LOCKS)
        .zip(1..)
        .map(|(lock, task)| {
            let caller = FailoverCaller { urls: urls.clone(), session: None, rng: rng.fork(task) };
            spawn(run_caller(caller, format!("lock/{lock}"), Arc::clone(&grants)))
        })
        .collect();
    for restart in 1..rounds(6) {
        let due = GRANTS * restart / 6;
        while grants.load(Ordering::SeqCst) < due {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller failed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let victim = restart % servers.len();
        servers = tokio::task::spawn_blocking(move || {
            servers[victim].kill9_and_restart();
            servers
        })
        .await
        .unwrap();
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let api = servers[0].api();
    let mut kinds = std::collections::BTreeMap::new();
    for lock in 0..LOCKS {
        let name = format!("lock/{lock}");
        eventually("all leases have ended", || async { api.status(&name).await["state"] == "free" }).await;
        for kind in api.event_kinds(&name).await {
            *kinds.entry(kind).or_insert(0_u64) += 1;
        }
    }
    println!("{kinds:?}");
    assert!(kinds["expired"] > 50 && kinds["force_released"] > 300, "too few of some kind: {kinds:?}");
}
