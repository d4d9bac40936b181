//! Whose leases a principal may use, and within which limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{AcquireRequest, Lease, RenewItem, Ttl, Wait};

use super::{Fixture, name, policy, principal};
use crate::auth::{Limits, Policy, Prefix, Principal, Role, Rule, Rules};
use crate::service::{Error, Operation, Outcome};

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
