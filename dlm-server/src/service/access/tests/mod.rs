//! What principals may do and see.
//!
//! - `operations`: each operation with each role on each kind of name
//! - `leases`: whose leases a principal may use, and within which limits
//! - `sight`: what a caller sees, also when its rights change

mod leases;
mod operations;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;

use dlm_protocol::{
    AcquireRequest, Event, Lease, ReleaseRequest, RenewRequest, ResourceName, StateFilter, Ttl,
};
use tempfile::TempDir;

use crate::audit::Audit;
use crate::auth::{Limits, Policies, Policy, Prefix, Principal, Role, Rule, Rules};
use crate::metrics::Metrics;
use crate::service::{
    Error, EventFilter, EventsQuery, ListQuery, Operation, Outcome, Service, ServiceOptions, Subscription,
};

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
            let query = ListQuery {
                prefix: prefix.into(),
                contains: String::new(),
                state: StateFilter::All,
                limit,
                after,
            };
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
        let query = EventsQuery { limit: 100, newest, ..EventsQuery::default() };
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
