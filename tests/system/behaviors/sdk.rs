//! The client library: transports, failover, event stream.

use std::time::Duration;

use dlm_client::{Client, EventItem, EventKind, GuardState, LossReason, TransportKind};

use super::super::TestServer;
use crate::harness::{
    Acquire, FaultProxy, MachineDelay, NetworkFault, client, eventually, quiet_test_lock, expires_at, now, spawn,
    wait_for_renewal,
};

/// The number of open sessions of a server.
async fn session_count(server: &TestServer) -> u64 {
    let metrics = server.api().get("/metrics").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("dlm_websocket_connections{protocol=\"session\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn dropped_event_stream_closes_its_socket_at_once() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let client = client(server.url()).await;
    let open = async || {
        let metrics = server.api().get("/metrics").await.text;
        metrics.contains("dlm_websocket_connections{protocol=\"events\"} 1")
    };
    let mut events = client.events();
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    assert!(open().await);
    drop(events);
    let dropped = now();
    eventually("the socket is closed", || async { !open().await }).await;
    // The next message of the server, which would show the loss too, comes after 5 s.
    delay.assert_within("the close", dropped.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn client_works_over_sessions_and_over_http() {
    let server = TestServer::start();
    for kind in [TransportKind::Auto, TransportKind::Http, TransportKind::Session] {
        let client = Client::builder().address(server.url()).transport(kind).connect().await.unwrap();
        if kind == TransportKind::Auto {
            eventually("the session is up", || async { session_count(&server).await == 1 }).await;
        }
        let guard = client.lock("a").await.unwrap();
        assert!(client.try_lock("a").await.unwrap().is_none(), "{kind:?}");
        assert!(client.check("a", guard.fencing_token()).await.unwrap().live);
        assert_eq!(client.status("a").await.unwrap().holder_count, 1);
        guard.renew(Duration::from_secs(60)).await.unwrap();
        let waiting = { client.lock("a").into_future() };
        let waiting = spawn(waiting);
        let api = server.api();
        eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
        guard.release().await.unwrap();
        let next = waiting.await.unwrap().unwrap();
        let lease = next.detach();
        client.adopt(&lease).await.unwrap().release().await.unwrap();
        let timed_out = {
            let _held = client.lock("b").await.unwrap();
            client.lock("b").wait(Duration::from_millis(100)).await
        };
        assert!(timed_out.unwrap_err().is_timeout(), "{kind:?}");
        let expected = u64::from(kind != TransportKind::Http);
        assert_eq!(session_count(&server).await, expected, "{kind:?}");
        drop(client);
        eventually("the session is closed", || async { session_count(&server).await == 0 }).await;
    }
}

#[tokio::test]
async fn b26_guard_over_a_session_is_lost_at_once_after_a_force_release() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let client = client(server.url()).await;
    eventually("the session is up", || async { session_count(&server).await == 1 }).await;
    let guard = client.lock("a").ttl(Duration::from_secs(60)).await.unwrap();
    let other = client.lock("b").ttl(Duration::from_secs(60)).await.unwrap();
    let api = server.api();
    let force_released = now();
    api.force_release("a", &guard.fencing_token().get().into()).await.ok();
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    delay.assert_within("the loss", force_released.elapsed(), Duration::from_secs(1));
    assert_eq!(guard.lost().await, LossReason::ForceReleased, "`lost` returns the same reason again");
    assert!(matches!(guard.state(), GuardState::Lost(LossReason::ForceReleased)));
    assert_eq!(other.state(), GuardState::Held);
    let again = client.lock("a").await.unwrap();
    assert_eq!(again.state(), GuardState::Held);
}

#[tokio::test]
async fn broken_session_reconnects_and_loses_nothing() {
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let client = client(&proxy.url).await;
    eventually("the session is up", || async { session_count(&server).await == 1 }).await;
    let guard = client.lock("a").await.unwrap();
    let waiting = { client.lock("a").into_future() };
    let waiting = spawn(waiting);
    let api = server.api();
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    for fault in [NetworkFault::Reset, NetworkFault::DropResponses] {
        proxy.inject(fault);
        // Any traffic breaks the connection now.
        drop(tokio::time::timeout(Duration::from_millis(700), client.status("a")).await);
        proxy.inject(NetworkFault::None);
        eventually("the session has reconnected", || async { session_count(&server).await == 1 }).await;
        eventually("the waiter is back", || async { api.status("a").await["waiters"][0]["away"] == false })
            .await;
        assert_eq!(guard.state(), GuardState::Held);
    }
    assert_eq!(api.queue_len("a").await, 1, "the waiter kept its place");
    guard.release().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().fencing_token().get(), 2);
}

#[tokio::test]
async fn client_fails_over_to_a_server_that_responds() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let dead = "http://127.0.0.1:9";
    let addresses = [dead, &proxy.url, server.url()];
    let builder = Client::builder().addresses(addresses).keep_address_order(true);
    let client = builder.connect().await.unwrap();
    let guard = client.lock("a").ttl(Duration::from_secs(12)).await.unwrap();
    eventually("the session is up", || async { session_count(&server).await == 1 }).await;
    proxy.inject(NetworkFault::Reset);
    for round in 0..20 {
        let started = now();
        client.lock(format!("b/{round}")).await.unwrap().release().await.unwrap();
        delay.assert_within("a cycle", started.elapsed(), Duration::from_secs(3));
    }
    let before = expires_at(&server.api(), "a").await;
    wait_for_renewal(&server.api(), "a", &before).await;
    assert_eq!(guard.state(), GuardState::Held, "the lease is renewed at the other server");
}

#[tokio::test]
async fn each_event_arrives_once_over_broken_connections_and_restarts() {
    let mut server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let client = client(&proxy.url).await;
    let mut events = client.events().prefix("a/");
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    let mut versions = Vec::new();
    for round in 0..6 {
        let api = server.api();
        for _ in 0..5 {
            let lease = api.lock("a/1", &Acquire::exclusive()).await;
            api.lock("other", &Acquire::shared()).await;
            api.release("a/1", &lease).await.ok();
        }
        while versions.len() < 10 * (round + 1) {
            match events.next().await.unwrap().unwrap() {
                EventItem::Event(event) => {
                    assert!(matches!(event.kind, EventKind::Granted | EventKind::Released));
                    assert_eq!(events.cursor(), Some(event.cursor.as_str()));
                    versions.push(event.version);
                }
                EventItem::Synced => {}
                item => panic!("{item:?}"),
            }
        }
        match round % 3 {
            0 => proxy.inject(NetworkFault::Reset),
            1 => server.kill9_and_restart(),
            _ => {}
        }
        if round % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            proxy.inject(NetworkFault::None);
        }
    }
    assert_eq!(versions, (1..=60).collect::<Vec<_>>());
    let mut renewals = client.events().resource("a/2").renewals(true);
    assert_eq!(renewals.next().await.unwrap().unwrap(), EventItem::Synced);
    let api = server.api();
    let lease = api.lock("a/2", &Acquire::exclusive()).await;
    assert!(matches!(renewals.next().await.unwrap().unwrap(), EventItem::Event(_)));
    api.renew("a/2", &lease).await.ok();
    assert!(matches!(renewals.next().await.unwrap().unwrap(), EventItem::Renewed(_)));
    let mut lost = client.events().after("made-up");
    assert_eq!(lost.next().await.unwrap().unwrap(), EventItem::CursorLost);
    assert_eq!(lost.next().await.unwrap().unwrap(), EventItem::Synced);
}
