//! Each operation with each role on each kind of name, and what a caller sees.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{
    AcquireRequest, CheckRequest, Event, FencingToken, ForceReleaseRequest, IdempotencyKey, Lease, LeaseId,
    ReleaseRequest, RenewItem, RenewRequest, ResourceName, StateFilter, Ttl, Wait,
};
use tempfile::TempDir;

use super::super::{
    Error, EventFilter, EventsQuery, ListQuery, Operation, Outcome, Service, ServiceOptions, Subscription,
    SubscriptionItem,
};
use crate::audit::Audit;
use crate::auth::{Limits, Policies, Policy, Prefix, Principal, Role, Rule, Rules};
use crate::metrics::Metrics;

/// A service on an empty database, whose policy can be replaced.
struct Fixture {
    service: Service,
    policies: Policies,
    _directory: TempDir,
}

impl Fixture {
    async fn new(policy: Policy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = ServiceOptions::for_tests(directory.path());
        let policies = Policies::new(policy);
        let service =
            Service::open_with(options, policies.clone(), Metrics::new(), Audit::default()).await.unwrap();
        Self { service, policies, _directory: directory }
    }

    async fn acquire(&self, principal: &Principal, resource: &str) -> Result<Lease, Error> {
        self.acquire_with(principal, resource, AcquireRequest::default()).await
    }

    async fn acquire_with(
        &self,
        principal: &Principal,
        resource: &str,
        request: AcquireRequest,
    ) -> Result<Lease, Error> {
        let operation = Operation::Acquire { resource: name(resource), key: None, request };
        match self.service.call(principal, operation).await? {
            Outcome::Lease(lease) => Ok(*lease),
            other => panic!("{other:?}"),
        }
    }

    async fn renew(&self, principal: &Principal, lease: &Lease, ttl_ms: Option<Ttl>) -> Result<Lease, Error> {
        let request = RenewRequest { lease_id: lease.lease_id.clone(), ttl_ms };
        let operation = Operation::Renew { resource: lease.resource.clone(), request };
        match self.service.call(principal, operation).await? {
            Outcome::Lease(lease) => Ok(*lease),
            other => panic!("{other:?}"),
        }
    }

    async fn release(&self, principal: &Principal, lease: &Lease) -> Result<(), Error> {
        let request = ReleaseRequest { lease_id: lease.lease_id.clone() };
        let operation = Operation::Release { resource: lease.resource.clone(), request };
        self.service.call(principal, operation).await.map(drop)
    }

    async fn listed(&self, principal: &Principal, prefix: &str, limit: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let query = ListQuery { prefix: prefix.into(), state: StateFilter::All, limit, after };
            let Ok(Outcome::Locks(page)) = self.service.call(principal, Operation::List(query)).await else {
                panic!("no list");
            };
            names.extend(page.locks.iter().map(|lock| lock.resource.as_str().to_owned()));
            match page.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    async fn events(&self, principal: &Principal, newest: bool) -> Vec<String> {
        let query = EventsQuery { prefix: String::new(), resource: None, limit: 100, after: None, newest };
        match self.service.call(principal, Operation::Events(query)).await {
            Ok(Outcome::Events(page)) => page.events.iter().map(event_resource).collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn subscribe(&self, principal: &Principal, after: Option<&str>) -> Subscription {
        self.service.subscribe(principal, after, EventFilter::default()).await.unwrap()
    }
}

fn event_resource(event: &Event) -> String {
    event.resource.as_str().to_owned()
}

fn name(text: &str) -> ResourceName {
    ResourceName::try_from(text).unwrap()
}

fn principal(name: &str) -> Principal {
    Principal::named(Arc::from(name))
}

fn rules(rules: &[(Role, &str)]) -> Rules {
    let rule = |(role, prefix): &(Role, &str)| Rule {
        role: *role,
        prefix: Prefix::new(*prefix),
        limits: Limits::default(),
    };
    Rules::new(rules.iter().map(rule).collect())
}

fn policy(principals: &[(&str, &[(Role, &str)])]) -> Policy {
    let rules = principals.iter().map(|(name, allowed)| (Arc::from(*name), Arc::new(rules(allowed))));
    Policy::new(rules.collect::<HashMap<_, _>>())
}

/// One of each operation, on this resource where it is on one.
fn operations(resource: &str) -> Vec<Operation> {
    let resource = name(resource);
    let lease_id = LeaseId::try_from("unknown".to_owned()).unwrap();
    let token = FencingToken::new(1);
    let operations = vec![
        Operation::Acquire { resource: resource.clone(), key: None, request: AcquireRequest::default() },
        Operation::Cancel {
            resource: resource.clone(),
            key: IdempotencyKey::try_from("key".to_owned()).unwrap(),
        },
        Operation::Renew {
            resource: resource.clone(),
            request: RenewRequest { lease_id: lease_id.clone(), ttl_ms: None },
        },
        Operation::RenewMany {
            leases: vec![RenewItem { resource: resource.clone(), lease_id: lease_id.clone(), ttl_ms: None }],
        },
        Operation::Release { resource: resource.clone(), request: ReleaseRequest { lease_id } },
        Operation::ForceRelease {
            resource: resource.clone(),
            request: ForceReleaseRequest {
                fencing_token: token,
                reason: "test".to_owned().try_into().unwrap(),
            },
        },
        Operation::Check { resource: resource.clone(), request: CheckRequest { fencing_token: token } },
        Operation::Status { resource: resource.clone() },
        Operation::List(ListQuery { prefix: String::new(), state: StateFilter::All, limit: 10, after: None }),
        Operation::Events(EventsQuery {
            prefix: String::new(),
            resource: Some(resource),
            limit: 10,
            after: None,
            newest: false,
        }),
        Operation::Overview { seconds: 1 },
    ];
    let mut rows: Vec<_> = operations.iter().map(row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..operations.len()).collect::<Vec<_>>(), "an operation is missing above");
    operations
}

/// The row of an operation in the table above.
fn row(operation: &Operation) -> usize {
    match operation {
        Operation::Acquire { .. } => 0,
        Operation::Cancel { .. } => 1,
        Operation::Renew { .. } => 2,
        Operation::RenewMany { .. } => 3,
        Operation::Release { .. } => 4,
        Operation::ForceRelease { .. } => 5,
        Operation::Check { .. } => 6,
        Operation::Status { .. } => 7,
        Operation::List(_) => 8,
        Operation::Events(_) => 9,
        Operation::Overview { .. } => 10,
    }
}

/// The role that the contract demands; `None` for operations on no single resource,
/// which show what may be observed.
fn demanded(operation: &Operation) -> Option<Role> {
    match operation {
        Operation::List(_) | Operation::Overview { .. } => None,
        Operation::Status { .. } | Operation::Events(_) => Some(Role::Observe),
        Operation::ForceRelease { .. } => Some(Role::Admin),
        Operation::Acquire { .. }
        | Operation::Cancel { .. }
        | Operation::Renew { .. }
        | Operation::RenewMany { .. }
        | Operation::Release { .. }
        | Operation::Check { .. } => Some(Role::Lock),
    }
}

/// The role that the caller lacks; `None` if the operation was allowed.
fn lacking(result: Result<Outcome, Error>) -> Option<dlm_protocol::Role> {
    let result = match result {
        Ok(Outcome::Renewed(mut results)) => results.remove(0).map(drop),
        result => result.map(drop),
    };
    match result {
        Err(Error::Forbidden { required }) => Some(required),
        _ => None,
    }
}

#[tokio::test]
async fn each_operation_needs_its_role_on_the_resource() {
    let roles = [None, Some(Role::Observe), Some(Role::Lock), Some(Role::Admin)];
    let named = |role: Option<Role>| format!("has-{role:?}");
    let principals = roles.map(|role| {
        let rule = role.map(|role| (role, "a")).into_iter().collect::<Vec<_>>();
        (Arc::from(named(role)), Arc::new(rules(&rule)))
    });
    let fixture = Fixture::new(Policy::new(principals.into_iter().collect())).await;
    let covered = ["a", "a/", "a/b", "a//b"];
    let not_covered = ["ab", "b", "A", "A/b", "\u{430}", "\u{430}/b", "a%2Fb", "a\u{2215}b", " a", "/a"];
    for resource in covered.into_iter().chain(not_covered) {
        for role in roles {
            let caller = principal(&named(role));
            for operation in operations(resource) {
                let what = format!("{} of {resource:?} by {caller:?}", operation.name());
                let expected = match demanded(&operation) {
                    None if role.is_some() => None,
                    None => Some(Role::Observe),
                    Some(_) if role.is_none() => Some(demanded(&operation).unwrap()),
                    Some(demanded) if !covered.contains(&resource) => Some(demanded),
                    Some(demanded) => (role < Some(demanded)).then_some(demanded),
                };
                let lacks = lacking(fixture.service.call(&caller, operation).await);
                assert_eq!(lacks, expected.map(dlm_protocol::Role::from), "{what}");
            }
        }
    }
    let anonymous = Principal::anonymous();
    for operation in operations("a") {
        assert!(lacking(fixture.service.call(&anonymous, operation).await).is_some());
    }
    let nobody = principal("has-None");
    let denied = fixture.service.acquire_throughout(&nobody, name("a"), None, AcquireRequest::default());
    assert!(matches!(denied.await, Err(Error::Forbidden { .. })));
}

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
    let query = EventsQuery { prefix: String::new(), resource: None, limit: 1, after: None, newest: false };
    match fixture.service.call(all, Operation::Events(query)).await {
        Ok(Outcome::Events(page)) => page.events[0].cursor.clone(),
        other => panic!("{other:?}"),
    }
}

/// The resources of all events that come until none comes for a while.
async fn events_until_quiet(subscription: &mut Subscription) -> Vec<String> {
    let mut resources = Vec::new();
    while let Ok(next) = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await {
        if let Ok(SubscriptionItem::Events(batch)) = next {
            resources.extend(batch.events.iter().map(|event| event.resource.to_string()));
        }
    }
    resources
}

#[tokio::test]
async fn stolen_lease_id_is_of_no_use_to_another_principal() {
    let (one, other) = (principal("one"), principal("other"));
    let fixture = Fixture::new(policy(&[
        ("one", &[(Role::Lock, "a")]),
        ("other", &[(Role::Admin, "a"), (Role::Lock, "b")]),
    ]))
    .await;
    let (lease, own) =
        (fixture.acquire(&one, "a").await.unwrap(), fixture.acquire(&other, "b").await.unwrap());
    assert_eq!(
        fixture.renew(&other, &lease, None).await,
        Err(Error::NotHolder { fencing_token: Some(lease.fencing_token) })
    );
    assert_eq!(
        fixture.release(&other, &lease).await,
        Err(Error::NotHolder { fencing_token: Some(lease.fencing_token) })
    );
    let item = |lease: &Lease| RenewItem {
        resource: lease.resource.clone(),
        lease_id: lease.lease_id.clone(),
        ttl_ms: None,
    };
    let not_allowed = RenewItem { resource: name("c"), ..item(&own) };
    let leases = vec![item(&lease), item(&own), not_allowed];
    let Ok(Outcome::Renewed(results)) = fixture.service.call(&other, Operation::RenewMany { leases }).await
    else {
        panic!("no results");
    };
    assert_eq!(results[0], Err(Error::NotHolder { fencing_token: Some(lease.fencing_token) }));
    assert_eq!(results[1].as_ref().map(|renewed| renewed.fencing_token), Ok(own.fencing_token));
    assert!(matches!(results[2], Err(Error::Forbidden { .. })));
    fixture.renew(&one, &lease, None).await.unwrap();
    fixture.release(&one, &lease).await.unwrap();
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
    let query = EventsQuery { prefix: String::new(), resource: None, limit: 9, after: None, newest: true };
    let Ok(Outcome::Events(page)) = fixture.service.call(&boss, Operation::Events(query)).await else {
        panic!("no events");
    };
    let named: Vec<_> =
        page.events.iter().map(|event| (event.principal.as_deref(), event.by.as_deref())).collect();
    assert_eq!(named, [(None, None), (Some("one"), None), (None, Some("boss"))]);
}

#[tokio::test]
async fn leases_from_before_authentication_stay_usable() {
    let fixture = Fixture::new(Policy::open()).await;
    let lease = fixture.acquire(&Principal::anonymous(), "a").await.unwrap();
    fixture.policies.replace(policy(&[("one", &[(Role::Lock, "a")]), ("two", &[(Role::Observe, "")])]));
    assert!(matches!(
        fixture.renew(&Principal::anonymous(), &lease, None).await,
        Err(Error::Forbidden { .. })
    ));
    assert!(matches!(fixture.renew(&principal("two"), &lease, None).await, Err(Error::Forbidden { .. })));
    fixture.renew(&principal("one"), &lease, None).await.unwrap();
    fixture.release(&principal("one"), &lease).await.unwrap();
}

fn ttl(ms: u64) -> Ttl {
    Ttl::try_from(Duration::from_millis(ms)).unwrap()
}

#[tokio::test]
async fn ttl_and_wait_are_bounded_by_the_rule() {
    let limits = Limits { max_ttl_ms: Some(1_000), max_wait_ms: Some(50), ..Limits::default() };
    let rule = Rule { role: Role::Lock, prefix: Prefix::new("a"), limits };
    let rules = HashMap::from([(Arc::from("one"), Arc::new(Rules::new(vec![rule])))]);
    let fixture = Fixture::new(Policy::new(rules)).await;
    let one = principal("one");
    let request = |ttl_ms: u64, wait_ms: u64| AcquireRequest {
        ttl_ms: ttl(ttl_ms),
        wait_ms: Wait::try_from(Duration::from_millis(wait_ms)).unwrap(),
        ..AcquireRequest::default()
    };
    let named = |result: Result<Lease, Error>, maximum: &str| match result {
        Err(Error::Invalid { what }) => assert!(what.contains(maximum), "{what}"),
        other => panic!("{other:?}"),
    };
    named(fixture.acquire_with(&one, "a", request(1_001, 0)).await, "1000");
    named(fixture.acquire_with(&one, "a", request(1_000, 51)).await, "50");
    let lease = fixture.acquire_with(&one, "a", request(1_000, 50)).await.unwrap();
    named(fixture.renew(&one, &lease, Some(ttl(1_001))).await, "1000");
    fixture.renew(&one, &lease, Some(ttl(1_000))).await.unwrap();
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
