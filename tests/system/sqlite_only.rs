//! Behavior that only SQLite has: the database belongs to one server, whose clock
//! decides.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::harness::{
    Acquire, Backend, FakeClock, ServerProcess, Sqlite, binary, eventually, micros, new_key, startup_error,
    wall_clock_micros,
};

fn refused(url: &str) -> String {
    startup_error(&["--listen", "127.0.0.1:0", "--database-url", url])
}

#[tokio::test]
async fn b52_second_server_is_refused_under_any_name_of_the_file() {
    let server = ServerProcess::<Sqlite>::start();
    let url = server.database().url();
    let file = Path::new(url.strip_prefix("sqlite://").unwrap());
    let directory = file.parent().unwrap();
    symlink(file, directory.join("symlink.db")).unwrap();
    fs::hard_link(file, directory.join("hardlink.db")).unwrap();
    symlink(directory, directory.join("elsewhere")).unwrap();
    // A lock in a file beside the database could be removed.
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|extension| extension == "lock") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let name = file.file_name().unwrap().to_str().unwrap();
    for other in [name, "symlink.db", "hardlink.db", &format!("elsewhere/{name}"), &format!("./{name}")] {
        let error = refused(&format!("sqlite://{}", directory.join(other).display()));
        assert!(error.contains("in use by another dlm-server"), "{other}: {error}");
    }
    server.api().lock(&new_key(), &Acquire::exclusive()).await;
}

#[tokio::test]
async fn b52_sqlite_url_with_options_is_refused_and_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db").display().to_string();
    for url in [
        format!("sqlite://{path}?mode=ro"),
        format!("sqlite://{path}?"),
        format!("sqlite:file:{path}"),
        "sqlite::memory:".to_owned(),
        "sqlite://:memory:".to_owned(),
        "sqlite://".to_owned(),
    ] {
        let error = refused(&url);
        assert!(error.contains("SQLite URL"), "{url}: {error}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn b52_server_stops_once_another_has_written_to_its_database() {
    let mut server = ServerProcess::<Sqlite>::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    // As another server does with every batch.
    server
        .database()
        .execute("INSERT INTO journal (position, at, upto, data) SELECT batch + 1, 0, 0, x'00' FROM writers");
    let reply = api.try_force_release("a", &lease["fencing_token"]).await;
    assert!(!reply.is_ok_and(|reply| reply.status == 200), "no reply relies on stale memory");
    assert_eq!(server.wait_for_exit().code(), Some(1));
    server.logged("another server has written to the database").await;
}

#[tokio::test]
async fn server_whose_tables_refuse_what_was_committed_stops_and_loses_nothing() {
    let mut server = ServerProcess::<Sqlite>::start();
    server.database().execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON claims BEGIN SELECT RAISE(ABORT, 'refused here'); END",
    );
    let lease = server.api().lock("a", &Acquire::exclusive().ttl(600_000)).await;
    assert_eq!(server.wait_for_exit().code(), Some(1));
    server.logged("tables can't be brought up to date").await;
    let error = refused(&server.database().url());
    assert!(error.contains("refused here"), "{error}");
    server.database().execute("DROP TRIGGER refuse");
    server.restart();
    let api = server.api();
    assert_eq!(api.status("a").await["holders"][0]["fencing_token"], lease["fencing_token"]);
    api.release("a", &lease).await.ok();
}

#[tokio::test]
async fn restore_of_a_missing_database_fails_and_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("typo.db").display());
    let error = startup_error(&["restore", "--raise-tokens", "1000", "--database-url", &url]);
    assert!(error.contains("typo.db"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// By how much the stored deciding clock is ahead of the wall clock, in seconds.
fn stored_deviation(database: &Sqlite) -> i64 {
    database.query_i64("SELECT round((at - wall) / 1000000.0) FROM clock")
}

/// A server whose wall clock is a minute slow, and a lease.
async fn server_with_a_slow_clock(clock: &FakeClock) -> (ServerProcess<Sqlite>, serde_json::Value) {
    let server: ServerProcess<Sqlite> =
        ServerProcess::with_environment(&Arc::new(Sqlite::new()), &[], clock.environment());
    let held = server.api().lock("a", &Acquire::exclusive().ttl(30_000)).await;
    assert_eq!(stored_deviation(server.database()), 0);
    (server, held)
}

#[tokio::test]
async fn b66_wall_clock_that_was_corrected_before_a_reboot_ends_no_lease_early() {
    let clock = FakeClock::off_by_seconds(-60);
    let (mut server, held) = server_with_a_slow_clock(&clock).await;
    clock.step_to_seconds(0);
    eventually("the server stores by how much its clock differs", || async {
        stored_deviation(server.database()) == -60
    })
    .await;
    let reports = |server: &ServerProcess<Sqlite>| {
        server.logs().matches("the wall clock differs from the deciding clock").count()
    };
    eventually("the step is reported", || async { reports(&server) == 1 }).await;
    server.kill9();
    server.database().execute("UPDATE clock SET boot = 'an earlier boot'");
    server.restart();
    let api = server.api();
    assert_eq!(api.status("a").await["holders"][0]["expires_at"], held["expires_at"]);
    api.renew("a", &held).await.ok();
    eventually("the difference is reported at start", || async { reports(&server) == 2 }).await;
    assert_eq!(server.database().query_i64("SELECT count(*) FROM clock WHERE boot = 'an earlier boot'"), 0);
}

#[tokio::test]
async fn restored_database_starts_at_the_wall_clock() {
    let clock = FakeClock::off_by_seconds(-60);
    let (mut server, _) = server_with_a_slow_clock(&clock).await;
    clock.step_to_seconds(0);
    assert!(server.terminate().success());
    let url = server.database().url();
    let restored = Command::new(binary("dlm-server"))
        .args(["restore", "--raise-tokens", "1000", "--database-url", &url])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(stored_deviation(server.database()), 0);
    server.restart();
    let lease = server.api().lock("a", &Acquire::exclusive()).await;
    let behind = wall_clock_micros() - micros(&lease["acquired_at"]);
    assert!(behind < 20_000_000, "the deciding clock is {behind} µs behind");
}

#[tokio::test]
async fn wal_shrinks_again_after_a_long_reader() {
    const MIB: u64 = 1024 * 1024;
    let server = ServerProcess::<Sqlite>::start();
    let api = server.api();
    api.lock("before", &Acquire::exclusive()).await;
    let wal = format!("{}-wal", server.database().real_path().display());
    let size = || std::fs::metadata(&wal).unwrap().len();
    // As long as it is open, nothing that is written from now on leaves the WAL.
    let reader = server.database().begin_read();
    server.database().execute("CREATE TABLE filler AS SELECT randomblob(64 * 1024 * 1024) AS bytes");
    api.lock("during", &Acquire::exclusive()).await;
    assert!(size() > 64 * MIB, "{} MiB", size() / MIB);
    drop(reader);
    eventually("the WAL is small", || async {
        api.lock(&new_key(), &Acquire::exclusive()).await;
        size() <= 32 * MIB
    })
    .await;
}
