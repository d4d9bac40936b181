//! Makes a database from a backup or a lossy failover safe to serve.

use std::sync::Arc;

use dlm_engine::{Op, Reply};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::MAX_PAGE;

use super::{Error, ListQuery, OpenError, Outcome, Principal, Service, ServiceOptions};
use crate::metrics::Metrics;
use crate::store::{self, Name};

/// The reason shown for the leases that the backup brought back.
const REASON: &str = "the database was restored";
/// The principal that the leases are ended by. No caller can have this name.
const SYSTEM: &str = "system";

/// What [`restore`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How many leases were live in the backup. All of them were ended.
    pub leases_ended: usize,
}

/// Makes a database from a backup, or from a failover that lost commits, safe to
/// serve.
///
/// - Every token counter, including those of names that the backup does not
///   contain, continues `raise_tokens` above the highest counter in the backup.
///   Choose a number larger than all grants, expiries and force-releases since
///   the backup, over all locks. Do not go by the counter of a single name: names
///   share counters once idle resources have been deleted.
/// - Lease ids and cursors issued before become invalid.
/// - Leases that are live in the backup are force-released. Their holders could
///   not renew them.
///
/// # Errors
///
/// Returns an error that tells the operator what to change, for example that a
/// server is running on the database.
pub async fn restore(options: ServiceOptions, raise_tokens: u32) -> Result<Restored, OpenError> {
    let url = options.database_url.clone();
    let stopped = |error: &dyn std::fmt::Display| OpenError::Stopped(error.to_string());
    let raised = tokio::task::spawn_blocking(move || store::restore(&url, i64::from(raise_tokens)));
    raised.await.map_err(|error| stopped(&error))??;
    let service = Service::open(options, Metrics::new()).await?;
    let ended = service.end_all_leases().await;
    service.close().await;
    let leases_ended = ended.map_err(|error| stopped(&error))?;
    Ok(Restored { leases_ended })
}

impl Service {
    /// Force-releases every live lease.
    async fn end_all_leases(&self) -> Result<usize, Error> {
        let mut ended = 0;
        let mut after = None;
        loop {
            let query = ListQuery {
                prefix: String::new(),
                contains: String::new(),
                state: StateFilter::Held,
                limit: MAX_PAGE,
                after: after.clone(),
            };
            let Outcome::Locks(page) =
                self.list(self.0.access.view(&Principal::anonymous(), None)?, query).await?
            else {
                return Err(Error::Internal);
            };
            let mut truncated = false;
            for lock in &page.locks {
                truncated |= lock.holder_count > lock.holders.len() as u64;
                for holder in &lock.holders {
                    let op = Op::ForceRelease {
                        token: holder.fencing_token.get(),
                        reason: Arc::from(REASON),
                        by: Some(Arc::from(SYSTEM)),
                    };
                    let answer =
                        self.0.access.system().execute(Name::from(lock.resource.as_str()), op).await?;
                    let reply = super::acquire::reply(answer.outcome, answer.first_now);
                    ended += usize::from(matches!(reply, Ok(Reply::ForceReleased(_))));
                }
            }
            // Read the same page again: it shows the next holders of a lock that
            // has more of them than a status shows.
            if truncated {
                continue;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(ended),
            }
        }
    }
}
