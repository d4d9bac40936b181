//! Wall clocks that are wrong, and that are stepped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::super::{Database, TestServer};
use crate::harness::{
    Acquire, Backend, Server, WrongClock, alone, binary, eventually, expires_at, now, renewed_past,
};

#[tokio::test]
async fn b40_a_client_whose_clock_is_an_hour_off_and_stepped_keeps_its_lock() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let clock = WrongClock::off_by(1);
    let mut holder = Command::new(binary("dlm-test-holder"))
        .args([server.url(), "a", "3000"])
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
        renewed_past(&api, "a", &before).await;
        writeln!(input).unwrap();
        let answer = output.next().unwrap().unwrap();
        assert!(answer.starts_with("Held") && answer.ends_with("live"), "{answer}");
    }
    assert_eq!(api.status("a").await["current_token"], 1);
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[tokio::test]
async fn b40_a_server_whose_clock_is_an_hour_off_and_stepped_ends_leases_on_time() {
    let _alone = alone();
    let clock = WrongClock::off_by(1);
    let server: TestServer =
        Server::in_environment(&Arc::new(Database::new()), &[], clock.environment());
    let api = server.api();
    let long = api.lock("long", &Acquire::exclusive().ttl(60_000)).await;
    for hours in [2, -1, 0] {
        let taken = now();
        let short = api.lock("short", &Acquire::exclusive().ttl(400)).await;
        clock.step_to(hours);
        eventually("it expires", || async { api.status("short").await["state"] == "free" }).await;
        let lived = taken.elapsed();
        assert!((390..1500).contains(&lived.as_millis()), "it lived {lived:?} with {hours} h");
        api.renew("short", &short).await.ended(410, "expired");
        api.renew("long", &long).await.ok();
    }
}
