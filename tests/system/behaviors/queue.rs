//! The queue: FIFO order, waiters that are away, waiters that leave.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::super::TestServer;
use crate::harness::{
    Acquire, Api, MachineDelay, client, eventually, release_test_lock, new_key, now, spawn,
};

/// Spawns an acquire that waits; returns once it is queued.
async fn enqueue(
    api: &Api,
    name: &str,
    acquire: Acquire,
) -> tokio::task::JoinHandle<crate::harness::ApiResponse> {
    let before = api.queue_len(name).await;
    let (caller, resource) = (api.clone(), name.to_owned());
    let waiting = spawn(async move { caller.acquire(&resource, &acquire).await });
    eventually("the waiter is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

#[tokio::test]
async fn b03_waiting_writer_is_granted_before_later_readers() {
    let server = TestServer::start();
    let api = server.api();
    let reader = api.lock("a", &Acquire::shared()).await;
    let writer = enqueue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    api.acquire("a", &Acquire::shared()).await.problem(423, "lock-held");
    let late: Vec<_> = [
        enqueue(&api, "a", Acquire::shared().wait(20_000)).await,
        enqueue(&api, "a", Acquire::shared().wait(20_000)).await,
    ]
    .into();
    let last = enqueue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    api.release("a", &reader).await.ok();
    let written = writer.await.unwrap().ok();
    assert_eq!(written["mode"], "exclusive");
    api.release("a", &written).await.ok();
    let leases = join_all(late).await.into_iter().map(|response| response.unwrap().ok()).collect::<Vec<_>>();
    assert_eq!(
        api.status("a").await["holder_count"],
        2,
        "the readers behind the writer are granted together"
    );
    for lease in &leases {
        api.release("a", lease).await.ok();
    }
    last.await.unwrap().ok();
}

#[tokio::test]
async fn b07_cancelled_acquire_leaves_no_orphan() {
    let server = TestServer::start();
    let api = server.api();
    let mut outcomes = HashMap::new();
    for round in 0..50 {
        let held = api.lock("a", &Acquire::exclusive()).await;
        let key = new_key();
        let waiter = enqueue(&api, "a", Acquire::exclusive().wait(20_000).key(&key)).await;
        // The grant races with the cancel; either may come first.
        let (release_after, cancel_after) = race_delays(round);
        let release = async {
            short_delay(release_after).await;
            api.release("a", &held).await.ok();
        };
        let cancel = async {
            short_delay(cancel_after).await;
            api.cancel("a", &key).await.ok()["outcome"].as_str().unwrap().to_owned()
        };
        let ((), outcome) = tokio::join!(release, cancel);
        *outcomes.entry(outcome.clone()).or_insert(0) += 1;
        let status = api.status("a").await;
        assert_eq!(
            (status["state"].as_str(), status["queue_len"].as_u64()),
            (Some("free"), Some(0)),
            "{outcome}"
        );
        assert_eq!(api.cancel("a", &key).await.ok()["outcome"], *outcome, "a retry gets the same outcome");
        api.acquire("a", &Acquire::exclusive().wait(20_000).key(&key)).await.ended(409, "cancelled");
        let response = waiter.await.unwrap();
        if outcome == "cancelled" {
            response.ended(409, "cancelled");
        }
    }
    let both = ["cancelled", "released"].map(|outcome| outcomes.remove(outcome).unwrap_or(0));
    assert!(both[0] > 0 && both[1] > 0 && outcomes.is_empty(), "{both:?} {outcomes:?}");
}

/// Delays for two racing operations: one starts at once, the other later with
/// each round.
fn race_delays(round: u32) -> (Duration, Duration) {
    let later = Duration::from_micros(40) * (round / 2);
    if round.is_multiple_of(2) { (Duration::ZERO, later) } else { (later, Duration::ZERO) }
}

/// Waits for less than the resolution of the timer.
async fn short_delay(time: Duration) {
    let until = now() + time;
    while now() < until {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn b07_dropped_lock_future_leaves_no_orphan() {
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    for round in 0..50 {
        let held = client.lock("a").await.unwrap();
        let waiting = { client.lock("a").into_future() };
        let waiting = spawn(waiting);
        eventually("the waiter is queued", || async { api.queue_len("a").await == 1 }).await;
        let (release_after, drop_after) = race_delays(round);
        let release = async {
            short_delay(release_after).await;
            held.release().await.unwrap();
        };
        let abandon = async {
            short_delay(drop_after).await;
            waiting.abort();
            drop(waiting.await);
        };
        tokio::join!(release, abandon);
        eventually("the lock is free", || async {
            let status = api.status("a").await;
            status["state"] == "free" && status["queue_len"] == 0
        })
        .await;
    }
    // In some rounds the grant came first, in others the drop.
    let kinds = api.event_kinds("a").await;
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert!(count("granted") > 50 && count("granted") < 100, "{} grants", count("granted"));
}

#[tokio::test]
async fn b07_waiter_that_disconnected_is_not_granted() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiter = enqueue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    waiter.abort();
    eventually("the server notices the disconnect", || async { api.queue_len("a").await == 0 }).await;
    api.release("a", &held).await.ok();
    assert_eq!(api.status("a").await["state"], "free");
    assert_eq!(api.event_kinds("a").await, ["granted", "queued", "cancelled", "released"]);
}

#[tokio::test]
async fn b08_release_wakes_only_the_head_of_a_thousand_waiters() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiters: Vec<_> = (0..1000)
        .map(|_| {
            let api = api.clone();
            spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000)).await })
        })
        .collect();
    eventually("all acquires are queued", || async { api.queue_len("a").await == 1000 }).await;
    let before = api.status("a").await["version"].as_u64().unwrap();
    api.release("a", &held).await.ok();
    let status = api.status("a").await;
    assert_eq!(status["queue_len"], 999);
    assert_eq!(status["version"].as_u64().unwrap(), before + 2, "one release, one grant");
    eventually("the granted acquire is answered", || async {
        waiters.iter().filter(|waiter| waiter.is_finished()).count() == 1
    })
    .await;
    for waiter in waiters {
        waiter.abort();
    }
}

#[tokio::test]
async fn b09_waiter_behind_a_dead_head_is_granted() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let next = enqueue(&api, "a", Acquire::exclusive().wait(20_000).key(&new_key())).await;
    let behind = enqueue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    next.abort();
    eventually("the first waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true })
        .await;
    assert!(!behind.is_finished(), "not before the holder releases");
    api.release("a", &held).await.ok();
    behind.await.unwrap().ok();
}

#[tokio::test]
async fn b10_one_waiter_is_granted_when_the_head_dies_at_the_release() {
    let server = TestServer::start();
    let api = server.api();
    for round in 0..24 {
        let name = format!("lock-{round}");
        let held = api.lock(&name, &Acquire::exclusive().with("owner", "holder")).await;
        // Only the lease of the dying waiter may run out.
        let waiter = |owner: &str| Acquire::exclusive().wait(60_000).with("owner", owner);
        let dying = enqueue(&api, &name, waiter("dying").ttl(300)).await;
        let living = enqueue(&api, &name, waiter("living")).await;
        let release = || async { api.release(&name, &held).await.ok() };
        match round {
            // The server knows of the death before the release.
            0 | 1 => {
                dying.abort();
                let known = || async {
                    let waiters = api.status(&name).await["waiters"].clone();
                    waiters[0]["owner"] == "living" || waiters[0]["away"] == true
                };
                eventually("the hang-up is noticed", known).await;
                release().await;
            }
            // The release grants before the death.
            2 | 3 => {
                release().await;
                dying.abort();
            }
            _ => {
                let (release_after, die_after) = race_delays(4 * (round - 4));
                let die = async {
                    short_delay(die_after).await;
                    dying.abort();
                };
                let release = async {
                    short_delay(release_after).await;
                    release().await;
                };
                tokio::join!(die, release);
            }
        }
        let lease = living.await.unwrap().ok();
        assert_eq!(api.status(&name).await["holder_count"], 1);
        api.release(&name, &lease).await.ok();

        let events = api.events(&name).await;
        let event = |event: &Value| {
            format!("{} {}", event["kind"].as_str().unwrap(), event["owner"].as_str().unwrap())
        };
        let mut story: Vec<_> = events.iter().map(event).collect();
        let skipped = "released holder, granted living";
        // The answer could not be delivered, or the lease ran out.
        let released = "released holder, granted dying, released dying, granted living";
        let expired = "released holder, granted dying, expired dying, granted living";
        let expected = match round {
            0 | 1 => vec![skipped],
            2 | 3 => vec![released, expired],
            _ => vec![skipped, released, expired],
        };
        if !story.iter().any(|event| event == "granted dying") {
            // It may leave the queue, at any time.
            if let Some(left) = story.iter().position(|event| event == "cancelled dying") {
                story.remove(left);
            }
        }
        let story = story.join(", ");
        let is_story = |end: &&str| {
            story == format!("granted holder, queued dying, queued living, {end}, released living")
        };
        assert!(expected.iter().any(is_story), "round {round}: {story}");
    }
}

#[tokio::test]
async fn b11_retry_does_not_overtake() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let first = enqueue(&api, "a", Acquire::exclusive().wait(20_000).with("owner", "first")).await;
    let acquire = Acquire::exclusive().wait(20_000).with("owner", "second").key(&new_key());
    let second = enqueue(&api, "a", acquire.clone()).await;
    let retry = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &acquire).await })
    };
    api.release("a", &held).await.ok();
    let lease = first.await.unwrap().ok();
    assert_eq!(lease["owner"], "first");
    assert_eq!(api.queue_len("a").await, 1, "a retry takes no second place");
    api.release("a", &lease).await.ok();
    let (second, retry) = (second.await.unwrap().ok(), retry.await.unwrap().ok());
    assert_eq!(second["lease_id"], retry["lease_id"], "both requests with the key get the same lease");
}

#[tokio::test]
async fn b12_waiter_that_is_away_is_skipped_and_first_again_when_back() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let leaving = Acquire::exclusive().wait(60_000).with("owner", "leaving").key(&new_key());
    let first = enqueue(&api, "a", leaving.clone()).await;
    let second = enqueue(&api, "a", Acquire::exclusive().wait(60_000)).await;
    let third = enqueue(&api, "a", Acquire::exclusive().wait(60_000)).await;
    first.abort();
    eventually("the waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    api.release("a", &held).await.ok();
    let lease = second.await.unwrap().ok();
    let back = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &leaving).await })
    };
    eventually("the waiter is back", || async { api.status("a").await["waiters"][0]["away"] == false }).await;
    api.release("a", &lease).await.ok();
    assert_eq!(back.await.unwrap().ok()["owner"], "leaving");
    assert!(!third.is_finished());
    third.abort();
}

#[tokio::test]
async fn b12_waiter_that_stays_away_loses_its_place_after_ten_seconds() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let leaving = Acquire::exclusive().wait(60_000).key(&new_key());
    enqueue(&api, "a", leaving.clone()).await.abort();
    eventually("the waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    release_test_lock();
    let noticed = crate::harness::now();
    eventually("the waiter has lost its place", || async { api.queue_len("a").await == 0 }).await;
    let kept = noticed.elapsed();
    assert!(kept > Duration::from_millis(9_500), "{kept:?}");
    delay.assert_within("the absence", kept, Duration::from_secs(11));
    let events = api.events("a").await;
    let last = events.last().unwrap();
    assert_eq!((last["kind"].as_str(), last["reason"].as_str()), (Some("cancelled"), Some("away")));
    api.acquire("a", &leaving).await.ended(409, "away");
}

#[tokio::test]
async fn b13_five_hundred_waiters_on_five_hundred_locks_are_all_granted() {
    let server = TestServer::start();
    let api = server.api();
    let held = join_all((0..500).map(|lock| {
        let api = api.clone();
        async move { (lock, api.lock(&format!("lock-{lock}"), &Acquire::exclusive()).await) }
    }))
    .await;
    let waiters: Vec<_> = (0..500)
        .map(|lock| {
            let api = api.clone();
            spawn(
                async move { api.acquire(&format!("lock-{lock}"), &Acquire::exclusive().wait(60_000)).await },
            )
        })
        .collect();
    // One list instead of five hundred statuses, which would occupy all of the
    // server's database connections.
    eventually("all acquires are queued", || async {
        api.get("/v1/locks?state=waiting&limit=1000").await.ok()["locks"].as_array().unwrap().len() == 500
    })
    .await;
    join_all(held.iter().map(|(lock, lease)| {
        let (api, name) = (api.clone(), format!("lock-{lock}"));
        async move { api.release(&name, lease).await.ok() }
    }))
    .await;
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().ok()["fencing_token"], 2);
    }
}
