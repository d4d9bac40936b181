//! Several servers on one Postgres.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{
    Acquire, Backend, Cluster, CutCommits, Own, Postgres, Server, Socket, WrongClock, alone, eventually,
    expires_at, key, micros, now, refused, spawn,
};

/// So many servers on a database of their own.
fn replicas(count: usize) -> Vec<Server<Postgres>> {
    let database = Arc::new(Postgres::new());
    (0..count).map(|_| Server::on(&database, &[])).collect()
}

#[tokio::test]
async fn a_waiter_is_granted_when_the_holder_releases_at_another_server() {
    let _alone = alone();
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
    let mut waiting = Vec::new();
    for server in &servers {
        let mut session = Socket::session(server.url()).await;
        let acquire = json!({"resource": "a", "idempotency_key": used, "wait_ms": 60_000});
        let asked = session.send("acquire", acquire).await;
        // Frames on one resource are done in their order: it waits here, too.
        let status = session.ask("status", json!({"resource": "a"})).await["status"].clone();
        assert_eq!(status["queue_len"], 1);
        waiting.push((session, asked));
    }
    servers[1].api().release("a", &held).await.ok();
    for (session, asked) in &mut waiting {
        assert_eq!(session.answer(*asked).await["lease"]["fencing_token"], 2);
    }
}

#[tokio::test]
async fn a_lease_is_renewed_and_lost_at_any_server() {
    let _alone = alone();
    let servers = replicas(2);
    let (here, there) = (servers[0].api(), servers[1].api());
    let lease = here.lock("a", &Acquire::exclusive().ttl(3000)).await;
    let mut renewed = micros(&lease["expires_at"]);
    // Well past what it would have lived.
    while renewed < micros(&lease["expires_at"]) + 4_000_000 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        // Each has the lease in memory as it was before the other renewed it.
        there.renew("a", &lease).await.ok();
        renewed = micros(&here.renew("a", &lease).await.ok()["expires_at"]);
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
    let _alone = alone();
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
    let _alone = alone();
    let servers = replicas(2);
    servers[0].signal(Signal::STOP);
    let api = servers[1].api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(300)).await;
    eventually("it expires", || async {
        api.get("/metrics").await.text.contains("dlm_events_total{kind=\"expired\"} 1\n")
    })
    .await;
    let expired = api.events("a").await.pop().unwrap();
    let late = micros(&expired["at"]) - micros(&lease["expires_at"]);
    assert!((0..250_000).contains(&late), "{late} µs late");
    servers[0].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b50_a_server_stopped_in_a_batch_holds_the_others_up_for_three_seconds_at_most() {
    let _alone = alone();
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
    let mut hits = 0;
    let mut tries = 0;
    while hits < 3 {
        tries += 1;
        assert!(tries <= 200, "{hits} of {tries} stops hit a batch");
        // Another moment of a batch each time.
        tokio::time::sleep(Duration::from_millis(20 + tries % 17)).await;
        servers[0].signal(Signal::STOP);
        let stopped = now();
        // The database has done what it was told, and is told no more.
        let mut stopped_in = batches_under_way(servers[1].database());
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            stopped_in = stopped_in.min(batches_under_way(servers[1].database()));
        }
        if stopped_in == 0 {
            servers[0].signal(Signal::CONT);
            continue;
        }
        hits += 1;
        for lock in 0..4 {
            let name = format!("lock/{lock}");
            let lease = api.lock(&name, &Acquire::exclusive().ttl(60_000).wait(20_000)).await;
            api.release(&name, &lease).await.ok();
        }
        assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
        servers[0].signal(Signal::CONT);
    }
    done.store(true, Ordering::SeqCst);
    for caller in busy {
        caller.await.unwrap();
    }
}

/// Transactions that hold locks on resources and wait for their server.
fn batches_under_way(database: &Postgres) -> i64 {
    database.number(
        "SELECT count(DISTINCT pid) FROM pg_stat_activity JOIN pg_locks USING (pid) \
         WHERE state = 'idle in transaction' AND relation = 'resources'::regclass \
         AND mode = 'RowShareLock' AND pg_stat_activity.datname = current_database()",
    )
}

#[tokio::test]
async fn b20_a_renewal_that_waited_behind_a_row_lock_while_the_lease_ran_out_is_refused() {
    let _alone = alone();
    let server = Server::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    let mut refused = 0;
    for tried in 0..40 {
        let name = format!("a/{tried}");
        let lease = api.lock(&name, &Acquire::exclusive().ttl(500)).await;
        let expires_at = micros(&lease["expires_at"]);
        let until = async |instant: i64| {
            let left = u64::try_from(instant - database.clock()).unwrap_or(0);
            tokio::time::sleep(Duration::from_micros(left)).await;
        };
        // A writer waits 250 ms for a row.
        until(expires_at - 150_000).await;
        let at_work = database.lock_row(&name);
        let renewal = {
            let (api, name, lease) = (api.clone(), name.clone(), lease.clone());
            spawn(async move { api.renew(&name, &lease).await })
        };
        eventually("it waits for the row, or has its answer", || async {
            database.waiting_for_locks() > 0 || renewal.is_finished()
        })
        .await;
        let waited_before = database.waiting_for_locks() > 0 && database.clock() < expires_at;
        until(expires_at + 10_000).await;
        at_work.release();
        let answer = renewal.await.unwrap();
        if waited_before && answer.status != 503 {
            answer.ended(410, "expired");
            assert_eq!(api.kinds(&name).await, ["granted", "expired"]);
            refused += 1;
        }
        if refused == 3 {
            return;
        }
    }
    panic!("only {refused} renewals waited while the lease ran out");
}

#[tokio::test]
async fn b40_two_servers_whose_clocks_are_hours_apart_agree() {
    let _alone = alone();
    let database = Arc::new(Postgres::new());
    let clocks = [WrongClock::off_by(5), WrongClock::off_by(-3)];
    let servers = clocks
        .each_ref()
        .map(|clock| Server::<Postgres>::in_environment(&database, &[], clock.environment()));
    let (ahead, behind) = (servers[0].api(), servers[1].api());
    let long = ahead.lock("long", &Acquire::exclusive().ttl(60_000)).await;
    for (round, hours) in [(0, -5), (1, 0), (2, 7)] {
        let (here, there) = if round % 2 == 0 { (&ahead, &behind) } else { (&behind, &ahead) };
        let taken = now();
        let short = here.lock("short", &Acquire::exclusive().ttl(400)).await;
        there.acquire("short", &Acquire::exclusive()).await.problem(423, "lock-held");
        clocks[round % 2].step_to(hours);
        eventually("it expires", || async { there.status("short").await["state"] == "free" }).await;
        let lived = taken.elapsed();
        assert!((390..1500).contains(&lived.as_millis()), "it lived {lived:?} with {hours} h");
        here.renew("short", &short).await.ended(410, "expired");
        for api in [&ahead, &behind] {
            api.renew("long", &long).await.ok();
        }
        // One waits at the one and is granted at the other's release.
        let held = here.lock("handed/on", &Acquire::exclusive()).await;
        let waiting = {
            let api = there.clone();
            spawn(async move { api.lock("handed/on", &Acquire::exclusive().wait(60_000)).await })
        };
        eventually("it waits", || async { here.queue_len("handed/on").await == 1 }).await;
        here.release("handed/on", &held).await.ok();
        let next = waiting.await.unwrap();
        here.release("handed/on", &next).await.ok();
    }
    assert_eq!(expires_at(&ahead, "long").await, expires_at(&behind, "long").await);
}

#[tokio::test]
async fn two_servers_start_at_once_on_an_empty_database() {
    for _ in 0..3 {
        let database = Arc::new(Postgres::new());
        let starting: [_; 3] = std::array::from_fn(|_| {
            let database = Arc::clone(&database);
            std::thread::spawn(move || Server::<Postgres>::on(&database, &[]))
        });
        for (token, server) in (1..).zip(starting.map(|server| server.join().unwrap())) {
            let lease = server.api().lock("a", &Acquire::exclusive()).await;
            assert_eq!(lease["fencing_token"], token);
            server.api().release("a", &lease).await.ok();
        }
    }
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
    let mut told = Vec::new();
    while away.elapsed() < Duration::from_secs(5) {
        let tried = key();
        let answer = api.acquire(&tried, &Acquire::exclusive().key(&tried)).await;
        let problem = answer.problem(503, "unavailable");
        assert!(problem["retry_after_ms"].as_u64().is_some() && answer.headers.contains_key("retry-after"));
        told.push(tried);
    }
    assert!(!told.is_empty());
    assert_eq!(api.get("/livez").await.status, 200);
    assert_eq!(api.get("/readyz").await.status, 503);
    own.cluster.start_again();
    eventually("it serves again", || async { api.get("/readyz").await.status == 200 }).await;
    api.renew("held", &held).await.ok();
    api.release("held", &held).await.ok();
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
    let kinds = api.kinds("held").await;
    assert_eq!(kinds, ["granted", "queued", "released", "granted"]);
    // Of what was answered 503 all was done or nothing.
    for tried in told {
        let status = api.status(&tried).await;
        let (held, granted) = (status["state"] == "held", api.kinds(&tried).await.len());
        assert_eq!((status["current_token"].as_u64(), granted), (Some(held.into()), usize::from(held)));
        let again = api.lock(&tried, &Acquire::exclusive().key(&tried)).await;
        assert_eq!(again["fencing_token"], 1);
        assert_eq!(api.kinds(&tried).await, ["granted"]);
    }
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
    // One that goes on in another database.
    let elsewhere = Postgres::new();
    let long = elsewhere.open("CREATE TABLE long (a int); INSERT INTO long VALUES (1)");
    // A transaction of another writer that has taken its number and goes on.
    let late = servers[0].database().late_batch();
    for round in 0..20 {
        there.lock(&format!("a/{round}"), &Acquire::exclusive()).await;
    }
    for round in 0..20 {
        assert_eq!(stream.next_event().await["resource"], format!("a/{round}"), "none stalls");
    }
    late.release();
    assert_eq!(stream.next_event().await["resource"], "late");
    there.lock("b", &Acquire::exclusive()).await;
    assert_eq!(stream.next_event().await["resource"], "b");
    let mut again = Vec::new();
    let mut stream = Socket::events(servers[1].url(), &after).await;
    while let Some(resource) = stream.next_event().await["resource"].as_str() {
        again.push(resource.to_owned());
    }
    assert_eq!((again.len(), again[20].as_str(), again[21].as_str()), (22, "late", "b"));
    long.release();
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
