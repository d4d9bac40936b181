//! Behavior that only Postgres has: row locks, late commits, concurrent startup,
//! TLS.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{
    Acquire, Api, Backend, Postgres, PostgresCluster, ServerProcess, WebSocket, eventually, micros, new_key,
    quiet_test_lock, spawn, startup_error,
};

#[tokio::test]
async fn b20_renewal_blocked_on_a_row_lock_until_the_lease_expired_is_refused() {
    let _quiet = quiet_test_lock();
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    let mut refused = 0;
    for round in 0..40 {
        let name = format!("a/{round}");
        let lease = api.lock(&name, &Acquire::exclusive().ttl(500)).await;
        let expires_at = micros(&lease["expires_at"]);
        let sleep_until = async |instant: i64| {
            let left = u64::try_from(instant - database.clock_micros()).unwrap_or(0);
            tokio::time::sleep(Duration::from_micros(left)).await;
        };
        // Less than the 250 ms that a writer waits for a row lock.
        sleep_until(expires_at - 150_000).await;
        let row_lock = database.lock_row(&name);
        let renewal = {
            let (api, name, lease) = (api.clone(), name.clone(), lease.clone());
            spawn(async move { api.renew(&name, &lease).await })
        };
        eventually("the renewal is blocked or answered", || async {
            database.connections_waiting_for_locks() > 0 || renewal.is_finished()
        })
        .await;
        let blocked_in_time =
            database.connections_waiting_for_locks() > 0 && database.clock_micros() < expires_at;
        sleep_until(expires_at + 10_000).await;
        row_lock.commit();
        let response = renewal.await.unwrap();
        if blocked_in_time && response.status != 503 {
            response.ended(410, "expired");
            assert_eq!(api.event_kinds(&name).await, ["granted", "expired"]);
            refused += 1;
        }
        if refused == 3 {
            return;
        }
    }
    panic!("only {refused} renewals were blocked until the lease expired");
}

#[tokio::test]
async fn b55_page_of_events_waits_for_a_server_that_assigns_positions() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    let assigning = database.begin("SELECT head FROM log_ends FOR UPDATE");
    api.lock("a", &Acquire::exclusive()).await;
    let reading = {
        let api = api.clone();
        spawn(async move { api.event_kinds("a").await })
    };
    // Longer than a connection waits for a lock.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assigning.commit();
    assert_eq!(reading.await.unwrap(), ["granted"]);
}

#[tokio::test]
async fn b41_callers_of_a_row_that_another_program_keeps_locked_are_answered() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    let lease = api.lock("a", &Acquire::exclusive().ttl(600_000)).await;
    let row_lock = database.lock_row("a");
    let key = new_key();
    let waiting = Acquire::exclusive().wait(600_000).key(&key);
    // Over a session a request may be held open for longer than 20 s.
    let session = Api::over_sessions(server.url());
    let responses = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(api.renew("a", &lease), session.acquire("a", &waiting))
    });
    let (renewed, acquired) = responses.await.expect("all callers are answered");
    renewed.problem(503, "unavailable");
    acquired.problem(503, "unavailable");
    // Other resources don't wait for it.
    api.lock("b", &Acquire::exclusive()).await;
    row_lock.commit();
    api.renew("a", &lease).await.ok();
    api.release("a", &lease).await.ok();
    assert_eq!(api.lock("a", &waiting).await["fencing_token"], 2);
}

#[tokio::test]
async fn b46_batch_that_commits_late_is_not_skipped() {
    let database = Arc::new(Postgres::new());
    let servers: [ServerProcess<Postgres>; 2] = std::array::from_fn(|_| ServerProcess::on(&database, &[]));
    let (first, second) = (servers[0].api(), servers[1].api());
    let start = first.get("/v1/events").await.ok()["cursor"].clone();
    let after = format!("?after={}", start.as_str().unwrap());
    let mut stream = WebSocket::events(servers[0].url(), &after).await;
    assert_eq!(stream.next_event().await["type"], "synced");
    // A long transaction in another database of the cluster.
    let other_database = Postgres::new();
    let long = other_database.begin("CREATE TABLE long (a int); INSERT INTO long VALUES (1)");
    let late = database.begin_late_batch();
    for round in 0..20 {
        second.lock(&format!("a/{round}"), &Acquire::exclusive()).await;
    }
    for round in 0..20 {
        assert_eq!(stream.next_event().await["resource"], format!("a/{round}"), "no event is held up");
    }
    late.commit();
    assert_eq!(stream.next_event().await["resource"], "late");
    second.lock("b", &Acquire::exclusive()).await;
    assert_eq!(stream.next_event().await["resource"], "b");
    let mut replayed = Vec::new();
    let mut stream = WebSocket::events(servers[1].url(), &after).await;
    while let Some(resource) = stream.next_event().await["resource"].as_str() {
        replayed.push(resource.to_owned());
    }
    assert_eq!((replayed.len(), replayed[20].as_str(), replayed[21].as_str()), (22, "late", "b"));
    long.commit();
}

/// Before the migration `lean_batches` a table listed the batches that had no position in the log.
#[tokio::test]
async fn migration_gives_listed_batches_their_positions() {
    const UP: [&str; 2] = [
        include_str!("../../migrations/postgres/2026-11-27-000002_lean_batches/up.sql"),
        include_str!("../../migrations/postgres/2026-11-28-000001_places_and_links/up.sql"),
    ];
    const DOWN: [&str; 2] = [
        include_str!("../../migrations/postgres/2026-11-28-000001_places_and_links/down.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000002_lean_batches/down.sql"),
    ];

    let database = Arc::new(Postgres::new());
    let server = ServerProcess::<Postgres>::on(&database, &[]);
    server.api().lock("a", &Acquire::exclusive()).await;
    drop(server);
    DOWN.iter().for_each(|migration| database.execute(migration));
    let event = |name: &str| {
        format!(
            r#"[{{"kind":"queued","resource":"{name}","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}}]"#
        )
    };
    for name in ["listed", "listed/2"] {
        database.execute(&format!(
            "INSERT INTO batch_events (batch, at, count, events) \
             SELECT nextval('batches'), extract(epoch FROM clock_timestamp())::bigint * 1000000, 1, '{}'; \
             INSERT INTO unplaced SELECT currval('batches')",
            event(name)
        ));
    }
    UP.iter().for_each(|migration| database.execute(migration));
    let server = ServerProcess::<Postgres>::on(&database, &[]);
    let api = server.api();
    api.lock("b", &Acquire::exclusive()).await;
    let page = api.get("/v1/events?newest=true").await.ok();
    let names: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| &event["resource"]).collect();
    assert_eq!(names, ["a", "listed", "listed/2", "b"], "{page}");
}

#[tokio::test]
async fn servers_can_start_concurrently_on_an_empty_database() {
    for _ in 0..3 {
        let database = Arc::new(Postgres::new());
        let starting: [_; 3] = std::array::from_fn(|_| {
            let database = Arc::clone(&database);
            std::thread::spawn(move || ServerProcess::<Postgres>::on(&database, &[]))
        });
        for (token, server) in (1..).zip(starting.map(|server| server.join().unwrap())) {
            let lease = server.api().lock("a", &Acquire::exclusive()).await;
            assert_eq!(lease["fencing_token"], token);
            server.api().release("a", &lease).await.ok();
        }
    }
}

#[tokio::test]
async fn postgres_connection_uses_tls_and_verifies_the_certificate() {
    let cluster = PostgresCluster::start_with_tls();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(cluster.data().join("ca.pem"), ca.path()).unwrap();
    let url = |host: &str, ca: &str| {
        format!("postgres://dlm@{host}:{}/test_0?sslmode=verify-full&sslrootcert={ca}", cluster.port())
    };
    let ca = ca.path().display().to_string();
    let server = ServerProcess::<Postgres>::on(&Arc::new(Postgres::at(url("localhost", &ca))), &[]);
    server.api().lock("a", &Acquire::exclusive()).await;
    // The certificate is not valid for this host name.
    let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", &url("127.0.0.1", &ca)]);
    assert!(error.contains("certificate"), "{error}");
    let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", &url("localhost", "/none")]);
    assert!(error.contains("certificate"), "{error}");
}

/// As for logical replication. A published table whose rows have no identity can't be changed.
#[tokio::test]
async fn locks_are_handed_out_while_all_tables_are_published() {
    let server = ServerProcess::<Postgres>::start();
    server.database().execute("CREATE PUBLICATION everything FOR ALL TABLES");
    let api = server.api();
    for token in 1..=3 {
        let lease = api.lock("a", &Acquire::exclusive()).await;
        assert_eq!(lease["fencing_token"], token);
        api.release("a", &lease).await.ok();
    }
    eventually("the events have positions", || async {
        api.get("/v1/events?resource=a").await.ok()["events"].as_array().unwrap().len() == 6
    })
    .await;
}

/// Otherwise every server that is idle, or has been, slows all others down, and more so the longer the log is.
#[tokio::test]
async fn positions_are_assigned_without_a_look_at_batches_that_have_one() {
    let server = ServerProcess::<Postgres>::start();
    let _idle = ServerProcess::<Postgres>::on(server.database(), &[]);
    let (api, database) = (server.api(), server.database());
    let cycle = async |times: i64| {
        let head = || database.query_i64("SELECT head AS value FROM log_ends");
        let before = head();
        for _ in 0..times {
            let lease = api.lock("a", &Acquire::exclusive()).await;
            api.release("a", &lease).await.ok();
        }
        eventually("the batches have positions", || async { head() >= before + 2 * times }).await;
    };
    // Statistics by which half of all batches are of any writer.
    cycle(300).await;
    database.execute("ANALYZE batch_events");
    let read = || {
        database.query_i64(
            "SELECT (idx_tup_fetch + seq_tup_read)::bigint AS value FROM pg_stat_user_tables \
             WHERE relname = 'batch_events'",
        )
    };
    let before = read();
    cycle(50).await;
    // A connection reports what it has read with the first statement after a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    cycle(1).await;
    let rows = read() - before;
    assert!(rows < 51 * 60, "{rows} rows were read");
}
