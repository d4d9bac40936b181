//! What readers and writers load of a resource, from the shared queries.

use std::collections::HashMap;

use dlm_engine::{Claim, ClaimKey, Micros, Need, Resource, ResourceRecord};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::{MAX_HOLDERS_SHOWN, MAX_PAGE_BYTES};

use super::names::Names;
use super::queries::Queries;
use super::read::TOP;
use super::rows::{ClaimRow, ResourceRow};
use super::search::{self, Found};
use super::{
    ClaimCount, ClaimTotals, Contended, ListQuery, LockCounts, Name, QueueLimits, ResourceView, StoreError,
    floor_bucket, holders_shown,
};

/// How many waiters are loaded at a time. Few in tests, so that queues have several parts.
pub(super) const WAITERS_LOADED: usize = if cfg!(test) { 3 } else { 64 };

/// How many keys of a queue, and how many versions, are read at a time.
const QUEUE_PAGE: i64 = if cfg!(test) { 3 } else { 2_000 };
const NAMES_PAGE: usize = if cfg!(test) { 3 } else { 500 };

/// Loads what the engine needs to proceed with an operation.
pub(super) fn provide(
    connection: &mut impl Queries,
    name: &Name,
    need: Need,
    resource: &mut Resource,
) -> Result<(), StoreError> {
    match need {
        Need::Claim(key) => {
            let found = claim(connection, name, &key)?;
            resource.provide_claim(key, found);
        }
        Need::Waiters { after } => {
            let waiters = waiters(connection, name, after)?;
            let all = waiters.len() < WAITERS_LOADED;
            resource.provide_waiters(waiters, all);
        }
        Need::ForceReleased { token } => {
            let found = connection.force_released(name, token as i64)?;
            resource.provide_force_released(token, found.map(ClaimRow::into_claim).transpose()?);
        }
    }
    Ok(())
}

/// The next waiters behind a ticket.
pub(super) fn waiters(
    connection: &mut impl Queries,
    name: &str,
    after: u64,
) -> Result<Vec<Claim>, StoreError> {
    claims(connection.waiters(name, after as i64, WAITERS_LOADED as i64)?)
}

/// The holders of a resource, the first `limit` if they are shared.
pub(super) fn holders(
    connection: &mut impl Queries,
    row: &ResourceRow,
    limit: i64,
) -> Result<Vec<Claim>, StoreError> {
    match row.holder() {
        Some(key) => Ok(claim(connection, &row.name, &key)?.into_iter().collect()),
        None if row.holder_count > 0 => claims(connection.shared_holders(&row.name, limit)?),
        None => Ok(Vec::new()),
    }
}

/// A resource with its first holders, and as many waiters.
pub(super) fn view(
    connection: &mut impl Queries,
    name: &Name,
    waiters: usize,
) -> Result<ResourceView, StoreError> {
    match connection.resource(name)? {
        Some(row) => view_of(connection, row, waiters as i64),
        None => absent(connection, name),
    }
}

/// A page of resources, each with its first waiter, and the name behind which more may follow.
pub(super) fn list(
    connection: &mut impl Queries,
    query: &ListQuery,
    names: &Names,
) -> Result<(Vec<ResourceView>, Option<Name>), StoreError> {
    let Found { rows, next } = match query.contains.is_empty() {
        true => first_rows(connection, query, names)?,
        false => search::search(connection, query, names)?,
    };
    let found = rows.len();
    let views = page(rows.into_iter().map(|row| view_of(connection, row, 1)))?;
    let next = match views.last().filter(|_| views.len() < found) {
        Some(last) => Some(last.name.clone()),
        None => next.map(Name::from),
    };
    Ok((views, next))
}

/// The first resources that are asked for, whatever their names contain.
fn first_rows(connection: &mut impl Queries, query: &ListQuery, names: &Names) -> Result<Found, StoreError> {
    // No name is empty.
    let after = query.after.as_deref().unwrap_or_default();
    let mut rows: Vec<ResourceRow> = Vec::new();
    for range in names.with_prefix(&query.prefix, after) {
        let limit = query.limit.saturating_sub(rows.len()) as i64;
        rows.extend(match query.state {
            StateFilter::Held => connection.held_page(&range, after, limit)?,
            StateFilter::Waiting => connection.queued_page(&range, after, limit)?,
            StateFilter::All => connection.resource_page(&range, after, limit)?,
        });
        if rows.len() == query.limit {
            break;
        }
    }
    let next = rows.last().filter(|_| rows.len() == query.limit).map(|row| row.name.clone());
    Ok(Found { rows, next })
}

/// The rows of these resources in a list; as many of the first as fit on a page.
pub(super) fn list_again(
    connection: &mut impl Queries,
    names: &[Name],
) -> Result<Vec<ResourceView>, StoreError> {
    page(names.iter().map(|name| match connection.resource(name)? {
        Some(row) => view_of(connection, row, 1),
        None => absent(connection, name),
    }))
}

/// The first of these resources that fit on a page, at least one. The others are
/// not read.
fn page(
    views: impl Iterator<Item = Result<ResourceView, StoreError>>,
) -> Result<Vec<ResourceView>, StoreError> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for view in views {
        let view = view?;
        bytes += view.list_bytes();
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(view);
    }
    Ok(page)
}

/// Counts over all of these resources. Waiters enqueued before `long` count as long
/// waits.
pub(super) fn lock_counts(
    connection: &mut impl Queries,
    long: Micros,
    names: &Names,
) -> Result<LockCounts, StoreError> {
    let ((mut held, mut leases), mut waiting, mut long_waits) = ((0, 0), 0, 0);
    let (mut contended, mut oldest) = (Vec::new(), Vec::new());
    for range in names.with_prefix("", "") {
        let (more_held, more_leases) = connection.count_held(&range)?;
        (held, leases) = (held + more_held, leases + more_leases);
        waiting += connection.count_waiters(&range)?;
        contended.extend(connection.longest_queues(&range, TOP)?);
        oldest.extend(connection.oldest_waiters(&range, TOP)?);
        long_waits += connection.count_enqueued_before(&range, long.0)?;
    }
    contended.sort_by(|a, b| b.queue_len.cmp(&a.queue_len).then_with(|| a.name.cmp(&b.name)));
    contended.truncate(TOP as usize);
    oldest.sort_by_key(|(_, row)| row.enqueued_at());
    oldest.truncate(TOP as usize);
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(LockCounts {
        held: count(held),
        leases: count(leases),
        waiting: count(waiting),
        long_waits: count(long_waits),
        oldest: oldest
            .into_iter()
            .map(|(name, row)| Ok((Name::from(name), row.into_claim()?)))
            .collect::<Result<_, StoreError>>()?,
        contended: contended.into_iter().map(|row| view_of(connection, row, 1)).collect::<Result<_, _>>()?,
    })
}

/// The resources with waiters, with as many of their holders as a reply shows.
pub(super) fn contended(
    connection: &mut impl Queries,
    names: &Names,
    limits: QueueLimits,
) -> Result<Contended, StoreError> {
    let mut rows = Vec::new();
    for range in names.with_prefix("", "") {
        rows.extend(connection.longest_queues(&range, limits.resources as i64 + 1)?);
    }
    rows.sort_by(|a, b| b.queue_len.cmp(&a.queue_len).then_with(|| a.name.cmp(&b.name)));
    let mut complete = rows.len() <= limits.resources;
    rows.truncate(limits.resources);
    let (mut views, mut left) = (Vec::new(), limits.waiters);
    for row in rows {
        if left == 0 {
            complete = false;
            break;
        }
        let view = view_of(connection, row, left as i64)?;
        left -= view.waiters.len();
        complete &= view.waiters.len() as u64 == view.row.queue_len
            && view.holders.len() as u64 == view.row.holder_count;
        views.push(view);
    }
    Ok(Contended { views, complete })
}

/// The leases and waiters of each principal, for each of these sets of names.
pub(super) fn claim_totals(
    connection: &mut impl Queries,
    names: &[Names],
) -> Result<ClaimTotals, StoreError> {
    let mut totals =
        ClaimTotals { below: Vec::new(), writers: connection.last_batches()?.into_iter().collect() };
    for names in names {
        let mut principals: HashMap<String, ClaimCount> = HashMap::new();
        for range in names.with_prefix("", "") {
            for (principal, leases) in connection.exclusive_leases_in(&range)? {
                principals.entry(principal.unwrap_or_default()).or_default().leases += leases;
            }
            for (principal, leases) in connection.shared_leases_in(&range)? {
                principals.entry(principal).or_default().leases += leases;
            }
            for (principal, waiters) in connection.waiters_in(&range)? {
                principals.entry(principal).or_default().waiters += waiters;
            }
        }
        totals.below.push(principals);
    }
    Ok(totals)
}

/// The place of a waiter in the queue, counted from 1.
pub(super) fn queue_position(
    connection: &mut impl Queries,
    name: &str,
    key: &ClaimKey,
) -> Result<Option<u64>, StoreError> {
    let Some(ticket) = connection.ticket(name, key)?.flatten() else { return Ok(None) };
    Ok(Some(connection.count_waiters_up_to(name, ticket)? as u64))
}

/// The keys of all waiters, in FIFO order.
pub(super) fn queue(connection: &mut impl Queries, name: &str) -> Result<Vec<ClaimKey>, StoreError> {
    let mut keys = Vec::new();
    let mut after = 0;
    loop {
        let page = connection.queue(name, after, QUEUE_PAGE)?;
        let Some((Some(last), ..)) = page.last() else { return Ok(keys) };
        after = *last;
        keys.extend(page.into_iter().map(|(_, principal, key)| ClaimKey::new(principal, key)));
    }
}

/// The versions of those of these resources that there are.
pub(super) fn versions(
    connection: &mut impl Queries,
    names: &[Name],
) -> Result<HashMap<Name, u64>, StoreError> {
    let mut versions = HashMap::with_capacity(names.len());
    for part in names.chunks(NAMES_PAGE) {
        let part: Vec<&str> = part.iter().map(|name| &**name).collect();
        let rows = connection.versions(&part)?;
        versions.extend(rows.into_iter().map(|(name, version)| (Name::from(name), version as u64)));
    }
    Ok(versions)
}

/// Resources and waiters that are due, and when the next one will be.
pub(super) struct Due {
    pub(super) resources: Vec<Name>,
    pub(super) waiters: Vec<(Name, ClaimKey)>,
    pub(super) next: Option<Micros>,
}

/// Up to `limit` resources, and as many waiters, that are due by this instant.
pub(super) fn due(connection: &mut impl Queries, by: Micros, limit: i64) -> Result<Due, StoreError> {
    let resources = connection.due_resources(by.0, limit)?;
    let waiters = connection.due_waiters(by.0, limit)?;
    let next_resource = connection.next_resource_check(by.0)?;
    let next_waiter = connection.next_waiter_check(by.0)?.flatten();
    Ok(Due {
        resources: resources.into_iter().map(Name::from).collect(),
        waiters: waiters.into_iter().map(waiter).collect(),
        next: next_resource.into_iter().chain(next_waiter).min().map(Micros),
    })
}

/// A waiter's resource, principal and key.
pub(super) fn waiter((resource, principal, key): (String, String, String)) -> (Name, ClaimKey) {
    (Name::from(resource), ClaimKey::new(principal, key))
}

fn claim(connection: &mut impl Queries, name: &str, key: &ClaimKey) -> Result<Option<Claim>, StoreError> {
    connection.claim(name, key)?.map(ClaimRow::into_claim).transpose()
}

fn claims(rows: Vec<ClaimRow>) -> Result<Vec<Claim>, StoreError> {
    rows.into_iter().map(ClaimRow::into_claim).collect()
}

/// A resource with as many of its holders as a reply shows, and this many waiters.
fn view_of(
    connection: &mut impl Queries,
    row: ResourceRow,
    waiters: i64,
) -> Result<ResourceView, StoreError> {
    let mut view = view_with(connection, row, MAX_HOLDERS_SHOWN as i64, waiters)?;
    view.holders.truncate(holders_shown(&view.holders));
    Ok(view)
}

/// A resource with this many of its holders and waiters.
pub(super) fn view_with(
    connection: &mut impl Queries,
    row: ResourceRow,
    holder_limit: i64,
    waiter_limit: i64,
) -> Result<ResourceView, StoreError> {
    let waiters = match row.queue_len {
        0 => Vec::new(),
        _ => claims(connection.waiters(&row.name, 0, waiter_limit)?)?,
    };
    let holders = holders(connection, &row, holder_limit)?;
    Ok(ResourceView { row: row.to_record(), name: Name::from(row.name), holders, waiters })
}

/// A name without a row: a free resource whose counters start at its floor.
fn absent(connection: &mut impl Queries, name: &Name) -> Result<ResourceView, StoreError> {
    let (token, version) = connection.floor(floor_bucket(name))?.unwrap_or_default();
    let row = ResourceRecord { token: token as u64, version: version as u64, ..Default::default() };
    Ok(ResourceView { name: Name::clone(name), row, holders: Vec::new(), waiters: Vec::new() })
}
