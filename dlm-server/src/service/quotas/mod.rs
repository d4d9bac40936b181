//! How much of the server a principal may use.
//!
//! A rule of the auth file limits leases, waiters and requests per second; options of the
//! server limit sessions and subscribers. Each is checked when a request arrives, and
//! only then. Renewals, releases and cancels are never refused.
//!
//! - `counting`: counts leases and waiters in the store
//! - `sockets`: sessions and subscribers

mod counting;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{Quota, ResourceName};

use super::access::{OnResource, View};
use super::{Error, Service};
use crate::auth::{Prefix, Principal, Rule, Rules};
use crate::clock::since_boot;
use crate::metrics::{Metrics, SocketProtocol};
use crate::store::Names;
use crate::usage::{ClaimLimits, ClaimQuota, InFlight, RuleId, RuleUsage, Usage};
pub(super) use counting::{UsageCounter, count_at_start};
use sockets::SocketCounts;
pub(super) use sockets::SocketLimits;
pub(crate) use sockets::SocketPlace;

/// When to try again for what others have to end first.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Enforces the quotas of all principals.
pub(super) struct Quotas {
    usage: Arc<Usage>,
    sockets: SocketCounts,
    metrics: Arc<Metrics>,
}

impl Quotas {
    pub(super) fn new(usage: Arc<Usage>, sockets: SocketLimits, metrics: Arc<Metrics>) -> Self {
        Self { usage, sockets: SocketCounts::new(sockets), metrics }
    }

    /// Counts a request on a resource that this rule allows.
    pub(super) fn take_request(&self, principal: &Principal, rule: &Rule) -> Result<(), Error> {
        self.admit_request(principal, rule).map_err(|error| self.refused(principal, error))
    }

    /// Counts a request that names no resource. Of several rules, the most generous one
    /// limits it.
    pub(super) fn take_request_of(&self, principal: &Principal, rules: &Rules) -> Result<(), Error> {
        let rates = rules.iter().map(|rule| rule.limits.requests_per_second.map(|rate| (rate, rule)));
        // `None` if any rule has no limit.
        let limited: Option<Vec<_>> = rates.collect();
        match limited.unwrap_or_default().into_iter().max_by_key(|(rate, _)| *rate) {
            Some((_, rule)) => self.take_request(principal, rule),
            None => Ok(()),
        }
    }

    /// Counts an acquire, and reserves a lease or a place in the queue for it until it is
    /// executed. The error is not reported yet: see [`Self::refused`].
    pub(super) fn admit_acquire(
        &self,
        principal: &Principal,
        rule: &Rule,
        waits: bool,
    ) -> Result<Option<InFlight>, Error> {
        self.admit_request(principal, rule)?;
        if !rule.limits.counts_claims() {
            return Ok(None);
        }
        let limits = ClaimLimits { max_leases: rule.limits.max_leases, max_waiters: rule.limits.max_waiters };
        let admitted = usage_of(&self.usage, principal, rule).admit(limits, waits);
        admitted.map(Some).map_err(|quota| match quota {
            ClaimQuota::Leases => exceeded(Quota::Leases, RETRY_AFTER),
            ClaimQuota::Waiters => exceeded(Quota::Waiters, RETRY_AFTER),
        })
    }

    /// Takes a place for a socket.
    pub(super) fn socket_place(
        &self,
        principal: &Principal,
        protocol: SocketProtocol,
    ) -> Result<SocketPlace, Error> {
        let quota = match protocol {
            SocketProtocol::Session => Quota::Sessions,
            SocketProtocol::Events => Quota::Subscribers,
        };
        let place = self.sockets.take(principal, protocol);
        place.ok_or_else(|| self.refused(principal, exceeded(quota, RETRY_AFTER)))
    }

    /// Counts a refusal, if the error is one because of a quota.
    pub(super) fn refused(&self, principal: &Principal, error: Error) -> Error {
        if let Error::QuotaExceeded { quota, .. } = &error {
            self.metrics.quota_exceeded(principal.name(), quota.as_str());
        }
        error
    }

    fn admit_request(&self, principal: &Principal, rule: &Rule) -> Result<(), Error> {
        let Some(rate) = rule.limits.requests_per_second else { return Ok(()) };
        let taken = usage_of(&self.usage, principal, rule).take_request(rate, since_boot());
        taken.map_err(|wait| exceeded(Quota::Requests, wait))
    }
}

impl Service {
    /// The right of a principal to see resources, of which it makes use with a request.
    pub(super) fn counted_view(
        &self,
        principal: &Principal,
        resource: Option<&ResourceName>,
    ) -> Result<View, Error> {
        let view = self.0.access.view(principal, resource)?;
        self.take_request(principal)?;
        Ok(view)
    }

    /// Counts a request of a principal that is no [`Operation`].
    ///
    /// # Errors
    ///
    /// Returns an error if the principal sends too many.
    pub(crate) fn take_request(&self, principal: &Principal) -> Result<(), Error> {
        self.0.access.take_request(principal)
    }

    /// Reports that a request is refused because of a quota.
    pub(crate) fn quota_refused(&self, principal: &Principal, error: Error) -> Error {
        self.0.access.quotas().refused(principal, error)
    }

    /// Takes a place for a socket of a principal.
    ///
    /// # Errors
    ///
    /// Returns an error if the principal has too many.
    pub(crate) fn socket_place(
        &self,
        principal: &Principal,
        protocol: SocketProtocol,
    ) -> Result<SocketPlace, Error> {
        self.0.access.socket_place(principal, protocol)
    }
}

/// The right of a principal, of which it makes use with a request.
pub(super) fn counted(on: OnResource) -> Result<OnResource, Error> {
    on.take_request()?;
    Ok(on)
}

fn exceeded(quota: Quota, retry_after: Duration) -> Error {
    let what = match quota {
        Quota::Leases => "the principal has as many leases below the prefix of its rule as it may have",
        Quota::Waiters => "the principal has as many waiters below the prefix of its rule as it may have",
        Quota::Sessions => "the principal has too many open sessions",
        Quota::Subscribers => "the principal has too many open event streams",
        _ => "the principal sends more requests per second than it may",
    };
    Error::QuotaExceeded { what, quota, retry_after }
}

/// The usage of a rule.
fn usage_of(usage: &Usage, principal: &Principal, rule: &Rule) -> Arc<RuleUsage> {
    usage.of(id(principal.name(), rule), || names_below(&rule.prefix))
}

fn id<'a>(principal: &'a Arc<str>, rule: &'a Rule) -> RuleId<'a> {
    RuleId { principal, prefix: rule.prefix.as_str(), counts_claims: rule.limits.counts_claims() }
}

fn names_below(prefix: &Prefix) -> Names {
    match prefix.is_everything() {
        true => Names::All,
        false => Names::below([prefix.stem()]),
    }
}
