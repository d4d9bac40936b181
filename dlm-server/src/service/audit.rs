//! What the audit log has of operations.
//!
//! A denial is recorded where its problem leaves the server, by the transport: there is one
//! for each request or frame. Only several renewals in one are recorded here, one by one.

use std::sync::Arc;

use dlm_protocol::{
    FencingToken, ForceReleaseRequest, Lease, ProblemCode, Reason, RequestReleaseRequest, ResourceName,
};

use super::access::OnResource;
use super::{Error, Service, unavailable};
use crate::audit::{Audit, AuditOutcome, Origin, Record};
use crate::auth::Principal;

const FORCE_RELEASE: &str = "force_release";
const REQUEST_RELEASE: &str = "request_release";

/// Why something was denied, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    /// The fencing token.
    pub(crate) token: Option<u64>,
}

impl Denial {
    /// The denial that a problem with this code is, if it is one.
    pub(crate) fn by_code(code: ProblemCode, reason: &str) -> Option<Self> {
        let is_denial = matches!(
            code,
            ProblemCode::Unauthenticated
                | ProblemCode::Forbidden
                | ProblemCode::NotHolder
                | ProblemCode::QuotaExceeded
        );
        is_denial.then(|| Self { code: code.as_str(), reason: reason.to_owned(), token: None })
    }

    /// The denial that an error is, if it is one.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let (code, token) = match error {
            Error::Forbidden { .. } => (ProblemCode::Forbidden, None),
            Error::NotHolder { fencing_token } => (ProblemCode::NotHolder, *fencing_token),
            Error::QuotaExceeded { .. } => (ProblemCode::QuotaExceeded, None),
            _ => return None,
        };
        Some(Self { code: code.as_str(), reason: error.to_string(), token: token.map(FencingToken::get) })
    }

    /// Records the denial.
    pub(crate) fn record(
        &self,
        audit: &Audit,
        principal: Option<&str>,
        origin: Option<&Origin>,
        verb: &str,
        resource: Option<&str>,
    ) {
        let (token, outcome) = (self.token, AuditOutcome::Denied);
        let (code, reason) = (Some(self.code), Some(self.reason.as_str()));
        audit.record(&Record { principal, origin, verb, resource, token, outcome, code, reason });
    }
}

impl Service {
    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    pub(super) fn record_grant(&self, on: &OnResource, lease: &Lease) {
        if self.0.audit.has_grants() {
            self.0.audit.record(&Record {
                principal: Some(on.principal().name()),
                origin: self.1.origin.as_ref(),
                verb: "acquire",
                resource: Some(on.resource().as_str()),
                token: Some(lease.fencing_token.get()),
                outcome: AuditOutcome::Succeeded,
                code: None,
                reason: None,
            });
        }
    }

    /// Records an error, if it is a denial.
    pub(crate) fn record_denied(
        &self,
        principal: &Principal,
        verb: &str,
        resource: Option<&ResourceName>,
        error: &Error,
    ) {
        if self.0.audit.is_on()
            && let Some(denial) = Denial::of(error)
        {
            let (principal, origin) = (Some(&**principal.name()), self.1.origin.as_ref());
            denial.record(&self.0.audit, principal, origin, verb, resource.map(ResourceName::as_str));
        }
    }

    /// Records that a force-release is about to be executed. Its end is recorded when the
    /// result is.
    ///
    /// # Errors
    ///
    /// Returns an error if the force-release must not be executed without its record.
    pub(super) async fn record_force_release(
        &self,
        on: &OnResource,
        request: &ForceReleaseRequest,
    ) -> Result<RecordedAct, Error> {
        self.record_act(on, FORCE_RELEASE, request.fencing_token, &request.reason).await
    }

    /// The same for a request to let go of a lease, which may end in a force-release.
    ///
    /// # Errors
    ///
    /// Same as [`Self::record_force_release`].
    pub(super) async fn record_release_request(
        &self,
        on: &OnResource,
        request: &RequestReleaseRequest,
    ) -> Result<RecordedAct, Error> {
        self.record_act(on, REQUEST_RELEASE, request.fencing_token, &request.reason).await
    }

    async fn record_act(
        &self,
        on: &OnResource,
        verb: &'static str,
        token: FencingToken,
        reason: &Reason,
    ) -> Result<RecordedAct, Error> {
        let recorded = RecordedAct {
            verb,
            audit: self.0.audit.clone(),
            principal: Arc::clone(on.principal().name()),
            origin: self.1.origin.clone(),
            resource: on.resource().clone(),
            token: token.get(),
            reason: reason.as_str().into(),
            end: AuditOutcome::Unknown,
            code: None,
        };
        let attempt = self.0.audit.record_before(&recorded.record(AuditOutcome::Attempted)).await;
        if attempt.is_err() {
            let error = unavailable(
                "the audit log can't be written, and what an operator does must be recorded in it",
            );
            recorded.refused();
            return Err(error);
        }
        Ok(recorded)
    }
}

/// What an operator does to a lease, which was recorded before its execution. Its end is recorded when this is
/// dropped, which may be because its caller hung up.
pub(super) struct RecordedAct {
    verb: &'static str,
    audit: Audit,
    principal: Arc<str>,
    origin: Option<Origin>,
    resource: ResourceName,
    token: u64,
    reason: String,
    end: AuditOutcome,
    code: Option<&'static str>,
}

impl RecordedAct {
    /// Records that it is not executed.
    fn refused(mut self) {
        (self.end, self.code) = (AuditOutcome::Failed, Some(ProblemCode::Unavailable.as_str()));
    }

    /// Records the result.
    pub(super) fn ended(mut self, error: Option<&Error>) {
        (self.end, self.code) = match error {
            None => (AuditOutcome::Succeeded, None),
            Some(Error::HolderChanged { .. }) => {
                (AuditOutcome::Failed, Some(ProblemCode::HolderChanged.as_str()))
            }
            Some(Error::Internal) => (AuditOutcome::Unknown, Some(ProblemCode::InternalError.as_str())),
            Some(_) => (AuditOutcome::Unknown, Some(ProblemCode::Unavailable.as_str())),
        };
    }

    fn record(&self, outcome: AuditOutcome) -> Record<'_> {
        Record {
            principal: Some(&self.principal),
            origin: self.origin.as_ref(),
            verb: self.verb,
            resource: Some(self.resource.as_str()),
            token: Some(self.token),
            outcome,
            code: self.code,
            reason: Some(&self.reason),
        }
    }
}

impl Drop for RecordedAct {
    fn drop(&mut self) {
        self.audit.record_reserved(&self.record(self.end));
    }
}

#[cfg(test)]
mod tests {
    use dlm_protocol::AcquireRequest;
    use futures_util::FutureExt;

    use super::*;
    use crate::audit::{AuditDestination, AuditOptions};
    use crate::auth::{Policies, Policy};
    use crate::metrics::Metrics;
    use crate::service::{Operation, Outcome, ServiceOptions};

    #[tokio::test]
    async fn a_force_release_whose_caller_hangs_up_has_a_record_that_its_end_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let destination = AuditDestination::File(path.clone());
        let metrics = Metrics::new();
        let audit = AuditOptions { destination, strict: false, grants: false };
        let audit = Audit::open(&audit, metrics.audit_records_lost()).unwrap();
        let options = ServiceOptions::for_tests(directory.path());
        let policies = Policies::new(Policy::open());
        let service = Service::open_with(options, policies, metrics, audit.clone()).await.unwrap();
        let (principal, resource) = (Principal::anonymous(), ResourceName::try_from("a".to_owned()).unwrap());
        let acquire =
            Operation::Acquire { resource: resource.clone(), key: None, request: AcquireRequest::default() };
        let Ok(Outcome::Lease(lease)) = service.call(&principal, acquire).await else { panic!("no lease") };
        let request = ForceReleaseRequest {
            fencing_token: lease.fencing_token,
            reason: "a test".to_owned().try_into().unwrap(),
        };
        let ended = service.call(&principal, Operation::ForceRelease { resource, request }).now_or_never();
        assert!(ended.is_none(), "a commit takes longer");
        audit.flush();
        let recorded = std::fs::read_to_string(&path).unwrap();
        let outcomes = recorded.lines().map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&record["verb"], &record["address"]), (&"force_release".into(), &().into()));
            record["outcome"].as_str().unwrap().to_owned()
        });
        assert_eq!(outcomes.collect::<Vec<_>>(), ["attempted", "unknown"]);
        service.close().await;
    }
}
