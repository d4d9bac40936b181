//! Servers that are killed or stopped beside others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;

use super::start_replicas;
use crate::harness::{
    Acquire, Backend, MachineDelay, Postgres, eventually, exclusive_test_lock, micros, new_key, now,
    quiet_test_lock, spawn,
};

#[tokio::test]
async fn waiters_of_a_killed_server_keep_their_place() {
    let mut servers = start_replicas(2);
    let api = servers[0].api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let first = Acquire::exclusive().wait(60_000).key(&new_key());
    {
        let (api, first) = (servers[1].api(), first.clone());
        spawn(async move { api.try_acquire("a", &first).await.map(drop) });
    }
    eventually("the first acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    let second = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000)).await })
    };
    eventually("the second acquire is queued", || async { api.queue_len("a").await == 2 }).await;
    servers[1].kill9();
    let away = || async { api.status("a").await["waiters"][0]["away"] == true };
    eventually("the first waiter is away", away).await;
    let retried = {
        let (api, first) = (api.clone(), first.clone());
        spawn(async move { api.lock("a", &first).await })
    };
    eventually("the first waiter is back", || async { api.status("a").await["waiters"][0]["away"] == false })
        .await;
    api.release("a", &held).await.ok();
    let lease = retried.await.unwrap();
    assert_eq!(lease["fencing_token"], 2);
    assert!(!second.is_finished());
    api.release("a", &lease).await.ok();
    second.await.unwrap().ok();
}

#[tokio::test]
async fn waiter_of_a_killed_server_that_stays_away_loses_its_place() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let mut servers = start_replicas(2);
    let api = servers[0].api();
    // Readers hold the lock. The writer that waits at the killed server blocks
    // later readers only until that server is declared dead.
    api.lock("a", &Acquire::shared().ttl(60_000)).await;
    let writer = servers[1].api();
    spawn(async move {
        writer.try_acquire("a", &Acquire::exclusive().wait(60_000).key(&new_key())).await.map(drop)
    });
    eventually("the writer is queued", || async { api.queue_len("a").await == 1 }).await;
    let reader = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::shared().wait(60_000)).await })
    };
    eventually("the reader is queued", || async { api.queue_len("a").await == 2 }).await;
    servers[1].kill9();
    let killed = now();
    reader.await.unwrap().ok();
    delay.assert_within("the reader's grant", killed.elapsed(), Duration::from_secs(6));
    eventually("the writer has lost its place", || async { api.queue_len("a").await == 0 }).await;
    let cancelled = api.events("a").await.into_iter().find(|event| event["kind"] == "cancelled").unwrap();
    assert_eq!(cancelled["reason"], "away");
}

#[tokio::test]
async fn waiter_of_a_stopped_server_is_granted_once_the_server_continues() {
    let servers = start_replicas(2);
    let (running, stopped) = (servers[0].api(), servers[1].api());
    let held = running.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = spawn(async move { stopped.lock("a", &Acquire::exclusive().wait(60_000)).await });
    eventually("the acquire is queued", || async { running.queue_len("a").await == 1 }).await;
    servers[1].signal(Signal::STOP);
    eventually("the waiter is away", || async { running.status("a").await["waiters"][0]["away"] == true })
        .await;
    running.release("a", &held).await.ok();
    assert_eq!(running.status("a").await["state"], "free");
    servers[1].signal(Signal::CONT);
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
}

#[tokio::test]
async fn leases_expire_on_time_while_the_first_server_is_stopped() {
    let _quiet = quiet_test_lock();
    let machine = MachineDelay::watch();
    let servers = start_replicas(2);
    servers[0].signal(Signal::STOP);
    let api = servers[1].api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(300)).await;
    eventually("the lease expires", || async {
        api.get("/metrics").await.text.contains("dlm_events_total{kind=\"expired\"} 1\n")
    })
    .await;
    let expired = api.events("a").await.pop().unwrap();
    let late = micros(&expired["at"]) - micros(&lease["expires_at"]);
    let late = Duration::from_micros(u64::try_from(late).expect("no lease expires early"));
    machine.assert_within("the expiry", late, Duration::from_millis(250));
    servers[0].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b54_server_that_hundreds_read_from_stays_alive_for_its_peers() {
    let _exclusive = exclusive_test_lock();
    let servers = start_replicas(2);
    let (api, peer) = (servers[0].api(), servers[1].api());
    for chunk in 0..10 {
        let lock = |index: usize| {
            let api = api.clone();
            async move { api.lock(&format!("b/{chunk}/{index}"), &Acquire::exclusive().ttl(600_000)).await }
        };
        join_all((0..100).map(lock)).await;
    }
    let held = peer.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = |wait: Acquire| {
        let api = api.clone();
        spawn(async move { api.lock("a", &wait).await })
    };
    let first = waiting(Acquire::exclusive().wait(60_000).key(&new_key()));
    eventually("the first acquire is queued", || async { peer.queue_len("a").await == 1 }).await;
    let second = {
        let peer = peer.clone();
        spawn(async move { peer.lock("a", &Acquire::exclusive().wait(60_000)).await })
    };
    eventually("the second acquire is queued", || async { peer.queue_len("a").await == 2 }).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (api, done) = (api.clone(), Arc::clone(&done));
            spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let status = api.get("/v1/locks?limit=1000").await.status;
                    assert!([200, 503].contains(&status), "{status}");
                }
            })
        })
        .collect();
    let began = now();
    while began.elapsed() < Duration::from_secs(8) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(
            servers[1].database().query_i64("SELECT count(*) FROM replicas WHERE gone_since IS NOT NULL"),
            0
        );
    }
    peer.release("a", &held).await.ok();
    let lease = first.await.unwrap();
    assert!(!second.is_finished(), "the first waiter was overtaken");
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    peer.release("a", &lease).await.ok();
    second.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b50_server_stopped_in_a_batch_blocks_the_others_for_three_seconds_at_most() {
    let _exclusive = exclusive_test_lock();
    let delay = MachineDelay::watch();
    let servers = start_replicas(2);
    let done = Arc::new(AtomicBool::new(false));
    // Keeps the server that is stopped busy with the same locks.
    let busy: Vec<_> = (0..16)
        .map(|caller| {
            let (api, done) = (servers[0].api(), Arc::clone(&done));
            spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let name = format!("lock/{}", caller % 4);
                    // A batch with a check locks first, so its transaction is open for a while.
                    drop(api.try_check(&name, 1).await);
                    let Ok(response) = api.try_acquire(&name, &Acquire::exclusive().ttl(500).wait(500)).await
                    else {
                        return;
                    };
                    if response.status == 200 {
                        drop(api.try_release(&name, &response.json()).await);
                    }
                }
            })
        })
        .collect();
    let api = servers[1].api();
    let mut hits = 0;
    let mut attempts = 0;
    while hits < 3 {
        attempts += 1;
        assert!(attempts <= 200, "{hits} of {attempts} stops hit a batch");
        // A varying delay, to hit different moments of a batch.
        tokio::time::sleep(Duration::from_millis(20 + attempts % 17)).await;
        servers[0].signal(Signal::STOP);
        let stopped = now();
        // A statement that was in flight at the stop still completes. Only a
        // transaction that stays open belongs to a batch that was hit.
        let mut open = count_open_batches(servers[1].database());
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            open = open.min(count_open_batches(servers[1].database()));
        }
        if open == 0 {
            servers[0].signal(Signal::CONT);
            continue;
        }
        hits += 1;
        for lock in 0..4 {
            let name = format!("lock/{lock}");
            let lease = api.lock(&name, &Acquire::exclusive().ttl(60_000).wait(20_000)).await;
            api.release(&name, &lease).await.ok();
        }
        delay.assert_within("four locks", stopped.elapsed(), Duration::from_secs(3));
        servers[0].signal(Signal::CONT);
    }
    done.store(true, Ordering::SeqCst);
    for caller in busy {
        caller.await.unwrap();
    }
}

/// Counts idle transactions that hold row locks on resources.
fn count_open_batches(database: &Postgres) -> i64 {
    database.query_i64(
        "SELECT count(DISTINCT pid) FROM pg_stat_activity JOIN pg_locks USING (pid) \
         WHERE state = 'idle in transaction' AND relation = 'resources'::regclass \
         AND mode = 'RowShareLock' AND pg_stat_activity.datname = current_database()",
    )
}
