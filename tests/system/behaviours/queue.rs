//! Waiting: in turn, away, gone.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::TestServer;
use crate::harness::{Acquire, Api, alone, client, eventually, key, now, spawn};

/// Sends an acquire that waits, and sees it queued.
async fn queue(api: &Api, name: &str, acquire: Acquire) -> tokio::task::JoinHandle<crate::harness::Answer> {
    let before = api.queue_len(name).await;
    let (asking, asked) = (api.clone(), name.to_owned());
    let waiting = spawn(async move { asking.acquire(&asked, &acquire).await });
    eventually("the waiter is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

#[tokio::test]
async fn b03_a_waiting_writer_is_served_before_readers_that_come_later() {
    let server = TestServer::start();
    let api = server.api();
    let reader = api.lock("a", &Acquire::shared()).await;
    let writer = queue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    api.acquire("a", &Acquire::shared()).await.problem(423, "lock-held");
    let late: Vec<_> = [
        queue(&api, "a", Acquire::shared().wait(20_000)).await,
        queue(&api, "a", Acquire::shared().wait(20_000)).await,
    ]
    .into();
    let last = queue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    api.release("a", &reader).await.ok();
    let written = writer.await.unwrap().ok();
    assert_eq!(written["mode"], "exclusive");
    api.release("a", &written).await.ok();
    let read = join_all(late).await.into_iter().map(|answer| answer.unwrap().ok()).collect::<Vec<_>>();
    assert_eq!(api.status("a").await["holder_count"], 2, "the readers behind it are granted together");
    for lease in &read {
        api.release("a", lease).await.ok();
    }
    last.await.unwrap().ok();
}

#[tokio::test]
async fn b07_a_cancelled_acquire_leaves_no_orphan() {
    let server = TestServer::start();
    let api = server.api();
    let mut outcomes = HashMap::new();
    for round in 0..50 {
        let held = api.lock("a", &Acquire::exclusive()).await;
        let waiting = key();
        let waiter = queue(&api, "a", Acquire::exclusive().wait(20_000).key(&waiting)).await;
        // The grant and the cancel are on their way at once, now one first, now
        // the other.
        let (release_after, cancel_after) = one_first(round);
        let release = async {
            soon(release_after).await;
            api.release("a", &held).await.ok();
        };
        let cancel = async {
            soon(cancel_after).await;
            api.cancel("a", &waiting).await.ok()["outcome"].as_str().unwrap().to_owned()
        };
        let ((), outcome) = tokio::join!(release, cancel);
        *outcomes.entry(outcome.clone()).or_insert(0) += 1;
        let status = api.status("a").await;
        assert_eq!(
            (status["state"].as_str(), status["queue_len"].as_u64()),
            (Some("free"), Some(0)),
            "{outcome}"
        );
        assert_eq!(api.cancel("a", &waiting).await.ok()["outcome"], *outcome, "a repeat gives the same");
        api.acquire("a", &Acquire::exclusive().wait(20_000).key(&waiting)).await.ended(409, "cancelled");
        let answer = waiter.await.unwrap();
        if outcome == "cancelled" {
            answer.ended(409, "cancelled");
        }
    }
    let both = ["cancelled", "released"].map(|outcome| outcomes.remove(outcome).unwrap_or(0));
    assert!(both[0] > 0 && both[1] > 0 && outcomes.is_empty(), "{both:?} {outcomes:?}");
}

/// How long two wait that race: one is sent at once, the other ever later.
fn one_first(round: u32) -> (Duration, Duration) {
    let later = Duration::from_micros(40) * (round / 2);
    if round.is_multiple_of(2) { (Duration::ZERO, later) } else { (later, Duration::ZERO) }
}

/// Waits for less than the timer can count.
async fn soon(time: Duration) {
    let until = now() + time;
    while now() < until {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn b07_a_dropped_lock_future_leaves_no_orphan() {
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    for round in 0..50 {
        let held = client.lock("a").await.unwrap();
        let waiting = { client.lock("a").into_future() };
        let waiting = spawn(waiting);
        eventually("the waiter is queued", || async { api.queue_len("a").await == 1 }).await;
        let (release_after, drop_after) = one_first(round);
        let release = async {
            soon(release_after).await;
            held.release().await.unwrap();
        };
        let abandon = async {
            soon(drop_after).await;
            waiting.abort();
            drop(waiting.await);
        };
        tokio::join!(release, abandon);
        eventually("nothing is left", || async {
            let status = api.status("a").await;
            status["state"] == "free" && status["queue_len"] == 0
        })
        .await;
    }
    // Now the grant came first, now the drop.
    let kinds = api.kinds("a").await;
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert!(count("granted") > 50 && count("granted") < 100, "{} were granted", count("granted"));
}

#[tokio::test]
async fn b07_one_that_hung_up_is_not_granted() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiter = queue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    waiter.abort();
    eventually("the server has noticed", || async { api.queue_len("a").await == 0 }).await;
    api.release("a", &held).await.ok();
    assert_eq!(api.status("a").await["state"], "free");
    assert_eq!(api.kinds("a").await, ["granted", "queued", "cancelled", "released"]);
}

#[tokio::test]
async fn b08_a_release_wakes_the_head_alone_of_a_thousand() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiters: Vec<_> = (0..1000)
        .map(|_| {
            let api = api.clone();
            spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000)).await })
        })
        .collect();
    eventually("all are queued", || async { api.queue_len("a").await == 1000 }).await;
    let before = api.status("a").await["version"].as_u64().unwrap();
    api.release("a", &held).await.ok();
    let status = api.status("a").await;
    assert_eq!(status["queue_len"], 999);
    assert_eq!(status["version"].as_u64().unwrap(), before + 2, "one release, one grant");
    eventually("the one that was granted is answered", || async {
        waiters.iter().filter(|waiter| waiter.is_finished()).count() == 1
    })
    .await;
    for waiter in waiters {
        waiter.abort();
    }
}

#[tokio::test]
async fn b09_the_next_in_line_dies_and_the_one_behind_is_served() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let next = queue(&api, "a", Acquire::exclusive().wait(20_000).key(&key())).await;
    let behind = queue(&api, "a", Acquire::exclusive().wait(20_000)).await;
    next.abort();
    eventually("the first is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    assert!(!behind.is_finished(), "not before the holder releases");
    api.release("a", &held).await.ok();
    behind.await.unwrap().ok();
}

#[tokio::test]
async fn b10_a_waiter_dies_as_the_holder_releases_and_one_is_granted() {
    let server = TestServer::start();
    let api = server.api();
    for _ in 0..20 {
        let held = api.lock("a", &Acquire::exclusive().ttl(1000)).await;
        let dying = queue(&api, "a", Acquire::exclusive().wait(20_000).ttl(300)).await;
        let living = queue(&api, "a", Acquire::exclusive().wait(20_000).ttl(1000)).await;
        let released = {
            let api = api.clone();
            spawn(async move { api.release("a", &held).await })
        };
        dying.abort();
        released.await.unwrap().ok();
        // Granted at once, or once the grant to the dead has run out.
        let lease = living.await.unwrap().ok();
        assert_eq!(api.status("a").await["holder_count"], 1);
        api.release("a", &lease).await.ok();
    }
}

#[tokio::test]
async fn b11_a_repeat_does_not_overtake() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let first = queue(&api, "a", Acquire::exclusive().wait(20_000).with("owner", "first")).await;
    let again = Acquire::exclusive().wait(20_000).with("owner", "second").key(&key());
    let second = queue(&api, "a", again.clone()).await;
    let repeat = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &again).await })
    };
    api.release("a", &held).await.ok();
    let lease = first.await.unwrap().ok();
    assert_eq!(lease["owner"], "first");
    assert_eq!(api.queue_len("a").await, 1, "a repeat takes no second place");
    api.release("a", &lease).await.ok();
    let (second, repeat) = (second.await.unwrap().ok(), repeat.await.unwrap().ok());
    assert_eq!(second["lease_id"], repeat["lease_id"], "both requests with the key get the one lease");
}

#[tokio::test]
async fn b12_one_that_is_away_is_passed_over_and_first_again_when_it_is_back() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let leaving = Acquire::exclusive().wait(60_000).with("owner", "leaving").key(&key());
    let first = queue(&api, "a", leaving.clone()).await;
    let second = queue(&api, "a", Acquire::exclusive().wait(60_000)).await;
    let third = queue(&api, "a", Acquire::exclusive().wait(60_000)).await;
    first.abort();
    eventually("it is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    api.release("a", &held).await.ok();
    let passing = second.await.unwrap().ok();
    let back = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &leaving).await })
    };
    eventually("it is back", || async { api.status("a").await["waiters"][0]["away"] == false }).await;
    api.release("a", &passing).await.ok();
    assert_eq!(back.await.unwrap().ok()["owner"], "leaving");
    assert!(!third.is_finished());
    third.abort();
}

#[tokio::test]
async fn b12_one_that_stays_away_loses_its_place_after_ten_seconds() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let leaving = Acquire::exclusive().wait(60_000).key(&key());
    queue(&api, "a", leaving.clone()).await.abort();
    eventually("it is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    let noticed = crate::harness::now();
    eventually("it lost its place", || async { api.queue_len("a").await == 0 }).await;
    let kept = noticed.elapsed();
    assert!(kept > Duration::from_millis(9_500) && kept < Duration::from_secs(11), "{kept:?}");
    let events = api.events("a").await;
    let last = events.last().unwrap();
    assert_eq!((last["kind"].as_str(), last["reason"].as_str()), (Some("cancelled"), Some("away")));
    api.acquire("a", &leaving).await.ended(409, "away");
}

#[tokio::test]
async fn b13_five_hundred_waiters_on_five_hundred_locks_are_all_served() {
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
    // One looks for all: five hundred who did would have all connections busy.
    eventually("all wait", || async {
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
