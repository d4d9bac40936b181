//! Clients over HTTP that hang up, and clients that only close their sending
//! direction.

use std::time::Duration;

use super::super::TestServer;
use crate::harness::{Acquire, Api, Backend, HangUp, RawClient, RawHttp2, eventually, new_key, now};

/// What a client may have sent behind a request when it hangs up. The server
/// does not read it before it has answered the request.
const UNREAD: [&str; 3] = ["", "\r\n", "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"];

/// A lock that is held, for a waiter to wait for.
async fn hold(api: &Api, name: &str) -> serde_json::Value {
    api.lock(name, &Acquire::exclusive().ttl(60_000)).await
}

async fn wait_for_waiter(api: &Api, name: &str) {
    eventually("the waiter is queued", || async { api.queue_len(name).await == 1 }).await;
}

async fn wait_until_away(api: &Api, name: &str) {
    eventually("the waiter is away", || async { api.status(name).await["waiters"][0]["away"] == true }).await;
}

/// Waits until a keyless waiter has left, then frees the lock and asserts that
/// nothing is granted.
async fn assert_left(api: &Api, name: &str, lease: &serde_json::Value) {
    eventually("the waiter has left", || async { api.queue_len(name).await == 0 }).await;
    api.release(name, lease).await.ok();
    assert_eq!(api.status(name).await["state"], "free", "{name}");
    let events = api.events(name).await;
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["granted", "queued", "cancelled", "released"], "{name}");
    assert_eq!(events[2]["reason"], "away", "{name}");
}

#[tokio::test]
async fn b57_keyless_waiter_that_hangs_up_with_unread_bytes_leaves_at_once() {
    let server = TestServer::start();
    let api = server.api();
    for (number, more) in UNREAD.into_iter().enumerate() {
        for how in [HangUp::Close, HangUp::Reset] {
            let name = format!("{how:?}/{number}");
            let lease = hold(&api, &name).await;
            let mut client = RawClient::connect(server.url()).await;
            client.acquire(&name, &Acquire::exclusive().wait(60_000), more).await;
            wait_for_waiter(&api, &name).await;
            client.hang_up(how);
            assert_left(&api, &name, &lease).await;
        }
    }
}

#[tokio::test]
async fn b57_waiter_that_hangs_up_with_unread_bytes_is_away_until_it_returns() {
    let server = TestServer::start();
    let api = server.api();
    for (number, more) in UNREAD.into_iter().enumerate() {
        for how in [HangUp::Close, HangUp::Reset] {
            let name = format!("{how:?}/{number}");
            let lease = hold(&api, &name).await;
            let acquire = Acquire::exclusive().wait(60_000).key(&new_key());
            let mut client = RawClient::connect(server.url()).await;
            client.acquire(&name, &acquire, more).await;
            wait_for_waiter(&api, &name).await;
            client.hang_up(how);
            wait_until_away(&api, &name).await;
            api.release(&name, &lease).await.ok();
            assert_eq!(api.event_kinds(&name).await, ["granted", "queued", "released"], "{name}");
            assert_eq!(api.lock(&name, &acquire).await["fencing_token"], 2, "{name}");
        }
    }
}

#[tokio::test]
async fn b57_http2_waiter_whose_stream_or_connection_ends_leaves_at_once() {
    let server = TestServer::start();
    let api = server.api();
    for end in [None, Some(HangUp::Close), Some(HangUp::Reset)] {
        let name = format!("{end:?}");
        let lease = hold(&api, &name).await;
        let mut client = RawHttp2::connect(server.url()).await;
        client.acquire(&name, &Acquire::exclusive().wait(60_000)).await;
        wait_for_waiter(&api, &name).await;
        match end {
            Some(how) => client.hang_up(how),
            None => client.reset_stream().await,
        }
        assert_left(&api, &name, &lease).await;
    }
}

#[tokio::test]
async fn b58_half_closed_client_is_answered() {
    let server = TestServer::start();
    let api = server.api();
    for (number, more) in UNREAD.into_iter().enumerate() {
        let half_closed = async |name: &str, acquire: &Acquire| {
            let mut client = RawClient::connect(server.url()).await;
            client.acquire(name, acquire, more).await;
            client.half_close().await
        };
        let (free, taken) = (format!("free/{number}"), format!("taken/{number}"));
        let (status, lease) = half_closed(&free, &Acquire::exclusive().wait(60_000)).await;
        assert_eq!((status, &lease["fencing_token"]), (200, &1.into()), "{lease}");
        api.release(&free, &lease).await.ok();
        let lease = hold(&api, &taken).await;
        let (status, problem) = half_closed(&taken, &Acquire::exclusive()).await;
        assert_eq!((status, &problem["code"]), (423, &"lock-held".into()), "{problem}");
        // It has its place, and learns the key to return with.
        let waiting = Acquire::exclusive().wait(60_000);
        let (status, queued) = half_closed(&taken, &waiting).await;
        assert_eq!((status, &queued["position"]), (202, &1.into()), "{queued}");
        let key = queued["idempotency_key"].as_str().unwrap();
        api.release(&taken, &lease).await.ok();
        assert_eq!(api.status(&taken).await["state"], "free", "a waiter that is away is not granted");
        assert_eq!(api.lock(&taken, &waiting.key(key)).await["fencing_token"], 2);
    }
}

#[tokio::test]
async fn b58_waiter_that_half_closes_while_it_waits_keeps_its_place() {
    let server = TestServer::start();
    let api = server.api();
    let lease = hold(&api, "a").await;
    let acquire = Acquire::exclusive().wait(60_000).key(&new_key());
    let mut client = RawClient::connect(server.url()).await;
    client.acquire("a", &acquire, "").await;
    wait_for_waiter(&api, "a").await;
    let (status, queued) = client.half_close().await;
    assert_eq!(
        (status, queued["idempotency_key"].as_str()),
        (202, acquire.key.as_deref()),
        "{queued}"
    );
    let (waiting, ()) = tokio::join!(api.lock("a", &acquire), async {
        eventually("the waiter is back", || async { api.status("a").await["waiters"][0]["away"] == false })
            .await;
        api.release("a", &lease).await.ok();
    });
    assert_eq!(waiting["fencing_token"], 2);
}

#[tokio::test]
async fn b59_keyless_grant_that_cannot_be_delivered_is_released_at_once() {
    let server = TestServer::start();
    let api = server.api();
    let in_flight = async || {
        let metrics = api.get("/metrics").await.text;
        let line = metrics.lines().find_map(|line| line.strip_prefix("dlm_requests_in_flight "));
        // Without this request itself.
        line.and_then(|value| value.parse::<u64>().ok()).expect("the metric") - 1
    };
    // The database makes the grants wait until their callers are gone. Returns the
    // names, unless it took so long that the database counts as unavailable.
    let grant_to_nobody = async |acquire: &Acquire| {
        let (keyless, keyed) = (new_key(), new_key());
        let blocked = (server.database().block_writes(), now());
        let mut clients = Vec::new();
        for (name, acquire) in [(&keyless, acquire.clone()), (&keyed, acquire.clone().key(&new_key()))] {
            let mut client = RawClient::connect(server.url()).await;
            client.acquire(name, &acquire, "").await;
            clients.push(client);
        }
        eventually("the requests have arrived", || async { in_flight().await == 2 }).await;
        clients.into_iter().for_each(|client| client.hang_up(HangUp::Reset));
        eventually("the callers are gone", || async { in_flight().await == 0 }).await;
        (blocked.1.elapsed() < Duration::from_secs(1)).then_some((keyless, keyed))
    };
    let granted_to_nobody = async |wait_ms: u64| {
        let acquire = Acquire::exclusive().ttl(60_000).wait(wait_ms);
        for _ in 0..20 {
            let Some((keyless, keyed)) = grant_to_nobody(&acquire).await else { continue };
            // Granted once the lease of the caller that is gone has been released.
            api.lock(&keyless, &Acquire::exclusive().wait(30_000)).await;
            let mut kinds = api.event_kinds(&keyless).await;
            // That lease may have been released later than this acquire arrived.
            kinds.retain(|kind| kind != "queued");
            // If the writer was busy with something else, the acquire was withdrawn
            // before it was executed.
            if kinds != ["granted"] {
                assert_eq!(kinds, ["granted", "released", "granted"]);
                return keyed;
            }
        }
        panic!("no acquire was executed while its caller hung up");
    };
    granted_to_nobody(60_000).await;
    let keyed = granted_to_nobody(0).await;
    eventually("the other grant is kept", || async { api.event_kinds(&keyed).await == ["granted"] }).await;
    assert_eq!(api.status(&keyed).await["state"], "held");
}
