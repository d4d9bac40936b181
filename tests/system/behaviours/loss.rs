//! The holder knows first.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use dlm_client::{Client, GuardState, LossReason, TransportKind};
use rustix::process::Signal;

use super::super::TestServer;
use crate::harness::{
    Acquire, Fate, Proxy, alone, binary, client, eventually, expires_at, micros, now, renewed_past, wall_micros,
};

/// So long that a renewal comes in time on a busy machine.
const TTL: Duration = Duration::from_secs(3);

#[tokio::test]
async fn b22_a_renewal_that_fails_once_is_repeated() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let proxy = Proxy::before(server.url()).await;
    // Over HTTP nothing but a renewal is sent meanwhile.
    let client = Client::builder().address(&proxy.url).transport(TransportKind::Http).connect().await.unwrap();
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    let before = expires_at(&api, "a").await;
    proxy.set(Fate::Reset);
    eventually("a renewal has failed", || async { proxy.failed() > 0 }).await;
    assert_eq!(guard.state(), GuardState::Held);
    proxy.set(Fate::Pass);
    renewed_past(&api, "a", &before).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(api.kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b23_an_unreachable_server_loses_the_guard_before_the_lease_ends() {
    let _alone = alone();
    for fate in [Fate::Reset, Fate::BlackHole] {
        let server = TestServer::start();
        let proxy = Proxy::before(server.url()).await;
        let client = client(&proxy.url).await;
        let guard = client.lock("a").ttl(Duration::from_secs(1)).await.unwrap();
        proxy.set(fate);
        // No renewal arrives any more: both deadlines stand.
        let expires_at = server.api().status("a").await["holders"][0]["expires_at"].clone();
        let expires_at = micros(&expires_at);
        let deadline = wall_micros() + i64::try_from(guard.remaining().as_micros()).unwrap();
        assert!(
            deadline < expires_at,
            "the guard knows {} µs after the server: {fate:?}",
            deadline - expires_at
        );
        assert_eq!(guard.lost().await, LossReason::Deadline, "{fate:?}");
        assert!(guard.live_token().unwrap_err().is_lost());
    }
}

#[tokio::test]
async fn b24_a_process_that_was_stopped_past_the_ttl_knows_that_it_lost() {
    let _alone = alone();
    let server = TestServer::start();
    let mut holder = Command::new(binary("dlm-test-holder"))
        .args([server.url(), "a", "500"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    let mut input = holder.stdin.take().unwrap();
    assert_eq!(output.next().unwrap().unwrap(), "token 1");
    let mut ask = |output: &mut dyn Iterator<Item = std::io::Result<String>>| {
        writeln!(input).unwrap();
        output.next().unwrap().unwrap()
    };
    assert!(ask(&mut output).starts_with("Held"));
    for_process(&holder, Signal::STOP);
    let api = server.api();
    eventually("the lease ends", || async { api.status("a").await["state"] == "free" }).await;
    for_process(&holder, Signal::CONT);
    for _ in 0..3 {
        let answer = ask(&mut output);
        assert!(answer.starts_with("Lost") && answer.ends_with(" 0 refused"), "{answer}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
}

fn for_process(child: &std::process::Child, signal: Signal) {
    crate::harness::send(child, signal);
}

#[test]
fn b25_an_application_that_starves_its_runtime_keeps_its_lock() {
    let _alone = alone();
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client(server.url()).await;
        let guard = client.lock("a").ttl(TTL).await.unwrap();
        let before = expires_at(&server.api(), "a").await;
        let api = server.api();
        let watching = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(renewed_past(&api, "a", &before));
        });
        // The application's only thread does nothing for its runtime meanwhile.
        watching.join().unwrap();
        assert_eq!(guard.state(), GuardState::Held);
        assert_eq!(server.api().kinds("a").await, ["granted"]);
    });
}

#[tokio::test]
async fn b27_after_a_loss_a_new_guard_renews_itself() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    let lost = client.lock("a").ttl(TTL).await.unwrap();
    api.force_release("a", &lost.fencing_token().get().into()).await.ok();
    assert_eq!(lost.lost().await, LossReason::ForceReleased);
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    let before = expires_at(&api, "a").await;
    renewed_past(&api, "a", &before).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(guard.live_token().unwrap().get(), lost.fencing_token().get() + 2);
    assert!(matches!(lost.state(), GuardState::Lost(LossReason::ForceReleased)), "lost is final");
}

#[tokio::test]
async fn b28_one_lost_guard_of_many_leaves_the_others_renewing() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    let mut guards = Vec::new();
    for name in 0..20 {
        guards.push(client.lock(name.to_string()).ttl(TTL).await.unwrap());
    }
    let lost = guards.swap_remove(7);
    api.force_release(lost.resource(), &lost.fencing_token().get().into()).await.ok();
    assert_eq!(lost.lost().await, LossReason::ForceReleased);
    let mut before = Vec::new();
    for guard in &guards {
        before.push(expires_at(&api, guard.resource()).await);
    }
    for (guard, before) in guards.iter().zip(&before) {
        renewed_past(&api, guard.resource(), before).await;
        assert_eq!(guard.state(), GuardState::Held, "{}", guard.resource());
    }
}

#[tokio::test]
async fn b26_a_force_release_is_told_at_the_next_renewal() {
    let _alone = alone();
    let server = TestServer::start();
    // Over the session it would be told at once.
    let client = Client::builder().address(server.url()).transport(TransportKind::Http).connect().await.unwrap();
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    let forced = now();
    server.api().force_release("a", &guard.fencing_token().get().into()).await.ok();
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    assert!(forced.elapsed() < Duration::from_millis(2500), "{:?}", forced.elapsed());
    // Whoever asks later is told the same.
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    assert!(guard.lost_token().is_cancelled());
    server.api().lock("a", &Acquire::exclusive()).await;
}
