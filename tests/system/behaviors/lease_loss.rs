//! The guard notices the loss of its lease, before the server ends it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use dlm_client::{Client, GuardState, LossReason, TransportKind};
use rustix::process::Signal;

use super::super::TestServer;
use crate::harness::{
    Acquire, FaultProxy, NetworkFault, binary, client, eventually, quiet_test_lock, expires_at, micros,
    send_signal, wait_for_renewal, wall_clock_micros,
};

/// Long enough for renewals to succeed on a busy machine.
const TTL: Duration = Duration::from_secs(6);

#[tokio::test]
async fn b22_failed_renewal_is_retried() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    // Over HTTP, renewals are the only traffic.
    let client =
        Client::builder().address(&proxy.url).transport(TransportKind::Http).connect().await.unwrap();
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    let before = expires_at(&api, "a").await;
    proxy.inject(NetworkFault::Reset);
    eventually("a renewal fails", || async { proxy.resets() > 0 }).await;
    assert_eq!(guard.state(), GuardState::Held);
    proxy.inject(NetworkFault::None);
    wait_for_renewal(&api, "a", &before).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(api.event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b23_guard_is_lost_before_the_lease_expires_when_the_server_is_unreachable() {
    let _quiet = quiet_test_lock();
    for fault in [NetworkFault::Reset, NetworkFault::BlackHole] {
        let server = TestServer::start();
        let proxy = FaultProxy::in_front_of(server.url()).await;
        let client = client(&proxy.url).await;
        let guard = client.lock("a").ttl(Duration::from_secs(3)).await.unwrap();
        proxy.inject(fault);
        // From here on no renewal arrives, so both deadlines are fixed.
        let expires_at = server.api().status("a").await["holders"][0]["expires_at"].clone();
        let expires_at = micros(&expires_at);
        let deadline = wall_clock_micros() + i64::try_from(guard.remaining().as_micros()).unwrap();
        assert!(
            deadline < expires_at,
            "the guard's deadline is {} µs after the expiry: {fault:?}",
            deadline - expires_at
        );
        assert_eq!(guard.lost().await, LossReason::Deadline, "{fault:?}");
        assert!(guard.live_token().unwrap_err().is_lost());
    }
}

#[tokio::test]
async fn b24_process_stopped_past_the_ttl_sees_its_guard_lost() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let mut holder = Command::new(binary("dlm-test-holder"))
        .args([server.url(), "a", "3000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    let mut input = holder.stdin.take().unwrap();
    assert_eq!(output.next().unwrap().unwrap(), "token 1");
    let mut query = |output: &mut dyn Iterator<Item = std::io::Result<String>>| {
        writeln!(input).unwrap();
        output.next().unwrap().unwrap()
    };
    assert!(query(&mut output).starts_with("Held"));
    send_signal(&holder, Signal::STOP);
    let api = server.api();
    eventually("the lease expires", || async { api.status("a").await["state"] == "free" }).await;
    send_signal(&holder, Signal::CONT);
    for _ in 0..3 {
        let reply = query(&mut output);
        assert!(reply.starts_with("Lost") && reply.ends_with(" 0 refused"), "{reply}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn b25_application_that_blocks_its_runtime_keeps_its_lock() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client(server.url()).await;
        let guard = client.lock("a").ttl(TTL).await.unwrap();
        let before = expires_at(&server.api(), "a").await;
        let api = server.api();
        let watcher = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(wait_for_renewal(&api, "a", &before));
        });
        // Blocks the only thread of the application's runtime.
        watcher.join().unwrap();
        assert_eq!(guard.state(), GuardState::Held);
        assert_eq!(server.api().event_kinds("a").await, ["granted"]);
    });
}

#[tokio::test]
async fn b27_new_guard_after_a_loss_is_renewed() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    let lost = client.lock("a").ttl(TTL).await.unwrap();
    api.force_release("a", &lost.fencing_token().get().into()).await.ok();
    assert_eq!(lost.lost().await, LossReason::ForceReleased);
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    let before = expires_at(&api, "a").await;
    wait_for_renewal(&api, "a", &before).await;
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(guard.live_token().unwrap().get(), lost.fencing_token().get() + 2);
    assert!(matches!(lost.state(), GuardState::Lost(LossReason::ForceReleased)), "a lost guard stays lost");
}

#[tokio::test]
async fn b28_losing_one_guard_of_many_does_not_stop_the_others_renewals() {
    let _quiet = quiet_test_lock();
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
        wait_for_renewal(&api, guard.resource(), before).await;
        assert_eq!(guard.state(), GuardState::Held, "{}", guard.resource());
    }
}

#[tokio::test]
async fn b26_force_release_is_noticed_at_the_next_renewal_over_http() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    // Over a session, the guard would be notified at once.
    let client =
        Client::builder().address(server.url()).transport(TransportKind::Http).connect().await.unwrap();
    let guard = client.lock("a").ttl(TTL).await.unwrap();
    server.api().force_release("a", &guard.fencing_token().get().into()).await.ok();
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    // `lost` returns the same reason again.
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    assert!(guard.lost_token().is_cancelled());
    server.api().lock("a", &Acquire::exclusive()).await;
}
