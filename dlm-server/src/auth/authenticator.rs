//! Authenticates callers by the policy in force.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::TicketPurpose;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::{Authentication, Policies, Policy, TicketContent, Unauthenticated};
use crate::clock::wall_time;
use crate::metrics::Metrics;
use crate::tls::ClientCertificate;

/// The longest wait for an expiry. The wall clock may be stepped meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// Authenticates the callers of a server.
#[derive(Debug)]
pub(crate) struct Authenticator {
    policies: Policies,
    metrics: Arc<Metrics>,
}

/// What a caller has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// Its credential has expired, or the policy no longer has it.
    Credential,
    Right,
}

impl Authenticator {
    pub(crate) fn new(policies: Policies, metrics: Arc<Metrics>) -> Self {
        Self { policies, metrics }
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policies.current()
    }

    /// Authenticates the caller of a request. See [`Authentication::of`].
    ///
    /// # Errors
    ///
    /// Returns why the caller is not authenticated.
    pub(crate) fn authenticate<'a>(
        &self,
        authorization: impl Iterator<Item = &'a [u8]>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Authentication, Unauthenticated> {
        let caller = Authentication::of(&self.policy(), authorization, certificate, wall_time());
        caller.inspect_err(|error| self.metrics.authentication_failed(error.reason()))
    }

    /// The caller that a ticket stands for, if its credentials are still good. What else
    /// the request proves must not contradict the ticket.
    ///
    /// # Errors
    ///
    /// Returns why the caller is not authenticated.
    pub(crate) fn authenticate_by_ticket<'a>(
        &self,
        content: Option<&str>,
        purpose: TicketPurpose,
        authorization: impl Iterator<Item = &'a [u8]>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Authentication, Unauthenticated> {
        let (policy, now) = (self.policy(), wall_time());
        let content = content.and_then(|content| serde_json::from_str::<TicketContent>(content).ok());
        let by_ticket = match content {
            Some(TicketContent { purpose: its, caller }) => {
                let again = caller.again(&policy, now).filter(|_| its == purpose);
                again.ok_or(Unauthenticated::Ticket { of: Some(caller.principal().clone()) })
            }
            None => Err(Unauthenticated::Ticket { of: None }),
        };
        let caller =
            by_ticket.and_then(|caller| match Authentication::of(&policy, authorization, certificate, now) {
                Ok(other) if other.principal() != caller.principal() => Err(Unauthenticated::Contradiction),
                Ok(_) | Err(Unauthenticated::Missing | Unauthenticated::UnknownCertificate) => Ok(caller),
                Err(error) => Err(error),
            });
        caller.inspect_err(|error| self.metrics.authentication_failed(error.reason()))
    }

    /// Waits until a caller has to authenticate again, or until `right_lost` completes, which
    /// is when the policy no longer gives it a right.
    pub(crate) fn revoked<F: Future<Output = ()>>(
        &self,
        caller: Authentication,
        right_lost: F,
    ) -> impl Future<Output = Revoked> + use<F> {
        let policies = self.policies.subscribe();
        // Each in a place of its own: an async block would have two for each, and there are
        // thousands of sockets.
        let ended = Box::pin(self.ended(caller.clone()));
        select(ended, Box::pin(right_lost)).map(move |first| match first {
            Either::Left(((), _)) => Revoked::Credential,
            // A principal that was removed has lost its rights as well.
            Either::Right(((), _)) => {
                let policy = Arc::clone(&policies.borrow());
                match caller.again(&policy, wall_time()) {
                    Some(_) => Revoked::Right,
                    None => Revoked::Credential,
                }
            }
        })
    }

    /// Waits until a caller has to authenticate again: its credential has expired, or the
    /// policy no longer has it.
    fn ended(&self, caller: Authentication) -> impl Future<Output = ()> + use<> {
        let mut policies = self.policies.subscribe();
        async move {
            loop {
                let now = wall_time();
                let policy = Arc::clone(&policies.borrow_and_update());
                let Some(caller) = caller.again(&policy, now) else { return };
                let left = caller.expires_at().map(|at| at.duration_since(now).unwrap_or_default());
                let expiry = async {
                    match left {
                        Some(left) => tokio::time::sleep(left.min(MAX_SLEEP)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    Ok(()) = policies.changed() => {}
                    () = expiry => {}
                    else => std::future::pending().await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[tokio::test]
    async fn a_caller_whose_credential_is_gone_when_its_right_is_has_lost_the_credential() {
        let without_anyone = || Policy::new(HashMap::new());
        for (next, revoked) in [(without_anyone(), Revoked::Credential), (Policy::open(), Revoked::Right)] {
            let policies = Policies::new(Policy::open());
            let authenticator = Authenticator::new(policies.clone(), Metrics::new());
            let caller = authenticator.authenticate(std::iter::empty(), None).unwrap();
            // The policy is replaced after the credential was looked at.
            let right_lost = async {
                tokio::task::yield_now().await;
                policies.replace(next);
            };
            assert_eq!(authenticator.revoked(caller, right_lost).await, revoked);
        }
    }
}
