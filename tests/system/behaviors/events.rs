//! The event stream.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use super::super::{Database, TestServer};
use crate::harness::{Acquire, Api, Backend, SeededRng, WebSocket, eventually, new_key, spawn};

fn after(cursor: &Value) -> String {
    format!("?after={}", cursor.as_str().expect("a cursor"))
}

#[tokio::test]
async fn stream_replays_the_log_and_continues_live() {
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].clone();
    let lease = api.lock("a", &Acquire::exclusive().with("owner", "one")).await;
    api.lock("b", &Acquire::shared()).await;
    let mut all = WebSocket::events(server.url(), &after(&start)).await;
    let mut live = WebSocket::events(server.url(), "").await;
    let mut only_b = WebSocket::events(server.url(), "?resource=b&renewals=true").await;
    let first = all.next_event().await;
    assert_eq!(
        (&first["type"], &first["kind"], &first["resource"]),
        (&json!("event"), &json!("granted"), &json!("a"))
    );
    assert_eq!(first["owner"], "one");
    assert_eq!(all.next_event().await["resource"], "b");
    assert_eq!(all.next_event().await["type"], "synced");
    assert_eq!(live.next_event().await["type"], "synced");
    assert_eq!(only_b.next_event().await["type"], "synced");
    api.release("a", &lease).await.ok();
    for stream in [&mut all, &mut live] {
        let event = stream.next_event().await;
        assert_eq!((&event["kind"], &event["fencing_token"]), (&json!("released"), &json!(1)));
    }
    let lease = api.lock("b", &Acquire::shared()).await;
    assert_eq!(only_b.next_event().await["kind"], "granted");
    api.renew("b", &lease).await.ok();
    let renewed = only_b.next_event().await;
    assert_eq!((&renewed["type"], &renewed["fencing_token"]), (&json!("renewed"), &json!(2)));
    assert!(renewed.get("cursor").is_none());
}

#[tokio::test]
async fn events_come_in_batches_to_those_that_want_it() {
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].clone();
    let mut singly = WebSocket::events(server.url(), "").await;
    let mut batched = WebSocket::events(server.url(), "?batch_ms=250&renewals=true").await;
    assert_eq!(singly.next_event().await["type"], "synced");
    assert_eq!(batched.next_lines().await[0]["type"], "synced");
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    assert_eq!(batched.next_lines().await.len(), 1, "the first comes at once");
    let burst: Vec<_> = (0..20).map(|number| format!("burst/{number}")).collect();
    let acquire = Acquire::exclusive().ttl(60_000);
    join_all(burst.iter().map(|name| api.lock(name, &acquire))).await;
    api.renew("a", &lease).await.ok();
    let mut messages = Vec::new();
    let mut received = Vec::new();
    while received.len() < burst.len() + 1 {
        let lines = batched.next_lines().await;
        messages.push(lines.len());
        received.extend(lines);
    }
    assert!(messages.iter().any(|lines| *lines > 1) && messages.len() < burst.len(), "{messages:?}");
    received.retain(|message| message["type"] != "renewed");
    let mut expected = vec![singly.next_event().await];
    for _ in &burst {
        expected.push(singly.next_event().await);
    }
    assert_eq!(received, expected[1..], "the same events in the same order");
    // Also stored events.
    let mut replayed = WebSocket::events(server.url(), &format!("{}&batch_ms=1", after(&start))).await;
    let mut stored = Vec::new();
    while stored.len() < expected.len() {
        stored.extend(replayed.next_lines().await);
    }
    assert_eq!(stored, expected);
    api.get("/v1/events?batch_ms=1").await.problem(400, "invalid-request");
}

#[tokio::test]
async fn b39_expiry_is_streamed_live() {
    let server = TestServer::start();
    let mut stream = WebSocket::events(server.url(), "?prefix=a").await;
    assert_eq!(stream.next_event().await["type"], "synced");
    server.api().lock("a/1", &Acquire::exclusive().ttl(150)).await;
    assert_eq!(stream.next_event().await["kind"], "granted");
    let expired = stream.next_event().await;
    assert_eq!((&expired["kind"], &expired["current_token"]), (&json!("expired"), &json!(2)));
}

/// The state of a resource, rebuilt from its events.
#[derive(Debug, Default, PartialEq)]
struct RebuiltResource {
    holders: BTreeMap<u64, Value>,
    queue: Vec<Value>,
    current_token: Value,
    version: Value,
}

impl RebuiltResource {
    fn apply(&mut self, event: &Value) {
        let token = event["fencing_token"].as_u64();
        match event["kind"].as_str().unwrap() {
            "queued" => self.queue.push(event["waiter_id"].clone()),
            "granted" => {
                self.queue.retain(|waiter| *waiter != event["waiter_id"]);
                self.holders.insert(token.unwrap(), event["mode"].clone());
            }
            "released" | "expired" | "force_released" => drop(self.holders.remove(&token.unwrap())),
            _ => self.queue.retain(|waiter| *waiter != event["waiter_id"]),
        }
        assert_eq!(event["queue_len"], self.queue.len());
        self.current_token = event["current_token"].clone();
        self.version = event["version"].clone();
    }

    fn from_status(status: &Value) -> Self {
        let list = |field: &str| status[field].as_array().unwrap().iter();
        let holder = |holder: &Value| (holder["fencing_token"].as_u64().unwrap(), holder["mode"].clone());
        Self {
            holders: list("holders").map(holder).collect(),
            queue: list("waiters").map(|waiter| waiter["waiter_id"].clone()).collect(),
            current_token: status["current_token"].clone(),
            version: status["version"].clone(),
        }
    }
}

/// Runs callers that acquire, release, force-release and abandon a few locks, at
/// all of these servers.
async fn run_mixed_load(apis: &[Api], callers: usize, rounds: usize) {
    let caller = |caller: usize| {
        let api = apis[caller % apis.len()].clone();
        spawn(async move {
            for round in 0..rounds {
                let name = format!("mixed/{}", (caller + round) % 3);
                let acquire =
                    if (caller + round).is_multiple_of(3) { Acquire::shared() } else { Acquire::exclusive() };
                let response = api.acquire(&name, &acquire.ttl(250).wait(400).key(&new_key())).await;
                if response.status != 200 {
                    continue;
                }
                let lease = response.json();
                match (caller * 7 + round) % 5 {
                    0 => {}
                    1 => drop(api.force_release(&name, &lease["fencing_token"]).await),
                    _ => drop(api.release(&name, &lease).await),
                }
            }
        })
    };
    for caller in (0..callers).map(caller).collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn b43_events_rebuild_the_state_that_status_shows() {
    let server = TestServer::start();
    let api = server.api();
    run_mixed_load(std::slice::from_ref(&api), 12, 12).await;
    // Some holders and waiters remain for the comparison.
    let held = api.lock("mixed/held", &Acquire::shared().ttl(60_000)).await;
    for _ in 0..3 {
        let api = api.clone();
        spawn(
            async move { api.try_acquire("mixed/held", &Acquire::exclusive().wait(60_000)).await.map(drop) },
        );
    }
    eventually("three acquires are queued", || async { api.queue_len("mixed/held").await == 3 }).await;
    assert_eq!(held["mode"], "shared");
    eventually("the other leases have expired", || async {
        api.get("/v1/locks?prefix=mixed/").await.ok()["locks"].as_array().unwrap().len() == 1
    })
    .await;
    let mut rebuilt: HashMap<String, RebuiltResource> = HashMap::new();
    let mut versions: HashMap<String, u64> = HashMap::new();
    let start = api.get("/v1/events?limit=1").await.ok()["events"][0].clone();
    let mut stream = WebSocket::events(server.url(), &after(&start["cursor"])).await;
    let mut event = start;
    while event["type"] == "event" {
        let name = event["resource"].as_str().unwrap().to_owned();
        let version = versions.entry(name.clone()).or_default();
        *version += 1;
        assert_eq!(event["version"], *version, "each event exactly once, in order");
        rebuilt.entry(name).or_default().apply(&event);
        event = stream.next_event().await;
    }
    assert_eq!(rebuilt.len(), 4);
    for (name, rebuilt) in &rebuilt {
        assert_eq!(*rebuilt, RebuiltResource::from_status(&api.status(name).await), "{name}");
    }
}

#[tokio::test]
async fn b44_subscribers_that_reconnect_to_random_servers_see_every_event_once() {
    let database = Arc::new(Database::new());
    let servers: Vec<TestServer> =
        (0..Database::MAX_SERVERS).map(|_| TestServer::on(&database, &[])).collect();
    let apis: Vec<Api> = servers.iter().map(TestServer::api).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let api = &apis[0];
    let rng = SeededRng::new();
    let start = api.get("/v1/events").await.ok()["cursor"].clone();
    let subscribers: Vec<_> = (0..6)
        .map(|subscriber| {
            let (urls, mut cursor, mut rng) = (urls.clone(), start.clone(), rng.fork(subscriber));
            spawn(async move {
                let mut seen = Vec::new();
                loop {
                    let url = &urls[rng.below(urls.len())];
                    let path = format!("/v1/events{}", after(&cursor));
                    let mut stream = match WebSocket::try_open(url, &path, "dlm.events.v1").await {
                        Ok(stream) => stream,
                        Err(Error::Http(response)) if response.status() == 503 => continue,
                        Err(error) => panic!("{error}"),
                    };
                    for _ in 0..1 + rng.below(30) {
                        let message = stream.next().await;
                        if let Some(resumable) = message.get("cursor") {
                            cursor = resumable.clone();
                        }
                        if message["type"] == "event" {
                            if message["resource"] == "the/end" {
                                return seen;
                            }
                            seen.push((
                                message["resource"].clone(),
                                message["version"].clone(),
                                cursor.clone(),
                            ));
                        }
                    }
                }
            })
        })
        .collect();
    run_mixed_load(&apis, 8, 12).await;
    eventually("all leases have ended", || async {
        api.get("/v1/locks?prefix=mixed/").await.ok()["locks"].as_array().unwrap().is_empty()
    })
    .await;
    api.lock("the/end", &Acquire::exclusive()).await;
    let mut logs = Vec::new();
    for subscriber in subscribers {
        logs.push(subscriber.await.unwrap());
    }
    assert!(logs[0].len() > 100);
    assert!(logs.iter().all(|log| *log == logs[0]), "all subscribers saw the same log");
    let mut versions: HashMap<Value, u64> = HashMap::new();
    for (resource, version, _) in &logs[0] {
        let expected = versions.entry(resource.clone()).or_default();
        *expected += 1;
        assert_eq!(version, expected, "{resource}");
    }
}

#[tokio::test]
async fn b45_paged_list_is_continued_by_events_after_its_first_cursor() {
    let server = TestServer::start();
    let api = server.api();
    for lock in 0..30 {
        api.lock(&format!("list/{lock:02}"), &Acquire::exclusive().ttl(60_000)).await;
    }
    let writer = {
        let api = api.clone();
        spawn(async move {
            for round in 0..60 {
                let name = format!("list/{:02}", (round * 7) % 40);
                let status = api.status(&name).await;
                match status["holders"][0]["fencing_token"].as_u64() {
                    Some(token) => drop(api.force_release(&name, &json!(token)).await),
                    None => drop(api.lock(&name, &Acquire::exclusive().ttl(60_000)).await),
                }
            }
        })
    };
    let mut state: BTreeMap<String, (u64, bool)> = BTreeMap::new();
    let (mut first, mut next) = (None, String::new());
    loop {
        let page = api.get(&format!("/v1/locks?prefix=list/&state=all&limit=4{next}")).await.ok();
        first.get_or_insert(page["cursor"].clone());
        for lock in page["locks"].as_array().unwrap() {
            let row = (lock["version"].as_u64().unwrap(), lock["state"] == "held");
            state.insert(lock["resource"].as_str().unwrap().to_owned(), row);
        }
        match page["next"].as_str() {
            Some(name) => next = format!("&after={}", crate::harness::encode(name)),
            None => break,
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    writer.await.unwrap();
    let end = api.lock("list/the/end", &Acquire::exclusive()).await;
    let mut stream =
        WebSocket::events(server.url(), &format!("{}&prefix=list/", after(&first.unwrap()))).await;
    loop {
        let event = stream.next_event().await;
        if event["resource"] == end["resource"] {
            break;
        }
        let row = state.entry(event["resource"].as_str().unwrap().to_owned()).or_default();
        let version = event["version"].as_u64().unwrap();
        if version > row.0 {
            assert_eq!(version, row.0 + 1, "no event is missed");
            *row = (version, event["kind"] == "granted");
        }
    }
    for (name, (version, held)) in state {
        let status = api.status(&name).await;
        assert_eq!((status["version"].as_u64(), status["state"] == "held"), (Some(version), held), "{name}");
    }
}
