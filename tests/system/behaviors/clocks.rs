//! Wall clocks that are wrong or stepped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::super::{Database, TestServer};
use crate::harness::{
    Acquire, Backend, FakeClock, MachineDelay, ServerProcess, binary, eventually, exclusive_test_lock, expires_at, now,
    wait_for_renewal,
};

#[tokio::test]
async fn b40_client_with_a_wrong_and_stepped_clock_keeps_its_lock() {
    let _exclusive = exclusive_test_lock();
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
    let _exclusive = exclusive_test_lock();
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
