//! Servers and networks that stop responding, and when the client leaves them.

use std::future::IntoFuture;
use std::time::Duration;

use dlm_client::{Client, ClientBuilder, GuardState, TransportKind};
use serde_json::json;

use super::link::Link;
use super::server::{
    ReceivedRequest, ScriptedFrames, ScriptedReply, ScriptedServer, SessionMode, accept_all,
};
use super::socket::accept_frame;
use super::time::drive;
use crate::clock::ManualClock;

const TTL: Duration = Duration::from_secs(30);
const TTL_MS: u64 = 30_000;
const MS: Duration = Duration::from_millis(1);

fn over_http(servers: &[&ScriptedServer]) -> ClientBuilder {
    let urls = servers.iter().map(|server| server.url.clone());
    Client::builder().addresses(urls).keep_address_order(true).transport(TransportKind::Http)
}

#[tokio::test]
async fn b71_frozen_server_costs_a_part_of_a_call_over_http_and_not_the_call() {
    let (frozen, other) = (ScriptedServer::start(accept_all(TTL_MS)), {
        let mut accept = accept_all(TTL_MS);
        ScriptedServer::start(move |request| match request.operation() {
            "check" => ScriptedReply::Json(200, json!({"live": true, "mode": null, "current_token": 9})),
            _ => accept(request),
        })
    });
    let timeout = Duration::from_secs(3);
    let client = over_http(&[&frozen, &other]).request_timeout(timeout).connect().await.unwrap();
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    frozen.freeze();
    assert!(client.check("orders/42", guard.fencing_token()).await.unwrap().live);
    // The client stays at the server that responds.
    assert!(client.try_lock("orders/42").await.unwrap().is_some());
    guard.renew(TTL).await.unwrap();
    guard.release().await.unwrap();
    client.close(timeout).await.unwrap();
    assert_eq!(other.seen_of("release").len(), 2);
}

#[tokio::test]
async fn b71_every_server_gets_a_share_of_the_time_also_for_a_new_client() {
    let servers: Vec<_> = (0..3).map(|_| ScriptedServer::start(accept_all(TTL_MS))).collect();
    servers[0].freeze();
    servers[1].freeze();
    let servers: Vec<_> = servers.iter().collect();
    let client = over_http(&servers).request_timeout(Duration::from_secs(3)).connect().await.unwrap();
    drop(client.lock("orders/42").await.unwrap());
    assert_eq!(servers[2].seen_of("acquire").len(), 1);
}

/// The place in the queue is kept for ten seconds.
#[tokio::test]
async fn wait_over_http_leaves_a_server_that_stops_responding_within_ten_seconds() {
    let mut accept = accept_all(TTL_MS);
    let silent = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => ScriptedReply::Silence,
        _ => accept(request),
    });
    let other = ScriptedServer::start(accept_all(TTL_MS));
    let clock = ManualClock::new();
    let client = over_http(&[&silent, &other]).clock(clock.clock()).connect().await.unwrap();
    let waiting = tokio::spawn(client.lock("orders/42").ttl(TTL).into_future());
    let first = silent.wait_for("acquire", 1).await;
    let stopped_at = clock.now();
    silent.freeze();
    let guard = drive(&clock, 5 * MS, waiting).await.unwrap().unwrap();
    let took = clock.now().duration_since(stopped_at);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(first[0].key, other.seen_of("acquire")[0].key);
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn wait_over_http_stays_at_a_server_that_responds() {
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => ScriptedReply::After(2_000 * MS, Box::new(accept(request))),
        _ => accept(request),
    });
    let clock = ManualClock::new();
    let client = over_http(&[&server]).clock(clock.clock()).connect().await.unwrap();
    let started_at = clock.now();
    let waiting = client.lock("orders/42").ttl(TTL).into_future();
    drop(drive(&clock, 10 * MS, waiting).await.unwrap());
    assert!(clock.now().duration_since(started_at) > Duration::from_secs(2), "the server was probed");
    assert_eq!(server.seen_of("acquire").len(), 1);
}

#[tokio::test]
async fn session_that_breaks_at_once_is_opened_less_and_less_often() {
    let server = ScriptedServer::with(SessionMode::Flap, accept_all(TTL_MS));
    let clock = ManualClock::new();
    let _client = server.client_with(&clock).await;
    let begun = clock.now();
    drive(&clock, 10 * MS, async {
        while clock.now().duration_since(begun) < Duration::from_secs(6) {
            tokio::time::sleep(MS).await;
        }
    })
    .await;
    // Delays of 25, 50, 100, … ms up to a second, each longer by a random part.
    let sessions = server.sessions();
    assert!((3..=14).contains(&sessions), "{sessions}");
}

#[tokio::test]
async fn event_stream_that_breaks_at_once_is_opened_less_and_less_often() {
    let mut accept = accept_all(TTL_MS);
    let is_stream = |request: &ReceivedRequest| request.path.starts_with("/v1/events");
    let server = ScriptedServer::start(move |request| match is_stream(request) {
        true => ScriptedReply::Flap,
        false => accept(request),
    });
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let mut events = client.events();
    let begun = clock.now();
    drive(&clock, 10 * MS, async {
        while clock.now().duration_since(begun) < Duration::from_secs(6) {
            let item = tokio::time::timeout(MS, events.next()).await;
            assert!(item.is_err(), "the stream reconnects without a word: {item:?}");
        }
    })
    .await;
    // The delays are those of a session.
    let opened = server.seen().iter().filter(|request| is_stream(request)).count();
    assert!((3..=14).contains(&opened), "{opened}");
}

#[tokio::test]
async fn lock_with_a_short_ttl_on_a_slow_network_does_not_end_the_session_of_the_others() {
    let server = ScriptedServer::in_session(600, |request| accept_frame(request, 600));
    let link = Link::to(&server.url).await;
    for kind in [TransportKind::Auto, TransportKind::Session] {
        let sessions = server.sessions() + 1;
        let client = Client::builder().address(&link.url).transport(kind).connect().await.unwrap();
        while server.sessions() < sessions {
            tokio::time::sleep(5 * MS).await;
        }
        let short = client.lock("short").ttl(600 * MS).await.unwrap();
        // The round trip becomes longer than the lease.
        link.set_delay(350 * MS);
        short.lost().await;
        link.set_delay(Duration::ZERO);
        drop(short);
        client.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(server.sessions(), sessions, "{kind:?}");
    }
}

#[tokio::test]
async fn renewal_that_a_silent_session_holds_up_is_repeated_over_http_at_another_server() {
    let silent = ScriptedServer::in_session(2_000, |request| match request.operation() {
        "renew" => ScriptedFrames::Freeze,
        _ => accept_frame(request, 2_000),
    });
    let mut accept = accept_all(2_000);
    let other = ScriptedServer::start(move |request| accept(request));
    let urls = [silent.url.clone(), other.url.clone()];
    let client = Client::builder().addresses(urls).keep_address_order(true).connect().await.unwrap();
    while silent.sessions() == 0 {
        tokio::time::sleep(5 * MS).await;
    }
    let guard = client.lock("orders/42").ttl(2_000 * MS).await.unwrap();
    let renewals = other.wait_for("renew", 3).await;
    assert_eq!(renewals[0].path, "/v1/renew");
    assert_eq!(guard.state(), GuardState::Held);
}
