//! Each operation with each role on each kind of name.

use std::sync::Arc;

use dlm_protocol::{
    AcquireRequest, CheckRequest, FencingToken, ForceReleaseRequest, IdempotencyKey, LeaseId, Owner,
    ReleaseRequest, RenewItem, RenewRequest, RequestReleaseRequest, StateFilter, Within,
};
use tokio::sync::oneshot;

use super::{Fixture, name, principal, rules};
use crate::auth::{Policy, Principal, Role};
use crate::service::{
    Error, EventsQuery, ListQuery, Operation, Outcome, OwnerFilter, OwnersQuery, StateQuery,
};
use crate::writer::ReplyTo;

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
        Operation::RequestRelease {
            resource: resource.clone(),
            request: RequestReleaseRequest {
                fencing_token: token,
                reason: "test".to_owned().try_into().unwrap(),
                within_ms: Within::from_millis(1_000).unwrap(),
                force: false,
            },
        },
        Operation::Check { resource: resource.clone(), request: CheckRequest { fencing_token: token } },
        Operation::Status { resource: resource.clone() },
        Operation::List(ListQuery {
            prefix: String::new(),
            contains: String::new(),
            state: StateFilter::All,
            limit: 10,
            after: None,
        }),
        Operation::Explain { resource: resource.clone(), owner: None },
        Operation::HoldStatistics { resources: vec![resource.clone()] },
        Operation::Owners(OwnersQuery { limit: 10, ..OwnersQuery::default() }),
        Operation::State(StateQuery { limit: 10, ..StateQuery::default() }),
        Operation::Owner(OwnerFilter { owner: Owner::default(), principal: None }),
        Operation::Principal { name: "someone".into() },
        Operation::Events(EventsQuery { resource: Some(resource), limit: 10, ..EventsQuery::default() }),
        Operation::Overview { seconds: 1 },
        Operation::WaitGraph { limit: 1 },
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
        Operation::WaitGraph { .. } => 11,
        Operation::RequestRelease { .. } => 12,
        Operation::Explain { .. } => 13,
        Operation::HoldStatistics { .. } => 14,
        Operation::Owners(_) => 15,
        Operation::Owner(_) => 16,
        Operation::State(_) => 17,
        Operation::Principal { .. } => 18,
    }
}

/// The role that the contract demands; `None` for operations on no single resource,
/// which show what may be observed.
fn demanded(operation: &Operation) -> Option<Role> {
    match operation {
        Operation::List(_)
        | Operation::Overview { .. }
        | Operation::WaitGraph { .. }
        | Operation::HoldStatistics { .. }
        | Operation::Owners(_)
        | Operation::Owner(_)
        | Operation::Principal { .. }
        | Operation::State(_) => None,
        Operation::Status { .. } | Operation::Events(_) | Operation::Explain { .. } => Some(Role::Observe),
        Operation::ForceRelease { .. } | Operation::RequestRelease { .. } => Some(Role::Admin),
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
    let reply = || ReplyTo::Future(oneshot::channel().0);
    let denied = fixture.service.begin_acquire(&nobody, name("a"), None, &AcquireRequest::default(), reply());
    assert!(matches!(denied, Err(Error::Forbidden { .. })));
    let request = ReleaseRequest { lease_id: LeaseId::try_from("unknown".to_owned()).unwrap() };
    let denied = fixture.service.begin_release(&nobody, name("a"), &request, reply());
    assert!(matches!(denied, Err(Error::Forbidden { .. })));
}
