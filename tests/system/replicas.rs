//! Several servers on one Postgres.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Acquire, Backend, Cluster, CutCommits, Own, Postgres, Server, Socket, eventually, key, now, refused,
    spawn,
};

/// So many servers on a database of their own.
fn replicas(count: usize) -> Vec<Server<Postgres>> {
    let database = Arc::new(Postgres::new());
    (0..count).map(|_| Server::on(&database, &[])).collect()
}

#[tokio::test]
async fn a_waiter_is_granted_when_the_holder_releases_at_another_server() {
    let servers = replicas(2);
    let (here, there) = (servers[0].api(), servers[1].api());
    let mut held = here.lock("a", &Acquire::exclusive()).await;
    let mut took = Vec::new();
    for round in 0..30 {
        // The lock goes to and fro.
        let (holder, waiter) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let waiting = {
            let api = waiter.clone();
            spawn(async move { api.lock("a", &Acquire::exclusive().wait(20_000)).await })
        };
        eventually("it waits", || async { holder.queue_len("a").await == 1 }).await;
        let released = now();
        holder.release("a", &held).await.ok();
        held = waiting.await.unwrap();
        took.push(released.elapsed());
    }
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_millis(50), "{took:?}");
    assert_eq!(held["fencing_token"], 31);
}

#[tokio::test]
async fn b15_one_key_at_two_servers_is_one_lease() {
    let servers = replicas(2);
    for round in 0..10 {
        let (name, used) = (format!("a/{round}"), key());
        let ask = |caller: usize| {
            let (api, name) = (servers[caller % 2].api(), name.clone());
            let acquire = Acquire::exclusive().wait(20_000).key(&used);
            async move { api.lock(&name, &acquire).await["lease_id"].clone() }
        };
        let ids = join_all((0..20).map(ask)).await;
        assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(servers[0].api().kinds(&name).await, ["granted"]);
    }
}

#[tokio::test]
async fn one_key_that_waits_at_two_servers_is_answered_at_both() {
    let servers = replicas(2);
    let held = servers[0].api().lock("a", &Acquire::exclusive()).await;
    let used = key();
    let waiting: Vec<_> = servers
        .iter()
        .map(|server| {
            let (url, used) = (server.url().to_owned(), used.clone());
            spawn(async move {
                let mut session = Socket::session(&url).await;
                let acquire = json!({"resource": "a", "idempotency_key": used, "wait_ms": 60_000});
                session.ask("acquire", acquire).await["lease"]["fencing_token"].clone()
            })
        })
        .collect();
    let api = servers[1].api();
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    api.release("a", &held).await.ok();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), json!(2));
    }
}

#[tokio::test]
async fn a_lease_is_renewed_and_lost_at_any_server() {
    let servers = replicas(2);
    let (here, there) = (servers[0].api(), servers[1].api());
    let lease = here.lock("a", &Acquire::exclusive().ttl(700)).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        // Each has the lease in memory as it was before the other renewed it.
        there.renew("a", &lease).await.ok();
        here.renew("a", &lease).await.ok();
        here.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    }
    let mut session = Socket::session(servers[0].url()).await;
    session.ask("renew", json!({"resource": "a", "lease_id": lease["lease_id"], "ttl_ms": 60_000})).await;
    let forced = now();
    there.force_release("a", &lease["fencing_token"]).await.ok();
    assert_eq!(session.next().await["lease_ended"]["reason"], "force_released");
    assert!(forced.elapsed() < Duration::from_secs(1));
    here.renew("a", &lease).await.ended(410, "force_released");
}

#[tokio::test]
async fn a_server_that_dies_leaves_its_waiters_their_place() {
    let mut servers = replicas(2);
    let api = servers[0].api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let first = Acquire::exclusive().wait(60_000).key(&key());
    {
        let (api, first) = (servers[1].api(), first.clone());
        spawn(async move { api.try_acquire("a", &first).await.map(drop) });
    }
    eventually("the first waits", || async { api.queue_len("a").await == 1 }).await;
    let second = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000)).await })
    };
    eventually("the second waits", || async { api.queue_len("a").await == 2 }).await;
    servers[1].kill9();
    let away = || async { api.status("a").await["waiters"][0]["away"] == true };
    eventually("the first is missed", away).await;
    let back = {
        let (api, first) = (api.clone(), first.clone());
        spawn(async move { api.lock("a", &first).await })
    };
    eventually("it is back", || async { api.status("a").await["waiters"][0]["away"] == false }).await;
    api.release("a", &held).await.ok();
    let lease = back.await.unwrap();
    assert_eq!(lease["fencing_token"], 2);
    assert!(!second.is_finished());
    api.release("a", &lease).await.ok();
    second.await.unwrap().ok();
}

#[tokio::test]
async fn a_waiter_of_a_dead_server_that_does_not_come_back_loses_its_place() {
    let mut servers = replicas(2);
    let api = servers[0].api();
    // Readers hold; a writer that waits at the dead server keeps others out
    // only until it is missed.
    api.lock("a", &Acquire::shared().ttl(60_000)).await;
    let writer = servers[1].api();
    spawn(
        async move { writer.try_acquire("a", &Acquire::exclusive().wait(60_000).key(&key())).await.map(drop) },
    );
    eventually("the writer waits", || async { api.queue_len("a").await == 1 }).await;
    let reader = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::shared().wait(60_000)).await })
    };
    eventually("the reader waits", || async { api.queue_len("a").await == 2 }).await;
    servers[1].kill9();
    let missed = now();
    reader.await.unwrap().ok();
    assert!(missed.elapsed() < Duration::from_secs(6), "{:?}", missed.elapsed());
    eventually("the writer has lost its place", || async { api.queue_len("a").await == 0 }).await;
    let last = api.events("a").await.into_iter().find(|event| event["kind"] == "cancelled").unwrap();
    assert_eq!(last["reason"], "away");
}

#[tokio::test]
async fn leases_expire_on_time_when_the_first_server_is_stopped() {
    let servers = replicas(2);
    servers[0].signal(Signal::STOP);
    let api = servers[1].api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(300)).await;
    eventually("it expires", || async {
        api.get("/metrics").await.text.contains("dlm_events_total{kind=\"expired\"} 1\n")
    })
    .await;
    let expired = api.events("a").await.pop().unwrap();
    let at =
        |value: &Value| serde_json::from_value::<dlm_protocol::Timestamp>(value.clone()).unwrap().as_micros();
    let late = at(&expired["at"]) - at(&lease["expires_at"]);
    assert!((0..250_000).contains(&late), "{late} µs late");
    servers[0].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b50_a_server_stopped_in_a_batch_holds_the_others_up_for_three_seconds_at_most() {
    let servers = replicas(2);
    let done = Arc::new(AtomicBool::new(false));
    // The one that is stopped is busy with the same locks all the time.
    let busy: Vec<_> = (0..16)
        .map(|caller| {
            let (api, done) = (servers[0].api(), Arc::clone(&done));
            spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let name = format!("lock/{}", caller % 4);
                    let Ok(answer) = api.try_acquire(&name, &Acquire::exclusive().ttl(500).wait(500)).await
                    else {
                        return;
                    };
                    if answer.status == 200 {
                        drop(api.try_release(&name, &answer.json()).await);
                    }
                }
            })
        })
        .collect();
    let api = servers[1].api();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        servers[0].signal(Signal::STOP);
        let stopped = now();
        for lock in 0..4 {
            let name = format!("lock/{lock}");
            let lease = api.lock(&name, &Acquire::exclusive().ttl(60_000).wait(20_000)).await;
            api.release(&name, &lease).await.ok();
        }
        assert!(
            stopped.elapsed() < Duration::from_secs(3) + Duration::from_millis(500),
            "{:?}",
            stopped.elapsed()
        );
        servers[0].signal(Signal::CONT);
    }
    done.store(true, Ordering::SeqCst);
    for caller in busy {
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b35_tokens_strictly_increase_over_ten_thousand_grants() {
    let mut servers = replicas(2);
    let grants = Arc::new(AtomicU64::new(0));
    let mut highest = vec![0_u64; 4];
    for _ in 0..4 {
        let workers = (0..4_usize).map(|lock| {
            let urls = [servers[0].url().to_owned(), servers[1].url().to_owned()];
            let (grants, before) = (Arc::clone(&grants), highest[lock]);
            spawn(async move {
                let mut sessions = [Socket::session(&urls[0]).await, Socket::session(&urls[1]).await];
                let (name, mut last) = (format!("lock/{lock}"), before);
                for round in 0..626_usize {
                    let session = &mut sessions[round % 2];
                    let acquire = json!({
                        "resource": name, "idempotency_key": key(), "ttl_ms": 100, "wait_ms": 20_000
                    });
                    let lease = session.ask("acquire", acquire).await["lease"].clone();
                    let token = lease["fencing_token"].as_u64().unwrap();
                    assert!(token > last, "{token} after {last}");
                    last = token;
                    grants.fetch_add(1, Ordering::SeqCst);
                    // Every hundredth expires.
                    if round % 100 != 99 {
                        let release = json!({"resource": name, "lease_id": lease["lease_id"]});
                        assert!(session.ask("release", release).await["released"].is_object());
                    }
                }
                last
            })
        });
        highest = join_all(workers.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        let api = servers[0].api();
        let forced = api.lock("lock/0", &Acquire::exclusive().wait(10_000)).await["fencing_token"].clone();
        api.force_release("lock/0", &forced).await.ok();
        servers[1].kill9_and_start_again();
    }
    assert!(grants.load(Ordering::SeqCst) >= 10_000);
}

#[tokio::test]
async fn b41_a_database_that_is_away_for_five_seconds_is_told_and_loses_nothing() {
    let mut own = Own::start();
    let server = own.server(&[]);
    let api = server.api();
    let held = api.lock("held", &Acquire::exclusive().ttl(60_000)).await;
    let used = key();
    let waiting = {
        let (api, used) = (api.clone(), used.clone());
        spawn(async move {
            loop {
                let answer = api.acquire("held", &Acquire::exclusive().wait(60_000).key(&used)).await;
                if answer.status == 200 {
                    return answer.json();
                }
                assert!(matches!(answer.status, 202 | 503), "{}", answer.text);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    eventually("it waits", || async { api.queue_len("held").await == 1 }).await;
    own.cluster.stop_immediately();
    let away = now();
    let mut told = 0;
    while away.elapsed() < Duration::from_secs(5) {
        let answer = api.acquire(&key(), &Acquire::exclusive()).await;
        let problem = answer.problem(503, "unavailable");
        assert!(problem["retry_after_ms"].as_u64().is_some() && answer.headers.contains_key("retry-after"));
        told += 1;
    }
    assert!(told > 0);
    assert_eq!(api.get("/livez").await.status, 200);
    assert_eq!(api.get("/readyz").await.status, 503);
    own.cluster.start_again();
    eventually("it serves again", || async { api.get("/readyz").await.status == 200 }).await;
    api.renew("held", &held).await.ok();
    api.release("held", &held).await.ok();
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
    let kinds = api.kinds("held").await;
    assert_eq!(kinds, ["granted", "queued", "released", "granted"]);
}

#[tokio::test]
async fn b42_a_connection_cut_after_commit_was_sent_has_one_effect() {
    let own = Own::start();
    let cutter = CutCommits::before(own.cluster.port());
    let server = own.server_through(cutter.port, &[]);
    let api = server.api();
    for round in 0..10 {
        let name = format!("a/{round}");
        cutter.cut_next(round % 2 == 0);
        // Without a key: running the batch again blindly would meet its own
        // ghost.
        let answer = api.acquire(&name, &Acquire::exclusive()).await;
        let lease = answer.ok();
        assert_eq!(lease["fencing_token"], 1, "round {round}");
        assert_eq!(api.kinds(&name).await, ["granted"]);
        api.release(&name, &lease).await.ok();
        assert!(cutter.has_cut(), "round {round}");
    }
}

#[tokio::test]
async fn b46_a_batch_that_commits_late_is_not_skipped() {
    let servers = replicas(2);
    let (here, there) = (servers[0].api(), servers[1].api());
    let start = here.get("/v1/events").await.ok()["cursor"].clone();
    let after = format!("?after={}", start.as_str().unwrap());
    let mut stream = Socket::events(servers[0].url(), &after).await;
    assert_eq!(stream.next_event().await["type"], "synced");
    // A transaction of another writer that has taken its number and goes on.
    let late = servers[0].database().late_batch();
    for round in 0..20 {
        there.lock(&format!("a/{round}"), &Acquire::exclusive()).await;
    }
    for round in 0..20 {
        assert_eq!(stream.next_event().await["resource"], format!("a/{round}"), "none stalls");
    }
    late.commit();
    assert_eq!(stream.next_event().await["resource"], "late");
    there.lock("b", &Acquire::exclusive()).await;
    assert_eq!(stream.next_event().await["resource"], "b");
    let mut again = Vec::new();
    let mut stream = Socket::events(servers[1].url(), &after).await;
    while let Some(resource) = stream.next_event().await["resource"].as_str() {
        again.push(resource.to_owned());
    }
    assert_eq!((again.len(), again[20].as_str(), again[21].as_str()), (22, "late", "b"));
}

#[tokio::test]
async fn postgres_is_spoken_to_over_tls_and_its_certificate_is_verified() {
    let cluster = Cluster::start_with_tls();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(cluster.data().join("ca.pem"), ca.path()).unwrap();
    let url = |host: &str, ca: &str| {
        format!("postgres://dlm@{host}:{}/test_0?sslmode=verify-full&sslrootcert={ca}", cluster.port())
    };
    let ca = ca.path().display().to_string();
    let server = Server::<Postgres>::on(&Arc::new(Postgres::at(url("localhost", &ca))), &[]);
    server.api().lock("a", &Acquire::exclusive()).await;
    // The certificate is not one for this name.
    let why = refused(&["--listen", "127.0.0.1:0", "--database-url", &url("127.0.0.1", &ca)]);
    assert!(why.contains("certificate"), "{why}");
    let why = refused(&["--listen", "127.0.0.1:0", "--database-url", &url("localhost", "/none")]);
    assert!(why.contains("certificate"), "{why}");
}
