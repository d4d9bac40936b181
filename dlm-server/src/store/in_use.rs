//! Everything that is in use: what is held, and what is waited for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dlm_engine::Claim;

use super::names::Names;
use super::queries::Queries;
use super::rows::ClaimRow;
use super::views::view_with;
use super::{Contended, InUseLimits, Name, ResourceView, StoreError};
use crate::clock::since_boot;

/// How many rows of held resources are read at a time. Few in tests, so that there are several
/// pages.
const PAGE: i64 = if cfg!(test) { 3 } else { 1_000 };

/// The resources that are waited for, the longest queues first, and then the others that are held.
/// The former come first: their holders block someone.
pub(super) fn in_use(
    connection: &mut impl Queries,
    names: &Names,
    limits: InUseLimits,
) -> Result<Contended, StoreError> {
    let mut reading =
        Reading { views: Vec::new(), complete: true, left: limits, until: since_boot() + limits.within };
    reading.contended(connection, names)?;
    reading.held(connection, names)?;
    Ok(Contended { views: reading.views, complete: reading.complete })
}

struct Reading {
    views: Vec<ResourceView>,
    complete: bool,
    /// How much more may be read.
    left: InUseLimits,
    until: Duration,
}

impl Reading {
    fn is_over(&self) -> bool {
        since_boot() >= self.until
    }

    fn contended(&mut self, connection: &mut impl Queries, names: &Names) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for range in names.with_prefix("", "") {
            rows.extend(connection.longest_queues(&range, self.left.queues as i64 + 1)?);
        }
        rows.sort_by(|a, b| b.queue_len.cmp(&a.queue_len).then_with(|| a.name.cmp(&b.name)));
        self.complete = rows.len() <= self.left.queues;
        rows.truncate(self.left.queues);
        for row in rows {
            if self.left.waiters == 0 || self.is_over() {
                self.complete = false;
                break;
            }
            let view = view_with(connection, row, self.left.leases as i64, self.left.waiters as i64)?;
            self.left.waiters -= view.waiters.len();
            self.complete &= view.waiters.len() as u64 == view.row.queue_len;
            self.add(view);
        }
        Ok(())
    }

    fn held(&mut self, connection: &mut impl Queries, names: &Names) -> Result<(), StoreError> {
        let known: HashSet<Name> = self.views.iter().map(|view| Name::clone(&view.name)).collect();
        for range in names.with_prefix("", "") {
            // No name is empty.
            let mut after = String::new();
            loop {
                let rows = connection.held_page(&range, &after, PAGE)?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.name);
                let more = rows.len() as i64 == PAGE;
                let rows: Vec<_> =
                    rows.into_iter().filter(|row| !known.contains(row.name.as_str())).collect();
                let mut exclusive: HashMap<_, _> = connection.exclusive_claims(&rows)?.into_iter().collect();
                for row in rows {
                    if self.left.leases == 0 || self.is_over() {
                        self.complete = false;
                        return Ok(());
                    }
                    let holders = match row.holder() {
                        Some(_) => claims(exclusive.remove(&row.name))?,
                        None => claims(connection.shared_holders(&row.name, self.left.leases as i64)?)?,
                    };
                    let (record, name) = (row.to_record(), Name::from(row.name));
                    self.add(ResourceView { row: record, name, holders, waiters: Vec::new() });
                }
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, view: ResourceView) {
        self.left.leases -= view.holders.len().min(self.left.leases);
        self.complete &= view.holders.len() as u64 == view.row.holder_count;
        self.views.push(view);
    }
}

fn claims(rows: impl IntoIterator<Item = ClaimRow>) -> Result<Vec<Claim>, StoreError> {
    rows.into_iter().map(ClaimRow::into_claim).collect()
}
