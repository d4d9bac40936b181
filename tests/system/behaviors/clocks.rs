//! Wall clocks that are wrong or stepped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Database, TestServer};
use crate::harness::{
    Acquire, Api, Backend, FakeClock, MachineDelay, ServerProcess, binary, eventually, quiet_test_lock,
    expires_at, micros, new_key, now, wait_for_renewal,
};

#[tokio::test]
async fn b40_client_with_a_wrong_and_stepped_clock_keeps_its_lock() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let clock = FakeClock::off_by(1);
    let mut holder = Command::new(binary("dlm-test-holder"))
        .args([server.url(), "a", "6000"])
        .envs(clock.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    let mut input = holder.stdin.take().unwrap();
    assert_eq!(output.next().unwrap().unwrap(), "token 1");
    for hours in [2, -1, 0, 5] {
        let before = expires_at(&api, "a").await;
        clock.step_to(hours);
        wait_for_renewal(&api, "a", &before).await;
        writeln!(input).unwrap();
        let reply = output.next().unwrap().unwrap();
        assert!(reply.starts_with("Held") && reply.ends_with("live"), "{reply}");
    }
    assert_eq!(api.status("a").await["current_token"], 1);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[tokio::test]
async fn b40_server_with_a_wrong_and_stepped_clock_expires_leases_on_time() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let clock = FakeClock::off_by(1);
    let server: TestServer =
        ServerProcess::with_environment(&Arc::new(Database::new()), &[], clock.environment());
    let api = server.api();
    let long = api.lock("long", &Acquire::exclusive().ttl(60_000)).await;
    for hours in [2, -1, 0] {
        let acquired = now();
        let short = api.lock("short", &Acquire::exclusive().ttl(1000)).await;
        clock.step_to(hours);
        eventually("the short lease expires", || async { api.status("short").await["state"] == "free" })
            .await;
        let lifetime = acquired.elapsed();
        assert!(lifetime >= Duration::from_millis(990), "{lifetime:?} after a step to {hours} h");
        delay.assert_within("the lifetime", lifetime, Duration::from_millis(2100));
        api.renew("short", &short).await.ended(410, "expired");
        api.renew("long", &long).await.ok();
    }
}

/// The deciding clock, by the grant of a lock that nobody else uses.
async fn deciding_clock(api: &Api) -> (i64, Instant) {
    let lease = api.lock(&new_key(), &Acquire::exclusive()).await;
    (micros(&lease["acquired_at"]), now())
}

/// Asserts that the deciding clock has advanced with time.
fn has_advanced(before: (i64, Instant), after: (i64, Instant)) {
    let (shown, passed) = (after.0 - before.0, after.1 - before.1);
    let error = shown - i64::try_from(passed.as_micros()).unwrap();
    assert!(error.abs() < 1_500_000, "the deciding clock is {error} µs off after {passed:?}");
}

#[tokio::test]
async fn b40_restart_after_a_step_of_the_wall_clock_keeps_leases_and_their_terms() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let clock = FakeClock::off_by(0);
    let mut server: TestServer =
        ServerProcess::with_environment(&Arc::new(Database::new()), &[], clock.environment());
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let before = deciding_clock(&api).await;
    for (hours, killed) in [(1, true), (-1, false), (0, true)] {
        clock.step_to(hours);
        if killed {
            server.kill9();
        } else {
            assert!(server.terminate().success());
        }
        // The time without a server counts, too.
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.restart();
        let api = server.api();
        assert_eq!(api.status("a").await["holders"][0]["expires_at"], held["expires_at"]);
        has_advanced(before, deciding_clock(&api).await);
    }
    let api = server.api();
    api.renew("a", &held).await.ok();
    let expiring = now();
    let short = api.lock("short", &Acquire::exclusive().ttl(1000)).await;
    eventually("the short lease expires", || async { api.status("short").await["state"] == "free" }).await;
    let lifetime = expiring.elapsed();
    assert!(lifetime >= Duration::from_millis(990), "{lifetime:?}");
    delay.assert_within("the lifetime", lifetime, Duration::from_millis(2100));
    api.renew("short", &short).await.ended(410, "expired");
}

#[tokio::test]
async fn b66_wall_clock_that_is_corrected_between_two_runs_ends_no_lease_early() {
    let _quiet = quiet_test_lock();
    // The server is started while the clock is slow or fast. It is corrected while
    // the server runs, or while it is down.
    for (wrong_by, corrected_while_running) in [(-60, false), (-60, true), (60, false), (60, true)] {
        let clock = FakeClock::off_by_seconds(wrong_by);
        let mut server: TestServer =
            ServerProcess::with_environment(&Arc::new(Database::new()), &[], clock.environment());
        let api = server.api();
        let held = api.lock("a", &Acquire::exclusive().ttl(30_000)).await;
        let before = deciding_clock(&api).await;
        if corrected_while_running {
            clock.step_to_seconds(0);
        }
        assert!(server.terminate().success());
        clock.step_to_seconds(0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.restart();
        let api = server.api();
        has_advanced(before, deciding_clock(&api).await);
        let status = api.status("a").await;
        assert_eq!(status["holders"][0]["expires_at"], held["expires_at"], "{status}");
        api.renew("a", &held).await.ok();
    }
}
