//! Fencing tokens only grow.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Backend, client, eventually, key, spawn};

#[tokio::test]
async fn b34_tokens_grow_by_grants_and_at_once_by_expiry_and_force_release() {
    let server = TestServer::start();
    let api = server.api();
    let current = || async { api.status("a").await["current_token"].as_u64().unwrap() };
    let lease = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(lease["fencing_token"], 1);
    api.release("a", &lease).await.ok();
    assert_eq!(current().await, 1, "a release changes nothing");
    let lease = api.lock("a", &Acquire::exclusive().ttl(150)).await;
    assert_eq!(lease["fencing_token"], 2);
    eventually("the expiry bumps", || async { current().await == 3 }).await;
    let lease = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(lease["fencing_token"], 4);
    api.force_release("a", &lease["fencing_token"]).await.ok();
    assert_eq!(current().await, 5);
    // With a waiter the next grant is the old and two.
    let lease = api.lock("a", &Acquire::exclusive()).await;
    let waiter = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(10_000)).await })
    };
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    api.force_release("a", &lease["fencing_token"]).await.ok();
    let next = waiter.await.unwrap().ok()["fencing_token"].as_u64().unwrap();
    assert_eq!(next, lease["fencing_token"].as_u64().unwrap() + 2);
}

#[tokio::test]
async fn b36_clean_up_never_lets_a_token_fall_and_keeps_the_store_flat() {
    let mut server = TestServer::start_with(&["--idle-retention", "300ms"]);
    let mut tokens: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..4 {
        // Connections of before the restart are dead.
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
            let name = format!("new/{}/{name}", key());
            let lease = api.lock(&name, &Acquire::exclusive()).await;
            api.release(&name, &lease).await.ok();
        }
        let rows = |table: &str| server.database().number(&format!("SELECT count(*) FROM {table}"));
        eventually("idle resources are forgotten", || async { rows("resources") == 0 }).await;
        for (name, token) in &tokens {
            assert!(api.status(name).await["current_token"].as_u64().unwrap() >= *token);
        }
        // Keys are remembered for ten minutes; here an hour has passed.
        assert!(server.terminate().success());
        server.database().run("UPDATE claims SET ended_at = ended_at - 3600000000");
        server.start_again();
        let rows = |table: &str| server.database().number(&format!("SELECT count(*) FROM {table}"));
        eventually("old keys are forgotten", || async { rows("claims") == 0 }).await;
        // At most one a bucket, however many names there were.
        assert!(rows("floors") > 0);
        assert_eq!(rows("floors WHERE bucket NOT BETWEEN 0 AND 4095"), 0);
    }
}

/// A register that a holder reads, works on, and writes: with a fence it
/// refuses the write of one whose lock was lost meanwhile.
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

/// The holder is paused between its read and its write, past its TTL.
async fn paused_client_story(fenced: bool) -> (u64, bool) {
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
async fn b37_a_fenced_register_accepts_no_write_of_a_stale_holder() {
    assert_eq!(paused_client_story(true).await, (1, false));
}

#[tokio::test]
async fn b37_without_the_fence_an_update_is_lost() {
    // Two increments were made, and one is all that is there.
    assert_eq!(paused_client_story(false).await, (1, true));
}

#[tokio::test]
async fn a_check_tells_a_storage_what_a_fence_would() {
    let server = TestServer::start();
    let api = server.api();
    assert_eq!(api.check("a", &json!(1)).await, json!({"live": false, "mode": null, "current_token": 0}));
    let lease = api.lock("a", &Acquire::shared()).await;
    assert_eq!(
        api.check("a", &lease["fencing_token"]).await,
        json!({"live": true, "mode": "shared", "current_token": 1})
    );
}
