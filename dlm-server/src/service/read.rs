//! Status and lists: read from what is committed, never showing as live what
//! is overdue.

use dlm_engine::Micros;
use dlm_protocol::{LockPage, ResourceName};

use super::cursor::Cursor;
use super::{Error, ListQuery, Outcome, Service, wire};
use crate::store::View;

/// A resource can become overdue again while it is read again.
const TRIES: usize = 5;

impl Service {
    pub(super) async fn status(&self, resource: ResourceName) -> Result<Outcome, Error> {
        for _ in 0..TRIES {
            let name = resource.to_shared();
            let (now, (view, head)) =
                self.read(move |reader| Ok((reader.now()?, reader.view(&name)?))).await?;
            if self.end_overdue(std::slice::from_ref(&view), now).await? {
                continue;
            }
            let replicas = self.0.members.current();
            let context = self.context(now, &replicas);
            let away = |waiting: &dlm_engine::Waiting| waiting.away_since(&context).is_some();
            let cursor = Cursor::after_batch(head.0).encode(self.0.log_id);
            return Ok(Outcome::Status(Box::new(wire::status(&view, Some(&away), Some(cursor))?)));
        }
        Err(super::unavailable("the resource changes too fast to be read"))
    }

    pub(super) async fn list(&self, query: ListQuery) -> Result<Outcome, Error> {
        for _ in 0..TRIES {
            let asked = query.clone();
            let (now, (views, head)) =
                self.read(move |reader| Ok((reader.now()?, reader.list(&asked)?))).await?;
            if self.end_overdue(&views, now).await? {
                continue;
            }
            let full = views.len() == query.limit;
            let next = views.last().filter(|_| full).map(|view| view.name.to_string());
            return Ok(Outcome::Locks(LockPage {
                locks: views.iter().map(|view| wire::status(view, None, None)).collect::<Result<_, _>>()?,
                next,
                cursor: Cursor::after_batch(head.0).encode(self.0.log_id),
            }));
        }
        Err(super::unavailable("the list changes too fast to be read"))
    }

    /// Has the writer end what is overdue of these. Tells whether anything was.
    async fn end_overdue(&self, views: &[View], now: Micros) -> Result<bool, Error> {
        let replicas = self.0.members.current();
        let context = self.context(now, &replicas);
        let mut sweeps = Vec::new();
        for view in views {
            let lease =
                view.holders.iter().any(|claim| claim.lease().is_some_and(|lease| !lease.is_live(now)));
            let due = |claim: &&dlm_engine::Claim| {
                claim.waiting().is_some_and(|waiting| waiting.due_at(&context) <= now)
            };
            let waiters: Vec<_> = view.waiters.iter().filter(due).map(|claim| claim.key.clone()).collect();
            if lease || !waiters.is_empty() {
                sweeps.push(self.sweep(view.name.clone(), waiters));
            }
        }
        let any = !sweeps.is_empty();
        for sweep in sweeps {
            sweep.await?;
        }
        Ok(any)
    }
}
