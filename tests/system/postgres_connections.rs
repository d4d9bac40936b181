//! What the server requires of a Postgres connection, and what it does with
//! commits that hang or that the synchronous standby has not confirmed.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{
    Acquire, Api, ApiResponse, Backend, KillOnDrop, PgBouncer, Postgres, PostgresCluster, ReplicatedPostgres,
    ServerProcess, Sqlite, eventually, new_key, now, send_signal, server_command, spawn, startup_error,
};

fn refused(url: &str) -> String {
    startup_error(&["--listen", "127.0.0.1:0", "--database-url", url])
}

#[tokio::test]
async fn b65_database_that_is_not_utf8_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let options = format!("ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        let error = refused(&PostgresCluster::shared().new_database_with(&options));
        assert!(error.contains(encoding) && error.contains("ENCODING 'UTF8'"), "{error}");
    }
}

#[tokio::test]
async fn b65_defaults_of_the_database_do_not_apply() {
    let database = Arc::new(Postgres::new());
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    for default in ["default_transaction_isolation = 'serializable'", "timezone = 'Asia/Kolkata'"] {
        database.execute(&format!("ALTER DATABASE {name} SET {default}"));
    }
    let server = ServerProcess::<Postgres>::on(&database, &[]);
    // As long as this transaction is open, Postgres keeps the predicate locks of
    // later serializable transactions. No other isolation level takes any.
    let open = database.begin("SELECT count(*) FROM resources");
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &lease).await.ok();
    let predicate_locks = database.query_i64(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
         WHERE mode = 'SIReadLock' AND application_name = 'dlm-server' AND datname = current_database()",
    );
    open.commit();
    assert_eq!(predicate_locks, 0, "a writer's transaction was serializable");
}

#[tokio::test]
async fn b65_hot_standby_is_refused() {
    let postgres = ReplicatedPostgres::start();
    let error = refused(&postgres.standby_url());
    assert!(error.contains("read-only") || error.contains("standby"), "{error}");
}

#[tokio::test]
async fn b65_pooler_is_accepted_per_session_and_refused_per_transaction() {
    let database = Postgres::new();
    let pooler = PgBouncer::start(&database.url(), "session");
    let server = ServerProcess::<Postgres>::on(&Arc::new(Postgres::at(pooler.url())), &[]);
    let lease = server.api().lock("a", &Acquire::exclusive()).await;
    server.api().release("a", &lease).await.ok();
    let pooler = PgBouncer::start(&database.url(), "transaction");
    let error = refused(&pooler.url());
    assert!(error.contains("pool per session"), "{error}");
}

#[tokio::test]
async fn error_and_log_show_no_part_of_a_database_password() {
    let database = Postgres::new();
    let host = database.url().rsplit_once('@').unwrap().1.to_owned();
    let (server, name) = host.split_once('/').unwrap();
    for url in [
        format!("postgres://dlm:s3c%zzr3t@{host}"),
        format!("postgres://dlm:s3c%00r3t@{host}"),
        format!("postgres://dlm:s3c r3t@{host}"),
        format!("postgres://dlm:s3c/r3t@{host}"),
        format!("postgres://dlm:s3c@r3t@{host}"),
        format!("postgres://dlm:s3cr3t@[{host}"),
        format!("postgres://dlm:s3cr3t@{server}:x/{name}"),
        format!("postgres://dlm:s3cr3t/{name}"),
        format!("postgres:dlm:s3cr3t@{host}"),
        format!("postgres://dlm:s3cr3t@{host}?bogus=1"),
        format!("postgres://dlm@{host}?password=s3c%zzr3t"),
        format!("postgres://dlm@{host}?password=s3cr3t&sslpassword"),
        format!("postgres://dlm:s3cr3t@{server}/nothing"),
        format!("postgres://dlm:s3cr3t@nowhere.invalid/{name}"),
    ] {
        let error = refused(&url);
        assert!(!error.contains("s3c") && !error.contains("r3t"), "{url}: {error}");
    }
    // One that is encoded as it has to be, in a URL that ends in `?`.
    for url in [format!("postgres://dlm:s3c%40%2Fr3t@{host}"), format!("postgres://dlm:s3c%40r3t@{host}?")] {
        let server = ServerProcess::<Postgres>::on(&Arc::new(Postgres::at(url)), &["--log", "debug"]);
        server.api().lock(&new_key(), &Acquire::exclusive()).await;
        assert!(!server.logs().contains("s3c"), "{}", server.logs());
    }
}

#[tokio::test]
async fn newer_schema_is_refused_with_both_versions() {
    let insert = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    let (sqlite, postgres) = (Arc::new(Sqlite::new()), Arc::new(Postgres::new()));
    drop(ServerProcess::<Sqlite>::on(&sqlite, &[]));
    drop(ServerProcess::<Postgres>::on(&postgres, &[]));
    sqlite.execute(insert);
    postgres.execute(insert);
    for url in [sqlite.url(), postgres.url()] {
        let error = refused(&url);
        assert!(error.contains("99990101000000") && error.contains("up to 2026"), "{error}");
    }
}

#[tokio::test]
async fn running_server_serves_on_after_a_newer_version_has_migrated_the_database() {
    let server = ServerProcess::<Postgres>::start();
    let expand = "ALTER TABLE resources ADD COLUMN added_later bigint NOT NULL DEFAULT 0; \
        INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    server.database().execute(expand);
    let lease = server.api().lock("a", &Acquire::exclusive()).await;
    server.api().release("a", &lease).await.ok();
}

#[tokio::test]
async fn sigterm_ends_a_server_that_waits_for_a_migration() {
    let database = Postgres::new();
    let migration = database.begin("SELECT pg_advisory_xact_lock(x'646c6d00'::bigint)");
    let mut child = KillOnDrop(server_command(&database.url(), "127.0.0.1:0").spawn().unwrap());
    let mut log = std::io::BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for another server") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "it logs why it waits");
    }
    send_signal(&child.0, Signal::TERM);
    // It does not wait for the migration.
    assert_eq!(child.ended().await.code(), Some(0));
    migration.commit();
}

/// Acquires with a key until the reply is not 503.
async fn acquire(api: &Api, name: &str, key: &str) -> ApiResponse {
    api.acquire(name, &Acquire::exclusive().ttl(60_000).key(key)).await
}

#[tokio::test]
async fn b60_canceled_commit_is_not_acknowledged_until_the_standby_has_it() {
    let mut postgres = ReplicatedPostgres::start();
    let server = postgres.server();
    let api = server.api();
    api.lock("before", &Acquire::exclusive().ttl(60_000)).await;
    postgres.stop_standby();
    let key = new_key();
    let acquiring = {
        let (api, key) = (api.clone(), key.clone());
        spawn(async move { acquire(&api, "a", &key).await })
    };
    eventually("the commit waits for the standby", || async { postgres.cancel_waiting_commits() > 0 }).await;
    let until = now() + Duration::from_secs(6);
    // Cancels every later wait for the standby, too.
    while now() < until && !acquiring.is_finished() {
        postgres.cancel_waiting_commits();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answers = vec![acquiring.await.unwrap().status];
    // A repeat finds the lease in the database, where it is visible by now.
    for _ in 0..3 {
        let repeating = {
            let (api, key) = (api.clone(), key.clone());
            spawn(async move { acquire(&api, "a", &key).await })
        };
        while !repeating.is_finished() {
            postgres.cancel_waiting_commits();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        answers.push(repeating.await.unwrap().status);
    }
    assert_eq!(answers, [503; 4], "no reply may promise a lease that the standby does not have");
    postgres.fail_over_to_stopped_standby();
    eventually("the new primary serves", || async { api.get("/readyz").await.status == 200 }).await;
    assert_eq!(api.status("before").await["state"], "held");
    assert_eq!(api.status("a").await["state"], "free");
}

#[tokio::test]
async fn b60_commit_that_hangs_is_answered_and_its_lease_is_found_by_a_repeat() {
    let mut postgres = ReplicatedPostgres::start();
    let server = postgres.server();
    let api = server.api();
    postgres.stop_standby();
    let key = new_key();
    let sent = now();
    assert_eq!(acquire(&api, "a", &key).await.status, 503);
    assert!(now() - sent < Duration::from_secs(10), "{:?}", now() - sent);
    postgres.start_standby();
    eventually("the repeat is answered", || async { acquire(&api, "a", &key).await.status == 200 }).await;
    let lease = acquire(&api, "a", &key).await.ok();
    assert_eq!(lease["fencing_token"], 1, "one grant for one key");
    postgres.fail_over();
    eventually("the new primary serves", || async { api.get("/readyz").await.status == 200 }).await;
    assert_eq!(api.status("a").await["holders"][0]["fencing_token"], 1);
}
