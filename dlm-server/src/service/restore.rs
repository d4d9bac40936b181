//! A database that comes from a backup or a lossy failover.

use std::sync::Arc;

use dlm_engine::{Op, Reply};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::MAX_PAGE;

use super::{Error, ListQuery, OpenError, Outcome, Principal, Service, ServiceOptions};
use crate::metrics::Metrics;
use crate::store::{self, Name};

/// Why a lease is ended that the backup brought back.
const REASON: &str = "the database was restored";

/// What was done to a restored database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Leases that were live in the backup, and are ended.
    pub leases_ended: usize,
}

/// Makes a database that comes from a backup safe to serve.
///
/// Every token counter, also of names that the backup does not know, goes on
/// `raise_tokens` above the highest there is: choose more than the number of
/// grants, expiries and force-releases since the backup, of all locks together.
/// A counter may have gone over from one name to another since, where names were
/// forgotten, so the name's own counter in the backup says nothing. Lease ids
/// and cursors from before hold no more. Leases that are live in the backup are
/// force-released: their holders may be long gone, and can't renew.
///
/// # Errors
///
/// With what the operator has to change, such as a server that is at work on
/// the database.
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
    /// Force-releases every lease there is.
    async fn end_all_leases(&self) -> Result<usize, Error> {
        let mut ended = 0;
        let mut after = None;
        loop {
            let query = ListQuery {
                prefix: String::new(),
                state: StateFilter::Held,
                limit: MAX_PAGE,
                after: after.clone(),
            };
            let Outcome::Locks(page) =
                self.call(&Principal::anonymous(), super::Operation::List(query)).await?
            else {
                return Err(Error::Internal);
            };
            let mut shown_in_part = false;
            for lock in &page.locks {
                shown_in_part |= lock.holder_count > lock.holders.len() as u64;
                for holder in &lock.holders {
                    let op =
                        Op::ForceRelease { token: holder.fencing_token.get(), reason: Arc::from(REASON) };
                    let answer = self.execute(Name::from(lock.resource.as_str()), op).await?;
                    let reply = super::acquire::reply(answer.outcome, answer.first_now);
                    ended += usize::from(matches!(reply, Ok(Reply::ForceReleased(_))));
                }
            }
            // One with many shared holders shows the next of them.
            if shown_in_part {
                continue;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(ended),
            }
        }
    }
}
