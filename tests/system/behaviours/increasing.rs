//! Tokens only grow, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Database, TestServer};
use crate::harness::{Api, Backend, Dice, Socket, eventually, key, now, spawn};

const LOCKS: usize = 4;
const GRANTS: u64 = 10_000;

/// A caller that goes to another server when its session breaks.
struct Caller {
    urls: Vec<String>,
    session: Option<Socket>,
    dice: Dice,
}

impl Caller {
    /// The answer to an operation, which is sent again until there is one.
    async fn ask(&mut self, op: &str, fields: &Value) -> Value {
        let until = now() + Duration::from_secs(30);
        loop {
            assert!(now() < until, "no server answers");
            if self.session.is_none() {
                let url = &self.urls[self.dice.below(self.urls.len())];
                self.session = Socket::try_open(url, "/v1/session", "dlm.session.v1").await.ok();
            }
            if let Some(session) = &mut self.session
                && let Ok(answer) = session.try_ask(op, fields.clone()).await
                && answer["problem"]["status"] != 503
            {
                return answer;
            }
            self.session = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Takes a lock again and again, and ends each lease in one way or another.
async fn caller(mut caller: Caller, name: String, grants: Arc<AtomicU64>) {
    let mut last = 0;
    let mut round = 0;
    while grants.load(Ordering::SeqCst) < GRANTS {
        round += 1;
        let acquire = json!({"resource": name, "idempotency_key": key(), "ttl_ms": 150, "wait_ms": 20_000});
        let answer = caller.ask("acquire", &acquire).await;
        if answer["problem"]["code"] == "lease-ended" {
            // It ran out while the server was away.
            continue;
        }
        let lease = &answer["lease"];
        let token = lease["fencing_token"].as_u64().unwrap_or_else(|| panic!("{name}: {answer}"));
        assert!(token > last, "{name}: {token} after {last}");
        last = token;
        grants.fetch_add(1, Ordering::SeqCst);
        match round % 100 {
            // It expires.
            99 => {}
            9 | 19 | 29 | 39 | 49 | 59 | 69 | 79 | 89 => {
                let url = &caller.urls[caller.dice.below(caller.urls.len())];
                // Where that server is away, the lease expires.
                let api = Api::new(url);
                drop(api.try_force_release(&name, &lease["fencing_token"]).await);
            }
            _ => {
                let release = json!({"resource": name, "lease_id": lease["lease_id"]});
                let answer = caller.ask("release", &release).await;
                let expired = answer["problem"]["reason"] == "expired";
                assert!(expired || answer["released"]["released"] == true, "{name}: {answer}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b35_tokens_strictly_increase_over_ten_thousand_grants() {
    let database = Arc::new(Database::new());
    let mut servers: Vec<TestServer> = (0..Database::SERVERS).map(|_| TestServer::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let dice = Dice::new();
    let grants = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..LOCKS)
        .zip(1..)
        .map(|(lock, who)| {
            let one = Caller { urls: urls.clone(), session: None, dice: dice.of(who) };
            spawn(caller(one, format!("lock/{lock}"), Arc::clone(&grants)))
        })
        .collect();
    for restart in 1..=5_usize {
        // In the middle of it.
        let due = GRANTS * restart as u64 / 6;
        while grants.load(Ordering::SeqCst) < due {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller has failed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let victim = restart % servers.len();
        servers = tokio::task::spawn_blocking(move || {
            servers[victim].kill9_and_start_again();
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
        eventually("all has ended", || async { api.status(&name).await["state"] == "free" }).await;
        for kind in api.kinds(&name).await {
            *kinds.entry(kind).or_insert(0_u64) += 1;
        }
    }
    println!("{kinds:?}");
    assert!(kinds["expired"] > 50 && kinds["force_released"] > 300, "all of it was mixed in: {kinds:?}");
}
