//! Fencing tokens: how they increase, and what they are for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Backend, client, eventually, new_key, spawn};

#[tokio::test]
async fn b34_tokens_increase_by_grant_and_at_once_by_expiry_and_force_release() {
    let server = TestServer::start();
    let api = server.api();
    let current = || async { api.status("a").await["current_token"].as_u64().unwrap() };
    let lease = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(lease["fencing_token"], 1);
    api.release("a", &lease).await.ok();
    assert_eq!(current().await, 1, "a release does not change the token");
    let lease = api.lock("a", &Acquire::exclusive().ttl(150)).await;
    assert_eq!(lease["fencing_token"], 2);
    eventually("the expiry increases the token", || async { current().await == 3 }).await;
    let lease = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(lease["fencing_token"], 4);
    api.force_release("a", &lease["fencing_token"]).await.ok();
    assert_eq!(current().await, 5);
    // With a waiter, the next grant gets the old token plus two.
    let lease = api.lock("a", &Acquire::exclusive()).await;
    let waiter = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(10_000)).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    api.force_release("a", &lease["fencing_token"]).await.ok();
    let next = waiter.await.unwrap().ok()["fencing_token"].as_u64().unwrap();
    assert_eq!(next, lease["fencing_token"].as_u64().unwrap() + 2);
}

#[tokio::test]
async fn b36_clean_up_never_lowers_a_token_and_bounds_the_store() {
    let mut server = TestServer::start_with(&["--idle-retention", "300ms"]);
    let mut tokens: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..4 {
        // The connections of an earlier `api` broke at the restart.
        let api = server.api();
        for name in ["a", "b"] {
            for _ in 0..3 {
                let lease = api.lock(name, &Acquire::exclusive()).await;
                let token = lease["fencing_token"].as_u64().unwrap();
                assert!(tokens.insert(name, token).is_none_or(|before| before < token), "{name}: {token}");
                api.release(name, &lease).await.ok();
            }
        }
        for name in 0..50 {
            let name = format!("new/{}/{name}", new_key());
            let lease = api.lock(&name, &Acquire::exclusive()).await;
            api.release(&name, &lease).await.ok();
        }
        let rows = |table: &str| server.database().query_i64(&format!("SELECT count(*) FROM {table}"));
        eventually("idle resources are deleted", || async { rows("resources") == 0 }).await;
        for (name, token) in &tokens {
            assert!(api.status(name).await["current_token"].as_u64().unwrap() >= *token);
        }
        // Keys are kept for ten minutes; this makes them an hour older.
        assert!(server.terminate().success());
        server.database().execute("UPDATE claims SET ended_at = ended_at - 3600000000");
        server.restart();
        let rows = |table: &str| server.database().query_i64(&format!("SELECT count(*) FROM {table}"));
        eventually("expired keys are deleted", || async { rows("claims") == 0 }).await;
        // One floor per bucket at most, for any number of names.
        assert!(rows("floors") > 0);
        assert_eq!(rows("floors WHERE bucket NOT BETWEEN 0 AND 4095"), 0);
    }
}

/// A register that holders read and write. With a fence, it refuses writes with a
/// token older than the highest it has seen.
#[derive(Default)]
struct Register {
    value: u64,
    highest: u64,
    fenced: bool,
}

impl Register {
    fn write(&mut self, value: u64, token: u64) -> bool {
        if self.fenced && token < self.highest {
            return false;
        }
        self.highest = self.highest.max(token);
        self.value = value;
        true
    }
}

/// A holder is paused past its TTL between its read and its write. Returns the
/// register's value and whether the late write was accepted.
async fn write_after_pause(fenced: bool) -> (u64, bool) {
    let server = TestServer::start();
    let client = client(server.url()).await;
    let mut register = Register { fenced, ..Register::default() };
    let paused = client.lock("r").ttl(Duration::from_millis(200)).auto_renew(false).await.unwrap();
    let (read, stale) = (register.value, paused.fencing_token().get());
    let reason = paused.lost().await;
    assert_eq!(reason, dlm_client::LossReason::Deadline);
    let other = client.lock("r").await.unwrap();
    assert!(register.write(register.value + 1, other.fencing_token().get()));
    let accepted = register.write(read + 1, stale);
    (register.value, accepted)
}

#[tokio::test]
async fn b37_fenced_register_refuses_the_write_of_a_stale_holder() {
    assert_eq!(write_after_pause(true).await, (1, false));
}

#[tokio::test]
async fn b37_unfenced_register_loses_an_update() {
    // Two increments were accepted, but the value is one.
    assert_eq!(write_after_pause(false).await, (1, true));
}

#[tokio::test]
async fn check_reports_whether_a_token_is_live() {
    let server = TestServer::start();
    let api = server.api();
    assert_eq!(api.check("a", &json!(1)).await, json!({"live": false, "mode": null, "current_token": 0}));
    let lease = api.lock("a", &Acquire::shared()).await;
    assert_eq!(
        api.check("a", &lease["fencing_token"]).await,
        json!({"live": true, "mode": "shared", "current_token": 1})
    );
}
