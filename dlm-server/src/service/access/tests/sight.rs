//! What a caller sees, also when its rights change.

use std::time::Duration;

use bytes::Bytes;
use dlm_protocol::ForceReleaseRequest;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameSocket};

use super::{Fixture, name, policy, principal};
use crate::auth::{Policy, Principal, Role};
use crate::service::{Error, EventFilter, EventsQuery, Operation, Outcome, Subscription, SubscriptionItem};

#[tokio::test]
async fn callers_see_only_what_they_may_observe() {
    let all = principal("all");
    let some = principal("some");
    let visible = ["a", "a/1", "a/2", "c/d", "c/d/e"];
    let hidden = ["a!", "a.x", "ab", "b", "c", "c/dd", "d", "\u{e9}"];
    let fixture = Fixture::new(policy(&[
        ("all", &[(Role::Admin, "")]),
        ("some", &[(Role::Observe, "a/"), (Role::Lock, "c/d"), (Role::Observe, "a/1")]),
    ]))
    .await;
    let mut subscription = fixture.subscribe(&some, None).await;
    for resource in visible.iter().chain(&hidden) {
        fixture.acquire(&all, resource).await.unwrap();
    }
    for limit in 1..=6 {
        assert_eq!(fixture.listed(&some, "", limit).await, visible);
    }
    assert_eq!(fixture.listed(&some, "a/", 1).await, ["a/1", "a/2"]);
    assert_eq!(fixture.listed(&some, "ab", 10).await, [""; 0]);
    assert_eq!(fixture.listed(&all, "", 2).await.len(), visible.len() + hidden.len());

    assert_eq!(fixture.events(&some, false).await, visible);
    assert_eq!(fixture.events(&some, true).await, visible);
    let live = events_until_quiet(&mut subscription).await;
    assert_eq!(live, visible);
    let mut stored = fixture.subscribe(&some, Some(&start(&fixture, &all).await)).await;
    assert_eq!(events_until_quiet(&mut stored).await, visible[1..]);

    let overview = |caller: Principal| async {
        match fixture.service.call(&{ caller }, Operation::Overview { seconds: 10 }).await {
            Ok(Outcome::Overview(overview)) => overview,
            other => panic!("{other:?}"),
        }
    };
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let granted = |overview: &dlm_protocol::Overview| -> u64 {
        overview.seconds.iter().map(|second| second.granted).sum()
    };
    let (of_all, of_some) = (overview(all).await, overview(some).await);
    assert_eq!((of_some.held, of_some.leases), (visible.len() as u64, visible.len() as u64));
    assert_eq!(granted(&of_some), visible.len() as u64);
    assert_eq!(granted(&of_all), (visible.len() + hidden.len()) as u64);
}

/// A cursor after the first event.
async fn start(fixture: &Fixture, all: &Principal) -> String {
    let query = EventsQuery { limit: 1, ..EventsQuery::default() };
    match fixture.service.call(all, Operation::Events(query)).await {
        Ok(Outcome::Events(page)) => page.events[0].cursor.clone(),
        other => panic!("{other:?}"),
    }
}

/// The resources of the events in frames.
fn resources_of(frames: Bytes) -> Vec<String> {
    let mut socket = FrameSocket::new(std::io::Cursor::new(frames));
    let frames = std::iter::from_fn(|| socket.read(None).unwrap());
    let event = |frame: Frame| serde_json::from_slice::<dlm_protocol::Event>(frame.payload()).unwrap();
    frames.map(|frame| event(frame).resource.to_string()).collect()
}

/// The resources of all events that come until none comes for a while.
async fn events_until_quiet(subscription: &mut Subscription) -> Vec<String> {
    let mut resources = Vec::new();
    while let Ok(next) = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await {
        if let Ok(SubscriptionItem::Events(batch)) = next {
            resources.extend(batch.frames.into_iter().flat_map(resources_of));
        }
    }
    resources
}

#[tokio::test]
async fn holders_and_events_name_the_principal() {
    let (one, boss) = (principal("one"), principal("boss"));
    let fixture = Fixture::new(Policy::open()).await;
    fixture.acquire(&Principal::anonymous(), "before").await.unwrap();
    fixture.policies.replace(policy(&[("one", &[(Role::Lock, "")]), ("boss", &[(Role::Admin, "")])]));
    let lease = fixture.acquire(&one, "a").await.unwrap();
    let holder = |resource: &'static str| async {
        match fixture.service.call(&boss, Operation::Status { resource: name(resource) }).await {
            Ok(Outcome::Status(status)) => status.holders[0].principal.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(holder("a").await.as_deref(), Some("one"));
    assert_eq!(holder("before").await, None);
    let request = ForceReleaseRequest {
        fencing_token: lease.fencing_token,
        reason: "test".to_owned().try_into().unwrap(),
    };
    let ended = fixture.service.call(&boss, Operation::ForceRelease { resource: name("a"), request }).await;
    let Ok(Outcome::ForceReleased(ended)) = ended else { panic!("{ended:?}") };
    assert_eq!(ended.released.principal.as_deref(), Some("one"));
    let query = EventsQuery { limit: 9, newest: true, ..EventsQuery::default() };
    let Ok(Outcome::Events(page)) = fixture.service.call(&boss, Operation::Events(query)).await else {
        panic!("no events");
    };
    let named: Vec<_> =
        page.events.iter().map(|event| (event.principal.as_deref(), event.by.as_deref())).collect();
    assert_eq!(named, [(None, None), (Some("one"), None), (None, Some("boss"))]);
}

#[tokio::test]
async fn right_that_is_taken_away_ends_at_once() {
    let (one, all) = (principal("one"), principal("all"));
    let with = |rules: &[(Role, &str)]| policy(&[("one", rules), ("all", &[(Role::Admin, "")])]);
    let fixture = Fixture::new(with(&[(Role::Lock, "a"), (Role::Observe, "b")])).await;
    let lease = fixture.acquire(&one, "a").await.unwrap();
    let mut subscription = fixture.subscribe(&one, None).await;
    let (mut right, mut sight) =
        (Box::pin(fixture.service.right_lost(&one)), Box::pin(fixture.service.sight_lost(&one)));
    let lost = |future: std::pin::Pin<&mut dyn Future<Output = ()>>| {
        futures_util::FutureExt::now_or_never(future).is_some()
    };
    // More rights, and others' rights.
    fixture.policies.replace(with(&[(Role::Admin, "a"), (Role::Observe, "")]));
    assert!(!lost(right.as_mut()) && !lost(sight.as_mut()));
    fixture.policies.replace(with(&[(Role::Observe, "a"), (Role::Observe, "")]));
    assert!(lost(right.as_mut()) && !lost(sight.as_mut()));
    assert!(matches!(fixture.renew(&one, &lease, None).await, Err(Error::Forbidden { .. })));
    fixture.acquire(&all, "b/1").await.unwrap();
    assert_eq!(events_until_quiet(&mut subscription).await, ["b/1"]);
    fixture.policies.replace(with(&[(Role::Observe, "a")]));
    assert!(lost(sight.as_mut()));
    fixture.acquire(&all, "b/2").await.unwrap();
    fixture.acquire(&all, "a/2").await.unwrap();
    assert_eq!(events_until_quiet(&mut subscription).await, ["a/2"]);
    fixture.policies.replace(policy(&[]));
    assert!(fixture.service.subscribe(&one, None, EventFilter::default()).await.is_err());
    assert!(fixture.service.check_any_right(&one).is_err());
}
