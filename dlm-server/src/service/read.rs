//! Status and lists: read from what is committed, never showing as live what
//! is overdue.

use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};
use dlm_protocol::{LockPage, ResourceName, StateFilter};

use super::cursor::Cursor;
use super::{Error, ListQuery, Outcome, Service, wire};
use crate::clock::since_boot;
use crate::store::{Name, ResourceView, StoreError};

/// How long it is read again what became overdue again meanwhile.
const READ_FOR: Duration = Duration::from_secs(5);

impl Service {
    pub(super) async fn status(&self, resource: ResourceName) -> Result<Outcome, Error> {
        let until = since_boot() + READ_FOR;
        while since_boot() < until {
            let name = resource.to_shared();
            let (now, (view, head)) =
                self.read(move |reader| Ok((reader.now()?, reader.view(&name)?))).await?;
            let overdue = self.overdue(std::slice::from_ref(&view), now);
            if !overdue.is_empty() {
                self.end(&overdue).await?;
                continue;
            }
            let replicas = self.0.members.current();
            let context = self.context(now, &replicas);
            let away = |entry: &dlm_engine::QueueEntry| entry.away_since(&context).is_some();
            let cursor = Cursor::after_batch(head.0).encode(self.0.log_id);
            return Ok(Outcome::Status(Box::new(wire::status(&view, Some(&away), Some(cursor))?)));
        }
        Err(super::unavailable("the resource changes too fast to be read"))
    }

    pub(super) async fn list(&self, query: ListQuery) -> Result<Outcome, Error> {
        let asked = query.clone();
        let (mut now, (mut views, head)) =
            self.read(move |reader| Ok((reader.now()?, reader.list(&asked)?))).await?;
        let full = views.len() == query.limit;
        let next = views.last().filter(|_| full).map(|view| view.name.to_string());
        // Somewhere something is always overdue: only those rows are read again.
        let mut overdue = self.overdue(&views, now);
        let until = since_boot() + READ_FOR;
        while !overdue.is_empty() {
            if since_boot() > until {
                return Err(super::unavailable("the list changes too fast to be read"));
            }
            self.end(&overdue).await?;
            let names: Vec<_> = overdue.into_iter().map(|overdue| overdue.name).collect();
            let again;
            (now, again) = self
                .read(move |reader| {
                    let views = names.iter().map(|name| Ok(reader.view(name)?.0));
                    Ok((reader.now()?, views.collect::<Result<Vec<_>, StoreError>>()?))
                })
                .await?;
            overdue = self.overdue(&again, now);
            for view in again {
                if let Ok(row) = views.binary_search_by(|row| row.name.cmp(&view.name)) {
                    views[row] = view;
                }
            }
        }
        // Of the first look: who follows a row from here misses nothing of it.
        let cursor = Cursor::after_batch(head.0).encode(self.0.log_id);
        let rows = views.iter().filter(|view| shows(query.state, view));
        let rows = rows.map(|view| wire::status(view, None, Some(cursor.clone())));
        Ok(Outcome::Locks(LockPage { locks: rows.collect::<Result<_, _>>()?, next, cursor }))
    }

    /// What is overdue of these.
    fn overdue(&self, views: &[ResourceView], now: Micros) -> Vec<Overdue> {
        let replicas = self.0.members.current();
        let context = self.context(now, &replicas);
        let of = |view: &ResourceView| {
            let lease =
                view.holders.iter().any(|claim| claim.lease().is_some_and(|lease| !lease.is_live(now)));
            let due = |claim: &&dlm_engine::Claim| {
                claim.queue_entry().is_some_and(|entry| entry.due_at(&context) <= now)
            };
            let waiters: Vec<_> = view.waiters.iter().filter(due).map(|claim| claim.key.clone()).collect();
            (lease || !waiters.is_empty()).then(|| Overdue { name: view.name.clone(), waiters })
        };
        views.iter().filter_map(of).collect()
    }

    /// Has the writer end what is overdue.
    async fn end(&self, overdue: &[Overdue]) -> Result<(), Error> {
        let sweeps: Vec<_> =
            overdue.iter().map(|overdue| self.sweep(overdue.name.clone(), overdue.waiters.clone())).collect();
        for sweep in sweeps {
            sweep.await?;
        }
        Ok(())
    }
}

/// A resource with a lease or with waiters whose time is up.
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
