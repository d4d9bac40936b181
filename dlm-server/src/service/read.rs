//! Status and lists, read from committed state. An overdue lease or waiter is
//! never shown as live: the read has a writer end it, and reads again.

use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};
use dlm_protocol::limits::{MAX_PAGE_BYTES, MAX_WAITERS_SHOWN};
use dlm_protocol::{LockPage, StateFilter};

use super::access::{OnResource, View, names_in_sight};
use super::acquire::reply;
use super::reads::ReadPermit;
use super::{Error, ListQuery, Outcome, Service, wire};
use crate::clock::since_boot;
use crate::log::Cursor;
use crate::store::{LogHead, Name, ResourcePage, ResourceView};

/// Time limit for reading again because something became overdue meanwhile.
const READ_WITHIN: Duration = Duration::from_secs(5);

impl Service {
    pub(super) async fn status(&self, on: &OnResource, reads: &ReadPermit) -> Result<Outcome, Error> {
        let (now, view, head) = self.fresh(on.name(), MAX_WAITERS_SHOWN, reads).await?;
        let replicas = self.0.membership.current();
        let context = self.context(now, &replicas);
        let away = |entry: &dlm_engine::QueueEntry| entry.away_since(&context).is_some();
        let cursor = Cursor::after_batch(head.0).encode(self.0.decoder.log_id());
        let mut status = wire::status(&view, Some(&away), Some(cursor))?;
        self.show_release_requests(&mut status);
        Ok(Outcome::Status(Box::new(status)))
    }

    /// Reads a resource with this many of its waiters. Nothing that a status shows is overdue.
    pub(super) async fn fresh(
        &self,
        name: &Name,
        waiters: usize,
        reads: &ReadPermit,
    ) -> Result<(Micros, ResourceView, LogHead), Error> {
        let until = since_boot() + READ_WITHIN;
        while since_boot() < until {
            let name = Name::clone(name);
            let (now, (view, head)) =
                reads.read(move |reader| Ok((reader.now()?, reader.view(&name, waiters)?))).await?;
            let overdue = self.overdue(std::slice::from_ref(&view), now);
            if overdue.is_empty() {
                return Ok((now, view, head));
            }
            self.end_overdue(&overdue).await?;
        }
        Err(super::unavailable("the resource changes too fast to be read"))
    }

    pub(super) async fn list(&self, mut view: View, query: ListQuery) -> Result<Outcome, Error> {
        let reads = self.0.access.reads(&view).permit().await?;
        let state = query.state;
        let names = names_in_sight(view.visibility());
        let (mut now, ResourcePage { mut views, mut next, head }) =
            reads.read(move |reader| Ok((reader.now()?, reader.list(&query, &names)?))).await?;
        // On a busy server something is always overdue, so only those rows are
        // read again.
        let mut overdue = self.overdue(&views, now);
        let until = since_boot() + READ_WITHIN;
        while !overdue.is_empty() {
            if since_boot() > until {
                return Err(super::unavailable("the list changes too fast to be read"));
            }
            self.end_overdue(&overdue).await?;
            let names: Vec<_> = overdue.into_iter().map(|overdue| overdue.name).collect();
            let (reread, left_out);
            (now, reread, left_out) = reads
                .read(move |reader| {
                    let (now, reread) = (reader.now()?, reader.list_again(&names)?);
                    let left_out = names.get(reread.len()).cloned();
                    Ok((now, reread, left_out))
                })
                .await?;
            if let Some(left_out) = left_out {
                views.retain(|view| view.name < left_out);
                next = views.last().map(|view| view.name.clone());
            }
            overdue = self.overdue(&reread, now);
            for view in reread {
                if let Ok(row) = views.binary_search_by(|row| row.name.cmp(&view.name)) {
                    views[row] = view;
                }
            }
        }
        // Rows that were read again may have grown.
        let mut bytes = 0;
        let fitting = views.iter().take_while(|view| {
            let first = bytes == 0;
            bytes += view.list_bytes();
            first || bytes <= MAX_PAGE_BYTES
        });
        let fitting = fitting.count();
        if fitting < views.len() {
            views.truncate(fitting);
            next = views.last().map(|view| view.name.clone());
        }
        // Of the first read, so that events after the cursor miss no change of
        // any row.
        let cursor = Cursor::after_batch(head.0).encode(self.0.decoder.log_id());
        let rows = views.iter().filter(|view| shows(state, view));
        let rows = rows.map(|view| wire::status(view, None, Some(cursor.clone())));
        let mut locks = rows.collect::<Result<Vec<_>, _>>()?;
        locks.iter_mut().for_each(|status| self.show_release_requests(status));
        Ok(Outcome::Locks(LockPage { locks, next: next.map(|name| name.to_string()), cursor }))
    }

    /// The resources with something overdue.
    fn overdue(&self, views: &[ResourceView], now: Micros) -> Vec<Overdue> {
        let replicas = self.0.membership.current();
        let context = self.context(now, &replicas);
        let of = |view: &ResourceView| {
            let lease =
                view.holders.iter().any(|claim| claim.lease().is_some_and(|lease| !lease.is_live(now)));
            let due = |claim: &&dlm_engine::Claim| {
                claim.queue_entry().is_some_and(|entry| entry.due_at(&context) <= now)
            };
            // The sweeper ends those behind the ones that are shown.
            let shown = view.waiters.iter().take(MAX_WAITERS_SHOWN);
            let waiters: Vec<_> = shown.filter(due).map(|claim| claim.key.clone()).collect();
            (lease || !waiters.is_empty()).then(|| Overdue { name: view.name.clone(), waiters })
        };
        views.iter().filter_map(of).collect()
    }

    /// Has the writers end what is overdue.
    async fn end_overdue(&self, overdue: &[Overdue]) -> Result<(), Error> {
        let system = self.0.access.system();
        let sweeps: Vec<_> = overdue
            .iter()
            .map(|overdue| system.sweep(overdue.name.clone(), overdue.waiters.clone()))
            .collect();
        for sweep in sweeps {
            let swept = sweep.await?;
            // Without this check, what can't be ended would be read again and again.
            reply(swept.outcome, swept.first_now)?;
        }
        Ok(())
    }
}

/// A resource with an overdue lease or waiter.
struct Overdue {
    name: Name,
    waiters: Vec<ClaimKey>,
}

fn shows(state: StateFilter, view: &ResourceView) -> bool {
    match state {
        StateFilter::Held => view.row.holder_count > 0,
        StateFilter::Waiting => view.row.queue_len > 0,
        StateFilter::All => true,
    }
}
