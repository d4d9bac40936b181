//! Keeps the requests to let go of leases, and enforces those that are to be enforced.
//!
//! Every replica reads all of them, so a holder is told at whichever replica it is. At the
//! deadline, a request with `force` makes the first live replica force-release the lease; the
//! others lag behind, as in the sweeper. The engine ends the lease with that token or none, so
//! that nothing happens twice, nor to a successor. A request whose lease has ended is deleted.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{Micros, Op, Refusal, Reply};
use dlm_protocol::{FencingToken, ProblemCode, ReleaseNotice, ResourceName};
use tokio_util::sync::CancellationToken;

use crate::audit::{Audit, AuditOutcome, Record};
use crate::background::Attempts;
use crate::clock::since_boot;
use crate::lease_watchers::LeaseWatchers;
use crate::release_requests::{ReleaseRequests, pending_release};
use crate::store::{Cluster, Reader, ReleaseRequest, StoreError};
use crate::writer::{Completion, OperationError, Writers};

/// Longest time between two reads: a peer's message may be lost.
const MAX_READ_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest sleep between two reads.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// How often requests are deleted whose leases have ended before their deadlines.
const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(30);
/// How far each replica lags behind the previous one.
const LAG: Duration = Duration::from_millis(200);
const MAX_LAG_STEPS: u32 = 2;

/// The task and what it works with.
pub(super) struct ReleaseRequestKeeper {
    pub(super) requests: Arc<ReleaseRequests>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) writers: Writers,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) lease_watchers: Arc<LeaseWatchers>,
    pub(super) audit: Audit,
}

impl ReleaseRequestKeeper {
    /// Keeps the requests until `stop` is cancelled. Blocks.
    pub(super) async fn run(self, mut attempts: Attempts, stop: CancellationToken) {
        let mut clean_up_at = Duration::ZERO;
        while !stop.is_cancelled() {
            let pause = match self.round(&mut clean_up_at).await {
                Ok(pause) => {
                    attempts.succeeded();
                    pause
                }
                Err(error) => attempts.failed(&error),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.requests.changed() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Reads the requests and enforces those that are due. Returns how long to sleep.
    async fn round(&self, clean_up_at: &mut Duration) -> Result<Duration, StoreError> {
        let before = self.requests.before_read();
        let (now, stored) = self.reader.release_requests()?;
        for request in self.requests.read(stored, before) {
            if let Some(notice) = notice(&request) {
                self.lease_watchers.release_requested(&notice);
            }
        }
        let rank = self.cluster.rank();
        let lag = LAG * rank.min(MAX_LAG_STEPS);
        let cleans_up = rank == 0 && since_boot() >= *clean_up_at;
        if cleans_up {
            *clean_up_at = since_boot() + CLEAN_UP_INTERVAL;
        }
        let mut pause = MAX_READ_INTERVAL;
        let mut failed = None;
        let mut requests = self.requests.all();
        // What is due first does not wait for the clean-up of what is not.
        requests.sort_by_key(|request| (!request.force, request.deadline));
        for request in requests {
            let left = due_in(&request, now).saturating_add(lag);
            let is_due = request.force && left.is_zero();
            if is_due || cleans_up {
                // One that fails keeps no other one waiting.
                if let Err(error) = self.settle(&request, is_due).await {
                    failed = Some(error);
                }
            }
            if request.force && !is_due {
                pause = pause.min(left.max(MIN_SLEEP));
            }
        }
        failed.map_or(Ok(pause), Err)
    }

    /// Enforces a request that is due, and deletes one whose lease has ended.
    async fn settle(&self, request: &ReleaseRequest, is_due: bool) -> Result<(), StoreError> {
        if self.is_live(request).await? {
            if !is_due {
                return Ok(());
            }
            self.enforce(request).await?;
        }
        self.delete(request).await
    }

    /// Whether the lease that is wanted back has not ended.
    async fn is_live(&self, request: &ReleaseRequest) -> Result<bool, StoreError> {
        match self.execute(request, Op::Check { token: request.token }).await? {
            Ok(Reply::Checked { live, .. }) => Ok(live.is_some()),
            _ => Err(not_executed()),
        }
    }

    /// Force-releases the lease, unless it has ended meanwhile.
    async fn enforce(&self, request: &ReleaseRequest) -> Result<(), StoreError> {
        let record = |outcome, code| Record {
            principal: Some(request.requested_by.as_deref().unwrap_or_default()),
            origin: None,
            verb: "force_release",
            resource: Some(&request.name),
            token: Some(request.token),
            outcome,
            code,
            reason: Some(&request.reason),
        };
        let attempted = self.audit.record_before(&record(AuditOutcome::Attempted, None)).await;
        attempted.map_err(|_| StoreError::Unavailable("the audit log can't be written".into()))?;
        let op = Op::ForceRelease {
            token: request.token,
            reason: Arc::clone(&request.reason),
            by: request.requested_by.clone(),
        };
        let (result, outcome, code) = match self.execute(request, op).await {
            Ok(Ok(Reply::ForceReleased(_))) => {
                tracing::info!(
                    resource = &*request.name,
                    fencing_token = request.token,
                    "lease force-released: its holder was asked to let go, and did not in time"
                );
                (Ok(()), AuditOutcome::Succeeded, None)
            }
            Ok(Err(OperationError::Refused(Refusal::HolderChanged(_)))) => {
                (Ok(()), AuditOutcome::Failed, Some(ProblemCode::HolderChanged.as_str()))
            }
            Ok(_) => (Err(not_executed()), AuditOutcome::Unknown, None),
            Err(error) => (Err(error), AuditOutcome::Unknown, None),
        };
        self.audit.record_reserved(&record(outcome, code));
        result
    }

    async fn execute(
        &self,
        request: &ReleaseRequest,
        op: Op,
    ) -> Result<Result<Reply, OperationError>, StoreError> {
        let result = self.writers.execute(None, request.name.clone(), op, None).await?;
        Ok(match result.outcome {
            Ok(Completion::Reply(reply)) => Ok(reply),
            // Only an acquire waits.
            Ok(Completion::StillQueued(_)) => Err(OperationError::Internal),
            Err(error) => Err(error),
        })
    }

    async fn delete(&self, request: &ReleaseRequest) -> Result<(), StoreError> {
        let (name, token) = (request.name.clone(), request.token);
        self.writers.run_maintenance(move |store| store.delete_release_request(&name, token)).await?;
        self.requests.remove(&request.name, request.token);
        Ok(())
    }
}

fn due_in(request: &ReleaseRequest, now: Micros) -> Duration {
    Duration::from_micros(u64::try_from(request.deadline.0.saturating_sub(now.0)).unwrap_or(0))
}

/// What the holder is told; `None` if the stored name is not one.
fn notice(request: &ReleaseRequest) -> Option<ReleaseNotice> {
    Some(ReleaseNotice {
        resource: ResourceName::try_from(&*request.name).ok()?,
        fencing_token: FencingToken::new(request.token),
        request: pending_release(request),
    })
}

fn not_executed() -> StoreError {
    StoreError::Unavailable("a request to let go of a lease could not be enforced".into())
}
